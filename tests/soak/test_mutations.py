"""What the harness takes for right and wrong, on streams that are known."""

import pytest

from .mutations import Input, Mutator, Reading, read
from .test_http_mutations import Answers, wrong

HOST = b"Host: x\r\n"
SENTINEL = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: s\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("stream", "reading"),
    [
        (SENTINEL, Reading(1, 0, error=False)),
        (POST + b"Content-Length: 2\r\n\r\n{}" + SENTINEL, Reading(2, 1, error=False)),
        (POST + b"Content-Length: 3\r\n\r\n{}" + SENTINEL, Reading(2, 1, error=False)),
        (POST + b"Content-Length: 9999\r\n\r\n{}" + SENTINEL, Reading(0, None, error=True)),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n\r" + SENTINEL,
            Reading(2, 1, error=False),
        ),
        (
            POST + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}" + SENTINEL,
            Reading(1, None, error=False),
        ),
        (SENTINEL.replace(b" ", b"   ", 2), Reading(1, 0, error=False)),
        (b"\xff" + SENTINEL, Reading(0, None, error=True)),
        (b"\r\n\r\n", Reading(0, None, error=False)),
    ],
)
def test_what_h11_reads(stream: bytes, reading: Reading) -> None:
    assert read(stream, b"s") == reading


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers([200, 200], 1, closed=False), ""),
        (Answers([415], None, closed=True), ""),
        (Answers([200], None, closed=False), "an answer is missing"),
        (Answers([200, 200, 200], 2, closed=False), "3 answers to"),
        (Answers([200, 200], 0, closed=False), "the last request is number 0"),
        (Answers([500, 200], 1, closed=False, failures=[b"internal error (KeyError)"]), "internal error"),
    ],
)
def test_what_is_wrong(answers: Answers, said: str) -> None:
    one = Input((POST + b"Content-Length: 2\r\n\r\n{}", SENTINEL), b"s")
    found = wrong(one, answers)
    assert found == "" if not said else said in found


def test_the_same_seed_makes_the_same_inputs() -> None:
    first, second = Mutator(3, "x"), Mutator(3, "x")
    made = [first.next() for _ in range(50)]
    assert made == [second.next() for _ in range(50)]
    assert len({one.stream for one in made}) == 50
    assert sum(read(one.stream, one.sentinel).error for one in made) > 5
