"""(h) One and two servers behind a proxy, one and two training workers, around one Redis."""

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from harness import bodies, servers
from harness.paths import BENCH, MODELS
from harness.result import Result, Table
from harness.wrk import wrk

KEY, TITLE = "h", "Several servers and workers"
#: Seconds that a fit takes; projects that are trained at the same time; seconds until one must be served.
FIT, PROJECTS, PATIENCE = 1.0, 8, 120.0
#: What a call of predict costs in seconds, and the tasks that it takes.
MODELS_OF = {"10 ms a call of one task": (0.01, 1), "no work": (0.0, 64)}
#: Connections for each server.
CONNECTIONS = 8

_HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 100s
  timeout server 100s
  option httpchk GET /readyz
frontend all
  bind 127.0.0.1:{port}
  default_backend servers
backend servers
  balance roundrobin
{listed}
"""


def run(*, quick: bool) -> Result:
    """Measure one and two of each in turn."""
    rounds, seconds = (1, 2.0) if quick else (3, 8.0)
    rates: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in MODELS_OF}
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(1, rounds + 1):
        for number in (1, 2):
            for name, (predict, batch) in MODELS_OF.items():
                rates[name][number - 1].append(_rate(number, predict, batch, seconds))
            times[number - 1].append(_trained(number))
        print(f"  {turn}/{rounds}", flush=True)
    requests = Table(
        ["requests/s through the proxy", "1 server", "2 servers", "ratio", "ratio of each round"]
    )
    for name, (one, two) in rates.items():
        each = ", ".join(f"{b / a:.2f}" for a, b in zip(one, two, strict=True))
        ratio = f"{median(two) / median(one):.2f}"
        requests.rows.append([name, f"{median(one):,.0f}", f"{median(two):,.0f}", ratio, each])
    training = Table(
        ["from the triggers to all served", "1 worker", "2 workers", "ratio", "ratio of each round"]
    )
    each = ", ".join(f"{b / a:.2f}" for a, b in zip(*times, strict=True))
    ratio = f"{median(times[1]) / median(times[0]):.2f}"
    training.rows.append(
        [f"{PROJECTS} projects, s", f"{median(times[0]):.1f}", f"{median(times[1]):.1f}", ratio, each]
    )
    return Result(
        KEY,
        TITLE,
        "`serve` and `worker` processes, a Redis with append-only file and HAProxy (round robin, asking /readyz) on "
        f"one machine; wrk with {CONNECTIONS} connections for each server, one task a request; a fit of {FIT:.0f} s. "
        f"{rounds} rounds of {seconds:.0f} s, medians. A model without work is bound by the processors, which all of "
        "them share with the load generator.",
        [],
        [requests, training],
        {"requests": {name: [median(one) for one in both] for name, both in rates.items()}}
        | {"training": [median(one) for one in times]},
    )


@contextlib.contextmanager
def _site(number: int, workers: int, predict: float, batch: int) -> Iterator[servers.Server]:
    """Yield the proxy in front of so many servers."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lsml-bench-")))
        shutil.copy(MODELS / "timed.py", folder / "model.py")
        redis, proxy = servers.free_port(), servers.free_port()
        command = ["redis-server", "--port", str(redis), "--dir", str(folder), "--appendonly", "yes"]
        stack.enter_context(servers.part("redis", command, redis))
        env = {"REDIS_URL": f"redis://127.0.0.1:{redis}/0", "LOG_LEVEL": "WARNING"}
        env |= {"BENCH_PREDICT": str(predict), "BENCH_BATCH": str(batch), "BENCH_FIT": str(FIT)}
        ours = str(BENCH / "bin" / "label-studio-ml")
        ports = [servers.free_port() for _ in range(number)]
        for port in ports:
            command = [ours, "serve", str(folder), "--port", str(port)]
            server = stack.enter_context(servers.part("serve", command, port, **env))
            _until(server, 200)
        if workers:
            command = [ours, "worker", str(folder), "--workers", str(workers)]
            stack.enter_context(servers.part("worker", command, **env))
        listed = "\n".join(f"  server s{port} 127.0.0.1:{port} check inter 500" for port in ports)
        config = folder / "haproxy.cfg"
        config.write_text(_HAPROXY.format(port=proxy, listed=listed))
        made = stack.enter_context(servers.part("haproxy", ["haproxy", "-q", "-f", str(config)], proxy))
        _until(made, 200)
        time.sleep(2.0)  # two probes of each server
        yield made


def _until(server: servers.Server, wanted: int) -> None:
    deadline = time.monotonic() + servers.START
    while True:
        with contextlib.suppress(OSError):
            if server.post("/readyz", b"")[0] == wanted:
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} is not ready")
        time.sleep(0.05)


def _rate(number: int, predict: float, batch: int, seconds: float) -> float:
    body = bodies.predict(1)
    with _site(number, 0, predict, batch) as proxy:
        for _ in range(4 * number):  # every server has loaded the model
            _version(proxy, body)
        return wrk(proxy, [body], connections=CONNECTIONS * number, seconds=seconds).rate


def _trained(workers: int) -> float:
    """Return the seconds from the first of the triggers until each project's new version is served."""
    event = bodies.captured("webhook_annotation_created")
    asked: list[tuple[dict[str, Any], bytes]] = []
    for number in range(1, PROJECTS + 1):
        project = {**event["project"], "id": number}
        asked.append(({**event, "project": project}, bodies.predict(1, project=bodies.uid(project))))
    with _site(1, workers, 0.0, 8) as proxy:
        before = [_version(proxy, body) for _, body in asked]
        began = time.monotonic()
        for one, _ in asked:
            status, answer = proxy.post("/webhook", bodies.encode(one))
            if status != 201:
                raise RuntimeError(f"/webhook: {status} {answer[:300]!r}")
        waiting = {number: body for number, (_, body) in enumerate(asked)}
        while waiting:
            if time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"projects {sorted(waiting)} are not served after {PATIENCE:.0f} s")
            time.sleep(0.02)
            for number, body in list(waiting.items()):
                if _version(proxy, body) != before[number]:
                    del waiting[number]
        return time.monotonic() - began


def _version(proxy: servers.Server, body: bytes) -> str:
    status, answer = proxy.post("/predict", body)
    if status != 200:
        raise RuntimeError(f"/predict: {status} {answer[:300]!r}")
    return str(json.loads(answer)["results"][0]["model_version"])
