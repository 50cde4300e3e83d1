"""(f) From the command to the first prediction, and what it occupies."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from harness import bodies, servers
from harness.paths import BENCH, UPSTREAM
from harness.result import Result, Table, at_most

KEY, TITLE = "f", "Start-up"
OURS, UPSTREAM_NAME = "label-studio-ml (this)", "label-studio-ml 1.0.9"


def run(*, quick: bool) -> Result:
    """Start both, in turn, several times over."""
    rounds = 3 if quick else 15
    body = bodies.predict(1)
    setup = bodies.setup(body)
    make: dict[str, Callable[[], servers.Server]] = {
        OURS: lambda: servers.ours("first_label", b"", body),
        UPSTREAM_NAME: lambda: servers.upstream(setup, body),
    }
    venvs = {OURS: BENCH, UPSTREAM_NAME: UPSTREAM}
    helps: dict[str, list[float]] = {name: [] for name in make}
    firsts: dict[str, list[float]] = {name: [] for name in make}
    memory: dict[str, list[int]] = {name: [] for name in make}
    count: dict[str, int] = {}
    for turn in range(rounds + 1):
        for name, start in make.items():
            taken = help_seconds(venvs[name])
            with start() as server:
                settle()
                if turn:  # the first of each only warms the disk's cache and writes the bytecode
                    helps[name].append(taken)
                    firsts[name].append(server.first_answer)
                    memory[name].append(server.rss())
                    count[name] = len(server.members())
        print(f"  {turn}/{rounds}", flush=True)
    table = Table(["", "--help s", "start to first /predict s", "memory MB", "processes"])
    for name in make:
        table.rows.append(
            [
                name if name != OURS else f"**{name}**",
                f"{median(helps[name]):.3f}",
                f"{median(firsts[name]):.2f}",
                f"{median(memory[name]) / 2**20:.0f}",
                str(count[name]),
            ]
        )
    return Result(
        KEY,
        TITLE,
        f"The dummy model, medians of {rounds} starts in turn. Ours starts a broker and a training worker as well "
        "(after the model process); 1.0.9 is gunicorn as its Dockerfile calls it, without Redis.",
        [
            at_most("label-studio-ml --help", median(helps[OURS]), 0.15, " s"),
            at_most("start to first prediction", median(firsts[OURS]), 0.8, " s"),
        ],
        [table],
        {
            name: {"help": median(helps[name]), "first": median(firsts[name]), "rss": median(memory[name])}
            for name in make
        },
    )


def help_seconds(venv: Path, **env: str) -> float:
    """Return the seconds that `label-studio-ml --help` of an environment takes."""
    command = [venv / "bin" / "label-studio-ml", "--help"]
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return time.perf_counter() - began


def settle() -> None:
    """Wait until what starts after the model process, the broker and the training worker, has its memory."""
    time.sleep(2)
