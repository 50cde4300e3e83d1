"""(i) How long a webhook's answer takes while Redis fails, and what becomes of the events."""

import contextlib
import http.client
import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import bodies, servers
from harness.client import percentile
from harness.paths import BENCH, MODELS
from harness.result import Result, Table, Target, ms

KEY, TITLE = "i", "Webhooks while Redis fails"
#: Seconds in which every webhook is to be answered, Label Studio's own patience, and what the fault is known by.
BOUND, PATIENCE = 0.3, 1.0
#: Callers, each with a project of its own, and webhooks that are answered before the fault begins.
CALLERS, BEFORE = 4, 100
SETTLE = 120.0

Begin = Callable[[servers.Server, int], Callable[[], None]]


def _killed(redis: servers.Server, port: int) -> Callable[[], None]:
    assert redis.process is not None
    redis.process.kill()
    redis.process.wait()

    def again() -> None:
        redis.process = subprocess.Popen(
            redis.command,
            cwd=redis.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    return again


def _stopped(redis: servers.Server, port: int) -> Callable[[], None]:
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    return lambda: redis.process.send_signal(signal.SIGCONT) if redis.process is not None else None


def _full(redis: servers.Server, port: int) -> Callable[[], None]:
    _cli(port, "config", "set", "maxmemory", "1")
    return lambda: _cli(port, "config", "set", "maxmemory", "0") and None


def _cut_off(redis: servers.Server, port: int) -> Callable[[], None]:
    """Let the kernel swallow every packet to it. Needs root and iptables."""
    rule = ["INPUT", "-i", "lo", "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    subprocess.run(["iptables", "-I", *rule], check=True, capture_output=True, timeout=30)

    def mend() -> None:
        subprocess.run(["iptables", "-D", *rule], check=True, capture_output=True, timeout=30)

    return mend


FAULTS: dict[str, Begin | None] = {
    "none": None,
    "killed": _killed,
    "stopped (SIGSTOP)": _stopped,
    "full (noeviction)": _full,
    "cut off (packets dropped)": _cut_off,
}


def run(*, quick: bool) -> Result:
    """Measure each fault in turn."""
    count = 300 if quick else 1000
    table = Table(["Redis is", "answered", "within 0.3 s", "p50 ms", "p99 ms", "max ms", "lost", "doubled"])
    targets, figures = [], {}
    for name, begin in FAULTS.items():
        try:
            took, lost, doubled = _measure(begin, count)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"  {name}: not measured here: {error}", flush=True)
            continue
        quick_enough = sum(one <= BOUND for one in took)
        table.rows.append(
            [
                *(name, f"{len(took)}", f"{quick_enough}"),
                *(
                    ms(percentile(took, 0.5)),
                    ms(percentile(took, 0.99)),
                    ms(max(took)),
                    str(lost),
                    str(doubled),
                ),
            ]
        )
        figures[name] = {"max": max(took), "p99": percentile(took, 0.99), "within": quick_enough}
        whole = quick_enough == count and not lost and not doubled
        text = f"{name}: answered within {BOUND} s, each counts once"
        targets.append(Target(text, f"{quick_enough} of {count}, {lost} lost, {doubled} doubled", whole))
        print(f"  {name}", flush=True)
    return Result(
        KEY,
        TITLE,
        f"`serve` beside a Redis with append-only file (`appendfsync always`) on one machine; {CALLERS} callers, each "
        f"with a project and a connection of its own, send {count} ANNOTATION_CREATED one after the other. The fault "
        f"begins after {BEFORE} of them, and ends when all are answered; then the events in Redis are counted, and "
        f"compared with what was sent, in order. Label Studio gives up after {PATIENCE:.0f} s.",
        targets,
        [table],
        figures,
    )


def _measure(begin: Begin | None, count: int) -> tuple[list[float], int, int]:
    """Return the seconds of each answer, and how many events were lost and doubled."""
    with _site() as (server, redis, port):
        body = bodies.predict(1)
        for caller in range(CALLERS):
            _until(lambda caller=caller: server.post("/setup", _setup(body, caller))[0] == 200)  # type: ignore[misc]
        _until(lambda: b'"broker":"ok"' in server.post("/readyz", b"")[1].replace(b" ", b""))
        sent, answered = threading.Semaphore(0), list[float]()
        with ThreadPoolExecutor(CALLERS) as threads:
            work = [
                threads.submit(_caller, server.port, one, count // CALLERS, sent) for one in range(CALLERS)
            ]
            for _ in range(BEFORE):
                sent.acquire()
            mend = begin(redis, port) if begin is not None else lambda: None
            try:
                for one in work:
                    answered += one.result()
            finally:
                mend()
        spool = server.folder / "data" / "spool"
        _until(lambda: not list(spool.glob("*.json")))
        lost = doubled = 0
        for caller in range(CALLERS):
            found = _kept(port, caller)
            lost += len(set(range(count // CALLERS)) - set(found))
            doubled += len(found) - len(set(found))
            if found != sorted(found):
                raise RuntimeError(f"the events of project {caller} are in another order: {found[:20]}")
    return answered, lost, doubled


@contextlib.contextmanager
def _site() -> Iterator[tuple[servers.Server, servers.Server, int]]:
    """Yield a server, its Redis and that one's port."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lsml-bench-")))
        shutil.copy(MODELS / "timed.py", folder / "model.py")
        port = servers.free_port()
        command = ["redis-server", "--port", str(port), "--dir", str(folder), "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "always"]
        redis = stack.enter_context(servers.part("redis", command, port))
        env = {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "RQ_QUEUE_NAME": "bench", "LOG_LEVEL": "WARNING"}
        env |= {"BENCH_PREDICT": "0", "BENCH_BATCH": "1", "BENCH_FIT": "0", "MODEL_DIR": "data"}
        listens = servers.free_port()
        command = [str(BENCH / "bin" / "label-studio-ml"), "serve", str(folder), "--port", str(listens)]
        server = stack.enter_context(servers.part("serve", command, listens, **env))
        shutil.rmtree(server.folder)
        server.folder = folder
        yield server, redis, port


def _project(caller: int) -> dict[str, Any]:
    project: dict[str, Any] = {**bodies.captured("webhook_annotation_created")["project"], "id": caller + 1}
    return project


def _setup(body: bytes, caller: int) -> bytes:
    project = _project(caller)
    changes = {"project": bodies.uid(project), "schema": project["label_config"]}
    return bodies.encode({**json.loads(bodies.setup(body)), **changes})


def _caller(port: int, caller: int, count: int, sent: threading.Semaphore) -> list[float]:
    """Send a project's events one after the other; return the seconds that each answer took."""
    event = bodies.captured("webhook_annotation_created")
    event["project"] = _project(caller)
    took = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(count):
        event["annotation"] = {**event["annotation"], "id": number}
        body = bodies.encode(event)
        began = time.perf_counter()
        connection.request("POST", "/webhook", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        took.append(time.perf_counter() - began)
        if answer.status != 201:
            raise RuntimeError(f"/webhook: {answer.status} {text[:300]!r}")
        sent.release()
    connection.close()
    return took


def _kept(port: int, caller: int) -> list[int]:
    """Return the numbers of a project's events in Redis, in order."""
    (key,) = _cli(port, "--raw", "keys", f"lsml:bench:mailbox:{caller + 1}.*").split()
    lines = _cli(port, "--raw", "xrange", key, "-", "+").splitlines()
    ids = [line for line in lines if line.count("-") == 1 and line.replace("-", "").isdigit()]
    payloads = key.replace(":mailbox:", ":payloads:")
    texts = [_cli(port, "--raw", "hget", payloads, one) for one in ids]
    return [int(json.loads(text)["data"]["annotation"]["id"]) for text in texts]


def _cli(port: int, *words: str) -> str:
    command = ["redis-cli", "-p", str(port), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("it does not come to rest")
        time.sleep(0.02)
