"""(b) How much of a real model's speed 32 annotators get who ask for one task each."""

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable
from statistics import median

from harness import bodies, servers
from harness.paths import BENCH, HERE, MODELS, PEERS
from harness.result import Result, Table, Target, at_least, ms
from harness.wrk import Load, wrk

KEY, TITLE = "b", "MiniLM sentence embeddings with a linear head"
OURS, LITSERVE, CEILING = "label-studio-ml (this)", "LitServe", "the model alone"
CONNECTIONS = 32


def run(*, quick: bool) -> Result:
    """Run ceiling, ours and LitServe in turn, several times over."""
    rounds, seconds = (1, 5) if quick else (4, 12)
    sentences = bodies.text_predicts(256)
    setup = bodies.setup(sentences[0])
    make: dict[str, Callable[[], servers.Server]] = {
        OURS: lambda: ours(setup, sentences[0]),
        LITSERVE: lambda: servers.peer(LITSERVE, "litserve_minilm.py", sentences[0]),
    }
    loads: dict[str, list[Load]] = defaultdict(list)
    ceilings: list[dict[str, float]] = []
    for turn in range(rounds):
        ceilings.append(ceiling(seconds))
        print(f"  {turn + 1}/{rounds} {CEILING}: {ceilings[-1]['rate']:,.0f}/s", flush=True)
        for name, start in make.items():
            with start() as server:
                wrk(server, sentences, connections=CONNECTIONS, seconds=2)
                loads[name].append(wrk(server, sentences, connections=CONNECTIONS, seconds=seconds))
            print(f"  {turn + 1}/{rounds} {name}: {loads[name][-1].rate:,.0f}/s", flush=True)
    top = median(one["rate"] for one in ceilings)
    rate = {name: median(load.rate for load in several) for name, several in loads.items()}
    p99 = {name: median(load.p99 for load in several) for name, several in loads.items()}
    table = Table([f"1 task, {CONNECTIONS} connections", "of the ceiling", "tasks/s", "p50 ms", "p99 ms"])
    table.rows.append(
        [
            f"{CEILING} (batches of 32)",
            "1",
            f"{top:,.0f}",
            ms(median(one["p50"] for one in ceilings)),
            ms(median(one["p99"] for one in ceilings)),
        ]
    )
    for name, several in loads.items():
        table.rows.append(
            [
                name if name != OURS else f"**{name}**",
                f"{rate[name] / top:.2f}",
                f"{rate[name]:,.0f}",
                ms(median(load.p50 for load in several)),
                ms(p99[name]),
            ]
        )
    return Result(
        KEY,
        TITLE,
        "PyTorch on the CPU, sentences of 5 to 16 words, all different; at most 32 tasks in a batch for both servers, "
        f"LitServe waits up to 10 ms for them. {rounds} rounds of {seconds} s, medians.",
        [
            at_least("throughput, of the ceiling", rate[OURS] / top, 0.85),
            Target(
                "p99 no worse than LitServe's",
                f"{ms(p99[OURS])} against {ms(p99[LITSERVE])} ms",
                p99[OURS] <= p99[LITSERVE],
            ),
        ],
        [table],
        {**{name: round(value, 1) for name, value in rate.items()}, CEILING: round(top, 1)},
    )


def ours(setup: bytes, first: bytes) -> servers.Server:
    """Our server with the model."""
    return servers.ours("minilm", setup, first, PYTHONPATH=str(MODELS))


def ceiling(seconds: float) -> dict[str, float]:
    """Run the model alone in a process of its own."""
    done = subprocess.run(
        [BENCH / "bin" / "python", PEERS / "ceiling.py", str(seconds)],
        env={**os.environ, "PYTHONPATH": f"{MODELS}:{HERE}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=seconds + 120,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
