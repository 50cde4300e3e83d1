"""(k) What the dashboard costs predictions while people look at it."""

import contextlib
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from harness import bodies, processes, servers
from harness.result import Result, Table, at_least
from harness.wrk import wrk

KEY, TITLE = "k", "Dashboard"
SHAPES = ((1, 1), (1, 32), (100, 1), (100, 32))

#: What the view "Now" follows, and with it every view.
TOPICS = "attention,now"
NOBODY, ONE, FIFTY = "nobody looks", "1 viewer", "50 viewers"
VIEWERS = {NOBODY: 0, ONE: 1, FIFTY: 50}


def run(*, quick: bool) -> Result:
    """Load one server in turn without and with viewers, several times over."""
    rounds, seconds = (1, 1) if quick else (12, 2)
    body = {tasks: bodies.predict(tasks) for tasks, _ in SHAPES}
    rates: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    cost: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    with servers.ours("first_label", bodies.setup(body[1]), body[1]) as server:
        for turn in range(rounds):
            names = list(VIEWERS) if turn % 2 == 0 else list(reversed(VIEWERS))
            for tasks, connections in SHAPES:
                for name in names:
                    with _looking(server.port, VIEWERS[name]):
                        wrk(server, [body[tasks]], connections=connections, seconds=1)
                        used = sum(processes.cpu(server.members()).values())
                        load = wrk(server, [body[tasks]], connections=connections, seconds=seconds)
                        used = sum(processes.cpu(server.members()).values()) - used
                    rates[name, tasks, connections].append(load.rate)
                    cost[name, tasks, connections].append(used / load.requests)
            print(f"  {turn + 1}/{rounds}", flush=True)
        idle = {name: _idle_cpu(server, viewers, 5 if quick else 30) for name, viewers in VIEWERS.items()}
    table = Table(
        ["tasks x connections", "", "requests/s", "of nobody", "least", "largest", "CPU µs a request"]
    )
    for tasks, connections in SHAPES:
        for name in VIEWERS:
            key = (name, tasks, connections)
            ratios = _ratios(rates[key], rates[NOBODY, tasks, connections])
            table.rows.append(
                [
                    f"{tasks} x {connections}",
                    name,
                    f"{median(rates[key]):,.0f}",
                    *(f"{value:.3f}" for value in (median(ratios), min(ratios), max(ratios))),
                    f"{median(cost[key]) * 1e6:.0f}",
                ]
            )
    return Result(
        KEY,
        TITLE,
        "The server of (a), loaded in turn with nobody at the dashboard, one page that follows the view Now, and 50 of "
        f"them; {rounds} rounds of {seconds} s. Ratios are those within a round: median, least and largest.",
        [
            at_least(
                f"1 viewer, {tasks} x {connections}, of nobody",
                median(_ratios(rates[ONE, tasks, connections], rates[NOBODY, tasks, connections])),
                0.97,
            )
            for tasks, connections in SHAPES
        ],
        [table, _idle_table(idle)],
        {f"idle|{name}": round(used, 2) for name, used in idle.items()}
        | {f"{name}|{tasks}x{n}": round(median(several), 1) for (name, tasks, n), several in rates.items()},
    )


def _idle_cpu(server: servers.Server, viewers: int, seconds: int) -> float:
    """Return the milliseconds of CPU that the server uses in a second while nobody asks for predictions."""
    with _looking(server.port, viewers):
        time.sleep(2)  # the first readings
        began, used = time.monotonic(), sum(processes.cpu(server.members()).values())
        time.sleep(seconds)
        used = sum(processes.cpu(server.members()).values()) - used
        return used / (time.monotonic() - began) * 1000


def _idle_table(idle: dict[str, float]) -> Table:
    table = Table(["no predictions", "CPU ms a second"])
    table.rows = [[name, f"{used:.1f}"] for name, used in idle.items()]
    return table


def _ratios(rates: list[float], reference: list[float]) -> list[float]:
    return [rate / other for rate, other in zip(rates, reference, strict=True)]


@contextlib.contextmanager
def _looking(port: int, viewers: int) -> Iterator[None]:
    """Keep `viewers` pages open during the block: each reads the events of `TOPICS` as they come."""
    connections = []
    for _ in range(viewers):
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        request = f"GET /dashboard/api/events?topics={TOPICS} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
        connection.sendall(request.encode())
        head = connection.recv(1 << 16)
        assert head.startswith(b"HTTP/1.1 200"), head
        threading.Thread(target=_read, args=(connection,), daemon=True).start()
        connections.append(connection)
    try:
        yield
    finally:
        for connection in connections:
            connection.shutdown(socket.SHUT_RDWR)  # it also ends the thread's read, which `close` would not
            connection.close()


def _read(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1 << 16):
            pass
