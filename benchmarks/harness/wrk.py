"""Load by wrk: as many requests as the connections can carry, one after the other on each."""

import json
import math
import os
import subprocess
import tempfile
from dataclasses import dataclass

from harness.paths import DATA
from harness.servers import Server


@dataclass(frozen=True)
class Load:
    """What came of it. Latencies are in seconds; `failed` counts every answer but 2xx."""

    requests: int
    seconds: float
    bytes: int
    failed: int
    p50: float
    p99: float
    max: float

    @property
    def rate(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds


def wrk(server: Server, bodies: list[bytes], *, connections: int, seconds: float) -> Load:
    """Post `bodies` to /predict in turn. Raises RuntimeError when a request fails."""
    running = start(server, bodies, connections=connections, seconds=seconds)
    return finish(server, running, seconds)


def start(
    server: Server, bodies: list[bytes], *, connections: int, seconds: float
) -> "subprocess.Popen[str]":
    """Begin such a load; `finish` waits for its end."""
    with tempfile.NamedTemporaryFile(prefix="lsml-bench-", delete=False) as file:
        file.write(b"\n".join(bodies) + b"\n")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{math.ceil(seconds)}s", "--timeout", "60s", "--latency"]
    command += ["-s", str(DATA / "post.lua"), f"http://127.0.0.1:{server.port}/predict"]
    running = subprocess.Popen(
        command,
        env={**os.environ, "BODIES": file.name},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running.bodies = file.name  # type: ignore[attr-defined]
    return running


def finish(server: Server, running: "subprocess.Popen[str]", seconds: float) -> Load:
    """Wait for a load that was begun, and return what came of it."""
    try:
        output, _ = running.communicate(timeout=seconds + 90)
    except BaseException:
        running.kill()
        running.wait()
        raise
    finally:
        os.unlink(running.bodies)  # type: ignore[attr-defined]
    line = next((line for line in output.splitlines() if line.startswith("JSON ")), None)
    if line is None:
        raise RuntimeError(f"wrk failed: {output[-1000:]}")
    load = Load(**json.loads(line.removeprefix("JSON ")))
    if load.failed or not load.requests:
        raise RuntimeError(f"{server.name}: {load.failed} of {load.requests} requests failed")
    return load
