#!/usr/bin/env python3
"""Measure one and two servers behind HAProxy, and one and two workers, around one Redis; print tables.

    python benchmarks/scaling.py [--seconds 8] [--rounds 3]

Needs haproxy, redis-server and wrk on PATH, and this package in the interpreter that runs it.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CLI = [sys.executable, "-c", "from label_studio_ml.cli.main import main; raise SystemExit(main())"]

CONFIG = '<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'

#: Seconds that a fit takes; projects that are trained at the same time; seconds of a prediction of the slow model.
FIT, PROJECTS, PREDICT = 1.0, 8, 0.01

MODEL = """
import os
import time
from label_studio_ml.model import LabelStudioMLBase


class Model(LabelStudioMLBase):
    max_batch_size = int(os.environ["BENCH_BATCH"])

    def predict(self, tasks, **kwargs):
        time.sleep(float(os.environ["BENCH_PREDICT"]))
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, event, data, **kwargs):
        time.sleep(float(os.environ["BENCH_FIT"]))
        self.set("model_version", f"v{time.time_ns()}")
"""

HAPROXY = """
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
{servers}
"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """Redis, servers, workers and a proxy, in one folder."""

    def __init__(self, folder: Path, *, servers: int, workers: int, predict: float, batch: int) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        backend = folder / "backend"
        backend.mkdir()
        (backend / "model.py").write_text(MODEL)
        redis = free_port()
        self._start(["redis-server", "--port", str(redis), "--dir", str(folder), "--appendonly", "yes"])
        env = {"REDIS_URL": f"redis://127.0.0.1:{redis}/0", "LOG_LEVEL": "WARNING"}
        env |= {"BENCH_PREDICT": str(predict), "BENCH_BATCH": str(batch), "BENCH_FIT": str(FIT)}
        ports = [free_port() for _ in range(servers)]
        for port in ports:
            self._start([*CLI, "serve", "backend", "--port", str(port)], folder, env)
        if workers:
            self._start([*CLI, "worker", "backend", "--workers", str(workers)], folder, env)
        self.port = free_port()
        listed = "\n".join(f"  server s{port} 127.0.0.1:{port} check inter 500" for port in ports)
        (folder / "haproxy.cfg").write_text(HAPROXY.format(port=self.port, servers=listed))
        self._start(["haproxy", "-q", "-f", str(folder / "haproxy.cfg")])
        for port in ports:
            until(lambda port=port: _status(f"http://127.0.0.1:{port}/readyz") == 200, "a server is ready")
        until(lambda: _status(f"http://127.0.0.1:{self.port}/readyz") == 200, "the proxy has a server")
        time.sleep(2)

    def _start(
        self, command: list[str], folder: Path | None = None, env: dict[str, str] | None = None
    ) -> None:
        self._processes.append(
            subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request through the proxy."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def stop(self) -> None:
        """End everything."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except (urllib.error.URLError, OSError):
        return 0


def until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Wait until `condition` is true. Raises RuntimeError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def site(**options: Any) -> Iterator[Site]:
    """Yield a site that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="lsml-scaling-") as folder:
        made = Site(Path(folder), **options)
        try:
            yield made
        finally:
            made.stop()


def rate(servers: int, *, predict: float, batch: int, seconds: int) -> float:
    """Return the predictions a second that 8 connections for each server get through the proxy."""
    with site(servers=servers, workers=0, predict=predict, batch=batch) as made:
        body = {"tasks": [{"id": 1, "data": {"t": "x"}}], "project": "1.1", "label_config": CONFIG}
        made.post("/predict", body)
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(f"wrk.method = 'POST'\nwrk.body = [==[{json.dumps(body)}]==]\n")
            script.flush()
            command = ["wrk", "-t1", f"-c{8 * servers}", f"-d{seconds}s", "-s", script.name]
            url = f"http://127.0.0.1:{made.port}/predict"
            output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        found = re.search(r"([0-9]+) requests in ([0-9.]+)s", output)
        if found is None or "Socket errors" in output:
            raise RuntimeError(output)
        refused = re.search(
            r"Non-2xx or 3xx responses: ([0-9]+)", output
        )  # beyond a second's wait it says 503
        return (int(found[1]) - (int(refused[1]) if refused else 0)) / float(found[2])


def trained(workers: int) -> float:
    """Return the seconds from an event of each of some projects to the new version of the last one being served."""
    with site(servers=1, workers=workers, predict=0.0, batch=8) as made:
        names = {}
        for number in range(1, PROJECTS + 1):
            body = {
                "tasks": [{"id": 1, "data": {"t": "x"}}],
                "project": f"{number}.1767225600",
                "label_config": CONFIG,
            }
            made.post("/predict", body)
            names[number] = (body, made.post("/predict", body)["results"][0]["model_version"])
        began = time.monotonic()
        for number in names:
            project = {"id": number, "created_at": "2026-01-01T00:00:00Z", "label_config": CONFIG}
            made.post("/webhook", {"action": "START_TRAINING", "project": project})

        def served(number: int) -> bool:
            body, before = names[number]
            return bool(made.post("/predict", body)["results"][0]["model_version"] != before)

        for number in names:
            until(lambda number=number: served(number), f"project {number} is served")
        return time.monotonic() - began


def main() -> int:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for program in ("haproxy", "redis-server", "wrk"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not on PATH")
    print(
        f"{os.cpu_count()} processors; load before: {os.getloadavg()[0]:.1f}; median of {args.rounds}\n",
        flush=True,
    )
    print("| model | servers | predictions/s |\n| --- | --- | --- |", flush=True)
    for name, predict, batch in (
        (f"{PREDICT * 1000:.0f} ms a call, one task", PREDICT, 1),
        ("no work", 0.0, 64),
    ):
        for servers in (1, 2):
            found = [
                rate(servers, predict=predict, batch=batch, seconds=args.seconds) for _ in range(args.rounds)
            ]
            print(f"| {name} | {servers} | {statistics.median(found):,.0f} |", flush=True)
    print(f"\n| workers | seconds until {PROJECTS} projects, fit of {FIT:.0f} s, are served |\n| --- | --- |")
    for workers in (1, 2):
        times = [trained(workers) for _ in range(args.rounds)]
        print(f"| {workers} | {statistics.median(times):.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
