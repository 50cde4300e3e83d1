"""Mutated requests against a real server: it lives, answers, and never counts requests otherwise than h11 does.

`SOAK_INPUTS` is how many are sent under `make soak` (20,000), `SOAK_SEED` where they begin.
"""

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from live import FakeStudio, Live, make_live

from .mutations import Input, Mutator, read

#: Seconds in which the last answer has to come: those for heads and bodies that never end are longer.
PATIENCE = 120.0
THREADS = 4
#: As many wrong answers are shown at most.
MOST_WRONGS = 20


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: statuses, the place of the sentinel's answer, whether the last one says that it is the last."""

    statuses: list[int]
    sentinel: int | None
    closed: bool
    failures: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    studio = FakeStudio()
    folder = tmp_path_factory.mktemp("mutations") / "backend"
    live = make_live(folder, studio, "seed_model", env={"TRAIN_EVERY": "0", "LOG_LEVEL": "ERROR"})
    live.backend.start()
    yield live
    live.backend.stop()
    studio.stop()


def exchange(address: tuple[str, int], one: Input) -> Answers:
    """Send an input, end that side of the connection, and read all answers."""
    statuses: list[int] = []
    sentinel, failures, closed = None, [], False
    with socket.create_connection(address, PATIENCE) as connection:
        try:
            for part in one.parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it has refused the connection already: its answer is there
            pass
        file = connection.makefile("rb")
        while True:
            answer = HTTPResponse(_Peeked(file))  # type: ignore[arg-type]
            try:
                answer.begin()
                body = answer.read()
            except (HTTPException, ConnectionResetError):
                break
            if answer.headers.get("X-Request-ID", "").encode() == one.sentinel:
                sentinel = len(statuses)
            statuses.append(answer.status)
            closed = answer.headers.get("Connection", "").lower() == "close"
            if answer.status >= 500:
                failures.append(body)
    return Answers(statuses, sentinel, closed, failures)


class _Peeked:
    """What http.client takes for a socket, so that several answers are read from one file."""

    def __init__(self, file: object) -> None:
        self._file = file

    def makefile(self, mode: str) -> "_Kept":
        return _Kept(self._file)


class _Kept:
    def __init__(self, file: object) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def close(self) -> None:
        """Keep it open for the next answer."""

    def flush(self) -> None:
        """Do nothing."""


def wrong(one: Input, answers: Answers) -> str:
    """Return what is wrong with the answers to an input, nothing if they are right."""
    reading = read(one.stream, one.sentinel)
    if len(answers.statuses) > reading.requests + (1 if reading.error else 0):
        return f"{len(answers.statuses)} answers to {reading}"
    if answers.sentinel is not None and answers.sentinel != reading.sentinel:
        return f"the last request is number {answers.sentinel}, for h11 {reading}"
    if not reading.error and len(answers.statuses) < reading.requests and not answers.closed:
        return f"{answers.statuses} to {reading}: an answer is missing"
    if any(b"internal error" in body for body in answers.failures):
        return f"{answers.failures}"
    return ""


def send(live: Live, count: int, seed: int) -> Counter[str]:
    """Send `count` inputs from several threads and check every answer; return how many answers had which status."""
    parts = urlsplit(live.backend.url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    host = f"{address[0]}:{address[1]}"
    share = count // THREADS
    wrongs: list[str] = []

    def work(number: int) -> Counter[str]:
        mutator = Mutator(seed + number, host)
        found: Counter[str] = Counter()
        for sent in range(share):
            one = mutator.next()
            answers = exchange(address, one)
            if (said := wrong(one, answers)) and len(wrongs) < MOST_WRONGS:
                wrongs.append(f"seed {seed + number}, input {sent}: {said}\n{one.stream[:3000]!r}")
            found.update(f"{status}" for status in answers.statuses)
            found["inputs"] += 1
            if sent % 500 == 0:
                assert requests.get(f"{live.backend.url}/health", timeout=PATIENCE).status_code == 200
        return found

    total: Counter[str] = Counter()
    with ThreadPoolExecutor(THREADS) as threads:
        for found in threads.map(work, range(THREADS)):
            total += found
    assert not wrongs, "\n".join(wrongs)
    assert requests.get(f"{live.backend.url}/health", timeout=PATIENCE).json()["status"] == "UP"
    program = live.backend.program
    assert program is not None
    assert program.process.poll() is None
    log = Path(live.folder / "logs" / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    return total


def test_some_mutated_requests(live: Live) -> None:
    total = send(live, 1000, seed=1)
    assert total["inputs"] == 1000
    assert total["200"] > 200
    assert total["400"] > 50


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_mutated_requests(live: Live) -> None:
    count = int(os.environ.get("SOAK_INPUTS", "20000"))
    seed = int(os.environ.get("SOAK_SEED", "1000"))
    began = time.monotonic()
    total = send(live, count, seed)
    seconds = time.monotonic() - began
    statuses = ", ".join(f"{total[status]} x {status}" for status in sorted(total) if status.isdigit())
    print(
        f"\nSOAK mutated requests: {total['inputs']} inputs from seed {seed} in {seconds:.0f} s: {statuses}"
    )
