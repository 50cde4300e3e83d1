"""(d) New versions while requests flow: what fails, what mixes, what is late."""

import asyncio
import json
import subprocess

from harness import bodies, client, servers
from harness.client import Sample, percentile
from harness.paths import BENCH, PEERS
from harness.result import Result, Table, Target, at_most, ms

KEY, TITLE = "d", "Swapping versions under load"
CONNECTIONS = 32
#: Seconds after a commit that count as the swap.
SWAP = 1.0


def run(*, quick: bool) -> Result:
    """Swap for both generations of model classes."""
    swaps = 3 if quick else 15
    table = Table(
        [
            "class",
            "swaps seen",
            "requests",
            "failed",
            "mixed",
            "p99 idle ms",
            "p99 in the swap ms",
            "max ms",
            "ratio",
        ]
    )
    targets: list[Target] = []
    figures: dict[str, object] = {}
    for model, what in (("numbered", "fit(annotations)"), ("numbered_events", "fit(event, data)")):
        body = bodies.predict(1)
        wires = [client.request("/predict", bodies.predict(tasks)) for tasks in (1, 2, 3, 4)]
        with servers.ours(model, bodies.setup(body), body) as server:
            idle = asyncio.run(
                client.closed_loop(server.port, wires, connections=CONNECTIONS, seconds=3 if quick else 10)
            )
            commits, samples = asyncio.run(_swapping(server, wires, swaps))
        during = [one for one in samples if any(-one.took <= one.sent - at <= SWAP for at in commits)]
        failed = sum(one.status != 200 for one in idle + samples)
        seen, mixed = _versions(idle + samples)
        before, swapping = (percentile([one.took for one in some], 0.99) for some in (idle, during))
        worst = max(one.took for one in during)
        table.rows.append(
            [
                what,
                str(seen - 1),
                str(len(idle) + len(samples)),
                str(failed),
                str(mixed),
                ms(before),
                ms(swapping),
                ms(worst),
                f"{swapping / before:.2f}",
            ]
        )
        figures[what] = {"failed": failed, "mixed": mixed, "idle": before, "swap": swapping, "max": worst}
        targets += [
            Target(f"{what}: versions served", f"{seen - 1} of {swaps}", seen - 1 == swaps),
            Target(f"{what}: failed = 0", str(failed), failed == 0),
            Target(f"{what}: mixed = 0", str(mixed), mixed == 0),
            at_most(f"{what}: p99 in the swap, times idle", swapping / before, 2),
        ]
    return Result(
        KEY,
        TITLE,
        f"{CONNECTIONS} connections of 1 to 4 tasks, 20 ms a batch; {swaps} versions of 1 MB, one in 2 s, committed "
        f"as a training does. The swap: the {SWAP:g} s after each commit.",
        targets,
        [table],
        figures,
    )


async def _swapping(
    server: servers.Server, wires: list[bytes], swaps: int
) -> tuple[list[float], list[Sample]]:
    uid = bodies.captured()["project"]
    command = [PEERS / "publish.py", server.folder / "data", uid, str(swaps), "2", "0"]
    publisher = await asyncio.create_subprocess_exec(
        BENCH / "bin" / "python", *command, stdout=subprocess.PIPE
    )
    samples = await client.closed_loop(server.port, wires, connections=CONNECTIONS, seconds=swaps * 2 + 2)
    output, _ = await asyncio.wait_for(publisher.communicate(), 10)
    return [float(line) for line in output.split()], samples


def _versions(samples: list[Sample]) -> tuple[int, int]:
    """Return how many versions answered, and how many answers came from more than one."""
    versions, mixed = set(), 0
    for sample in samples:
        if sample.status != 200:
            continue
        results = json.loads(sample.body)["results"]
        made = {(one["model_version"], one["result"][0]["value"]["choices"][0]) for one in results}
        mixed += len(made) != 1
        versions |= made
    return len(versions), mixed + len(versions) - len({name for name, _ in versions})
