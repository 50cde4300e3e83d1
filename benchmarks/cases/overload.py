"""(e) Ten times more requests than the model can answer."""

import asyncio

from harness import bodies, client, servers
from harness.client import percentile
from harness.result import Result, Table, Target, at_most, ms

KEY, TITLE = "e", "Overload"
CONNECTIONS = 32


def run(*, quick: bool) -> Result:
    """Measure the capacity, then ask for ten times as much."""
    seconds = 5 if quick else 20
    body = bodies.predict(1)
    wire = client.request("/predict", body)
    with servers.ours("fixed_cost", bodies.setup(body), body) as server:
        calm = asyncio.run(client.closed_loop(server.port, [wire], connections=CONNECTIONS, seconds=seconds))
        capacity = len(calm) / seconds
        memory_before = server.rss()
        flood = asyncio.run(client.open_loop(server.port, wire, rate=10 * capacity, seconds=seconds))
        memory_after = server.rss()
        asyncio.run(client.open_loop(server.port, wire, rate=10 * capacity, seconds=seconds))
        memory_again = server.rss()
    calm_p99 = percentile([one.took for one in calm], 0.99)
    accepted = [one.took for one in flood if one.status == 200]
    refused = [one.took for one in flood if one.status == 503]
    other = len(flood) - len(accepted) - len(refused)
    turned_away = sum(one.status != 200 for one in calm)
    table = Table(["", "requests", "p50 ms", "p99 ms", "max ms"])
    for name, took in (
        (f"at capacity ({capacity:,.0f}/s)", [one.took for one in calm]),
        ("10 x: accepted", accepted),
        ("10 x: 503", refused),
    ):
        table.rows.append(
            [
                name,
                str(len(took)),
                ms(percentile(took, 0.5)),
                ms(percentile(took, 0.99)),
                ms(max(took, default=0)),
            ]
        )
    growth = memory_again / memory_after
    memory = Table(["memory of all processes", "MB"])
    memory.rows = [
        ["at capacity", f"{memory_before / 2**20:.0f}"],
        ["after the first flood", f"{memory_after / 2**20:.0f}"],
        ["after the second", f"{memory_again / 2**20:.0f}"],
    ]
    return Result(
        KEY,
        TITLE,
        f"A model of known cost (20 ms a batch and 5 ms a task, at most 16 tasks). Capacity: {CONNECTIONS} "
        f"connections, one after the other, so that one full batch runs while the next one waits. "
        f"Then 10 x as many requests a second, answered or not, twice {seconds} s.",
        [
            at_most(
                "accepted requests' p99, times that at capacity", percentile(accepted, 0.99) / calm_p99, 3
            ),
            Target("refused at capacity = 0", str(turned_away), turned_away == 0),
            at_most("503 after, p99", percentile(refused, 0.99) * 1e3, 50, " ms"),
            Target("neither 200 nor 503 = 0", str(other), other == 0),
            at_most("memory after the second flood, times after the first", growth, 1.05),
        ],
        [table, memory],
        {"accepted": percentile(accepted, 0.99), "calm": calm_p99, "refused": percentile(refused, 0.99)},
    )
