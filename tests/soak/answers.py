"""What a server answered to a mutated input, and whether that is right beside what h11 reads in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .mutations import Input, Reading

#: How our server writes the length of a body.
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)")


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: statuses, the place of the sentinel's answer, whether the last one says that it is the last.

    `failures` are the bodies of those with 500 and more, `heads` the heads of all.
    """

    statuses: list[int]
    sentinel: int | None
    closed: bool
    failures: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)


def parse(received: bytes, sentinel: bytes, methods: Sequence[bytes]) -> Answers:
    """Return the answers in what a server sent. `methods` are those of the requests, as far as they are known.

    Raises AssertionError where the bytes are not whole answers of our server.
    """
    statuses: list[int] = []
    failures: list[bytes] = []
    heads: list[bytes] = []
    place, closed, at = None, False, 0
    while at < len(received):
        end = received.find(b"\r\n\r\n", at)
        head = received[at:end]
        assert end >= 0, f"an answer without end: {received[at : at + 300]!r}"
        assert head.startswith(b"HTTP/1.1 "), f"not an answer: {received[at : at + 300]!r}"
        status = int(head[9:12])
        at = end + 4
        if status < 200:  # 100 Continue
            continue
        length = _LENGTH.search(head)
        assert length is not None, head
        without_body = len(statuses) < len(methods) and methods[len(statuses)] == b"HEAD"
        size = 0 if without_body else int(length[1])
        body = received[at : at + size]
        assert len(body) == size, f"an answer is cut off: {head!r}"
        at += size
        if place is None and b"X-Request-ID: " + sentinel + b"\r\n" in head + b"\r\n":
            place = len(statuses)
        statuses.append(status)
        heads.append(head)
        closed = b"connection: close" in head
        if status >= 500:
            failures.append(body)
    return Answers(statuses, place, closed, failures, heads)


def wrong(reading: Reading, answers: Answers) -> str:
    """Return what is wrong with the answers to an input that h11 reads as `reading`, nothing if they are right."""
    if len(answers.statuses) > reading.requests + (1 if reading.error else 0):
        return f"{len(answers.statuses)} answers to {reading}"
    if answers.sentinel is not None and answers.sentinel != reading.sentinel:
        return f"the last request is number {answers.sentinel}, for h11 {reading}"
    if not reading.error and len(answers.statuses) < reading.requests and not answers.closed:
        return f"{answers.statuses} to {reading}: an answer is missing"
    if any(b"internal error" in body for body in answers.failures):
        return f"{answers.failures}"
    return ""


def describe(seed: int, number: int, one: Input, said: str) -> str:
    """Return a line for an input whose answers are wrong: `number` is its place among those of the seed."""
    return f"seed {seed}, input {number}: {said}\n{one.parts[:10]!r}"[:4000]
