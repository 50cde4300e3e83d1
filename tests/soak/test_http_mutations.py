"""Mutated requests against a real server: it lives, answers, and never counts requests otherwise than h11 does.

`SOAK_SENT` is how many are sent under `make soak` (100,000), `SOAK_SEED` where they begin.
"""

import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from live import FakeStudio, Live, make_live

from .answers import describe, parse, wrong
from .mutations import Input, Mutator, read
from .processes import Found, spread

#: Seconds in which the last answer has to come: those for heads and bodies that never end are longer.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    studio = FakeStudio()
    folder = tmp_path_factory.mktemp("mutations") / "backend"
    live = make_live(folder, studio, "seed_model", env={"TRAIN_EVERY": "0", "LOG_LEVEL": "ERROR"})
    live.backend.start()
    yield live
    live.backend.stop()
    studio.stop()


def exchange(address: tuple[str, int], one: Input) -> bytes:
    """Send an input, end that side of the connection, and return all that comes back."""
    received: list[bytes] = []
    with socket.create_connection(address, PATIENCE) as connection:
        try:
            for part in one.parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it has refused the connection already: its answer is there
            pass
        try:
            while piece := connection.recv(1 << 16):
                received.append(piece)
        except ConnectionResetError:
            pass
    return b"".join(received)


def work(address: tuple[str, int], seed: int, count: int) -> Found:
    """Send the first inputs of a seed and check every answer."""
    mutator = Mutator(seed, f"{address[0]}:{address[1]}")
    found = Found()
    for number in range(count):
        one = mutator.next()
        reading = read(one.stream, one.sentinel, one.intact)
        received = exchange(address, one)
        try:
            answers = parse(received, one.sentinel, reading.methods)
        except AssertionError as error:
            found.wrongs.append(describe(seed, number, one, str(error)))
            continue
        if said := wrong(reading, answers):
            found.wrongs.append(describe(seed, number, one, said))
        found.counts.update(f"{status}" for status in answers.statuses)
        found.counts["inputs"] += 1
    return found


def send(live: Live, count: int, seed: int) -> Found:
    """Send `count` inputs and see that no answer is wrong, and that the server is as it was."""
    parts = urlsplit(live.backend.url)
    found = spread(partial(work, (parts.hostname or "127.0.0.1", parts.port or 80)), count, seed)
    assert not found.wrongs, "\n".join(found.wrongs)
    assert requests.get(f"{live.backend.url}/health", timeout=PATIENCE).json()["status"] == "UP"
    program = live.backend.program
    assert program is not None
    assert program.process.poll() is None
    log = Path(live.folder / "logs" / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    return found


def test_some_mutated_requests(live: Live) -> None:
    counts = send(live, 1000, seed=1).counts
    assert counts["inputs"] == 1000
    assert counts["200"] > 200
    assert counts["400"] > 50


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_mutated_requests(live: Live) -> None:
    count = int(os.environ.get("SOAK_SENT", "100000"))
    seed = int(os.environ.get("SOAK_SEED", "1000"))
    began = time.monotonic()
    found = send(live, count, seed)
    print(
        f"\nSOAK mutated requests over sockets: {found.counts['inputs']} inputs from seed {seed} in "
        f"{time.monotonic() - began:.0f} s: {found.statuses()}"
    )
