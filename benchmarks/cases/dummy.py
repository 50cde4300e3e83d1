"""(a) What the server costs beside a model that costs nothing."""

from collections import defaultdict
from collections.abc import Callable
from statistics import median

from harness import bodies, processes, servers
from harness.result import Result, Table, at_least, ms
from harness.wrk import Load, wrk

KEY, TITLE = "a", "Dummy model"
SHAPES = ((1, 1), (1, 32), (100, 1), (100, 32))
OURS, FLOOR, LITSERVE, UPSTREAM = (
    "label-studio-ml (this)",
    "bare ASGI app",
    "LitServe",
    "label-studio-ml 1.0.9",
)


def run(*, quick: bool) -> Result:
    """Run every peer in turn, several times over."""
    rounds, seconds = (1, 2) if quick else (3, 5)
    body = {tasks: bodies.predict(tasks) for tasks, _ in SHAPES}
    setup = bodies.setup(body[1])
    make: dict[str, Callable[[], servers.Server]] = {
        OURS: lambda: servers.ours("first_label", setup, body[1]),
        FLOOR: lambda: servers.peer(FLOOR, "floor.py", body[1]),
        UPSTREAM: lambda: servers.upstream(setup, body[1]),
        LITSERVE: lambda: servers.peer(LITSERVE, "litserve_dummy.py", body[1]),
    }
    loads: dict[tuple[str, int, int], list[Load]] = defaultdict(list)
    cost: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for turn in range(rounds):
        for name, start in make.items():
            with start() as server:
                for tasks, connections in SHAPES:
                    wrk(server, [body[tasks]], connections=connections, seconds=1)
                    used = sum(processes.cpu(server.members()).values())
                    load = wrk(server, [body[tasks]], connections=connections, seconds=seconds)
                    used = sum(processes.cpu(server.members()).values()) - used
                    cost[name, tasks, connections].append(used / load.requests)
                    loads[name, tasks, connections].append(load)
                    print(
                        f"  {turn + 1}/{rounds} {name}: {tasks} x {connections}: {load.rate:,.0f}/s",
                        flush=True,
                    )
    rate = {key: median(load.rate for load in several) for key, several in loads.items()}
    tables = []
    for tasks, connections in SHAPES:
        table = Table(["", "of the floor", "requests/s", "p50 ms", "p99 ms", "CPU µs a request"])
        for name in make:
            key = (name, tasks, connections)
            several = loads[key]
            table.rows.append(
                [
                    name if name != OURS else f"**{name}**",
                    f"{rate[key] / rate[FLOOR, tasks, connections]:.3f}",
                    f"{rate[key]:,.0f}",
                    ms(median(load.p50 for load in several)),
                    ms(median(load.p99 for load in several)),
                    f"{median(cost[key]) * 1e6:.0f}",
                ]
            )
        table.columns[0] = f"{tasks} task(s), {connections} connection(s)"
        tables.append(table)
    return Result(
        KEY,
        TITLE,
        "The tutorial's model, a body captured from a real Label Studio, wrk with one thread; "
        f"{rounds} rounds of {seconds} s, medians. LitServe may merge 64 requests.",
        [
            at_least("1 task x 32 connections, of the floor", rate[OURS, 1, 32] / rate[FLOOR, 1, 32], 0.55),
            at_least("1 task x 32 connections, times 1.0.9", rate[OURS, 1, 32] / rate[UPSTREAM, 1, 32], 10),
            at_least(
                "100 tasks x 32 connections, of the floor", rate[OURS, 100, 32] / rate[FLOOR, 100, 32], 0.5
            ),
        ],
        tables,
        {
            f"{name}|{tasks}x{connections}": round(value, 1)
            for (name, tasks, connections), value in rate.items()
        },
    )
