"""What the harness takes for right and wrong, on streams that are known."""

from pathlib import Path

import pytest

from label_studio_ml.http_server.connection import Connection

from .answers import Answers, parse, wrong
from .mutations import Mutator, Reading, read
from .test_connection_mutations import compare, cut_off, work

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
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: " + SENTINEL, Reading(0, 0, error=True)),
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
    reading = read(POST + b"Content-Length: 2\r\n\r\n{}" + SENTINEL, b"s")
    found = wrong(reading, answers)
    assert found == "" if not said else said in found


def test_the_answers_in_what_is_received() -> None:
    received = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nX-Request-ID: s\r\nconnection: close\r\n\r\n1"
    )
    answers = parse(received, b"s", (b"HEAD", b"GET"))
    assert (answers.statuses, answers.sentinel, answers.closed) == ([200, 503, 200], 2, True)
    assert answers.failures == [b"{}"]
    for part in (received[:-1], received[:-5], b"x" + received):
        with pytest.raises(AssertionError):
            parse(part, b"s", (b"HEAD",))


def test_what_is_not_the_request_that_h11_reads() -> None:
    reading = read(POST + b"Content-Length: 2\r\n\r\n{}" + SENTINEL, b"s")
    answers = Answers(
        [200, 200], 1, closed=False, heads=[b"HTTP/1.1 200 OK\r\nX-Number: 0", b"HTTP/1.1 200 OK"]
    )
    assert compare(reading, answers, [("POST", b"{}")]) == ""
    assert "request 0 is" in compare(reading, answers, [("POST", b"{")])
    assert "request 0 is" in compare(reading, answers, [("GET", b"{}")])


BODY = b"Content-Length: 2\r\n\r\n{}"
GIVEN = b"Authorization: Basic x\r\n"


@pytest.mark.parametrize(
    ("waits", "login", "reads", "allowed"),
    [
        (POST + BODY, "Basic x", False, True),
        (POST + b"Authorization: Basic y\r\n" + BODY, "Basic x", False, True),
        (POST + BODY, "Basic x", True, False),
        (POST + BODY, "", False, False),
        (POST + GIVEN + BODY, "Basic x", False, False),
        (POST + b"\r\n", "Basic x", False, False),
    ],
)
def test_what_may_be_cut_off(waits: bytes, login: str, *, reads: bool, allowed: bool) -> None:
    reading = read(POST + BODY + waits + SENTINEL, b"s")
    answers = Answers([200], None, closed=False)
    assert (cut_off(reading, answers, login, reads=reads) == "") == allowed
    all_but_the_last = Answers([200, 200], None, closed=False)
    assert cut_off(reading, all_but_the_last, login, reads=reads), "no body waits any more"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_connection_that_is_cut_off_without_need_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(Connection, "pause_writing", Connection.abort)
    found = work(tmp_path, seed, 200)
    assert any("the connection was cut off after" in said for said in found.wrongs)


def test_the_same_seed_makes_the_same_inputs() -> None:
    first, second = Mutator(3, "x", "Basic x"), Mutator(3, "x", "Basic x")
    made = [first.next() for _ in range(200)]
    assert made == [second.next() for _ in range(200)]
    assert len({one.stream for one in made}) == 200
    for one in made:
        by_itself, helped = read(one.stream, one.sentinel), read(one.stream, one.sentinel, one.intact)
        assert _details(by_itself) == _details(helped)
    assert sum(read(one.stream, one.sentinel).error for one in made) > 5


def _details(reading: Reading) -> tuple[object, ...]:
    return reading, reading.methods, reading.bodies, reading.logins
