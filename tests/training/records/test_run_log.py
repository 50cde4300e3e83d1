"""The log of a run: what is kept of what is printed."""

import os
from pathlib import Path

import pytest

from e2e.processes import wait_until
from label_studio_ml.training.records.run_log import MAX_LINE_BYTES, RunLog, Scrubber, Tail, append_to_log

SECRET = "CANARY-token-in-a-log"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs" / "job.log"


def _log(path: Path, *parts: bytes, max_bytes: int = 1 << 20) -> list[str]:
    """Return the lines kept of what is written in `parts`."""
    with RunLog(path, Scrubber([SECRET, "short"]), max_bytes) as log:
        for part in parts:
            os.write(log.writer, part)
        log.close_writer()
    return log.tail.since(0)[1]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"no end", ["no end"]),
        (b"windows\r\n", ["windows"]),
        (b"\r 1 %\r 2 %\r 3 %\ndone\n", [" 3 %", "done"]),
        (b"1 %\r2 %\r", ["2 %"]),
        (b"\n\n", ["", ""]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
    ],
)
def test_lines(path: Path, written: bytes, lines: list[str]) -> None:
    assert _log(path, written) == lines
    assert path.read_bytes().count(b"\n") == len(lines)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_it_does_not_matter_how_the_output_is_cut(path: Path, size: int) -> None:
    written = f"a\rb {SECRET} c\r\n1 %\r2 %\r\rend\n{SECRET}".encode()
    log = RunLog(path, Scrubber([SECRET]))
    for start in range(0, len(written), size):
        log.feed(written[start : start + size])
        assert "CAN" not in log.tail.current
    log._finish()
    assert log.tail.since(0)[1] == ["b [secret] c", "end", "[secret]"]


@pytest.mark.parametrize("offset", range(-30, 30, 7))
def test_a_secret_across_the_break_of_a_long_line(path: Path, offset: int) -> None:
    before = MAX_LINE_BYTES + offset
    log = RunLog(path, Scrubber([SECRET]))
    written = b"x" * before + SECRET.encode() + b"y" * 3 * MAX_LINE_BYTES
    for start in range(0, len(written), 1000):
        log.feed(written[start : start + 1000])
    log._finish()
    lines = log.tail.since(0)[1]
    assert "CANARY" not in "".join(lines)
    assert "".join(lines).replace("[secret]", "") == "x" * before + "y" * 3 * MAX_LINE_BYTES
    assert max(map(len, lines)) <= MAX_LINE_BYTES


def test_a_full_log_keeps_its_beginning_and_its_end(path: Path) -> None:
    parts = [b"line %d\n" % number for number in range(20_000)]
    lines = _log(
        path, *(b"".join(parts[start : start + 500]) for start in range(0, 20_000, 500)), max_bytes=5000
    )
    assert lines[-1] == "line 19999"
    text = path.read_text()
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 19998\nline 19999\n")
    assert "this log is full" in text
    assert "bytes are left out here" in text
    assert len(text) < 100_000


def test_a_flood_without_an_end_of_line(path: Path) -> None:
    log = RunLog(path, Scrubber([SECRET]), 10_000)
    for _ in range(200):
        log.feed((b"x" * 3000 + SECRET.encode()) * 30)
    log._finish()
    assert path.parent.exists() is False, "no file was opened"
    lines = log.tail.since(0)[1]
    assert "CANARY" not in "".join(lines)
    assert max(map(len, lines)) <= MAX_LINE_BYTES
    assert sum(map(len, lines)) <= 256 << 10


def test_lines_keep_their_numbers(path: Path) -> None:
    tail = Tail(max_lines=3)
    for number in range(5):
        tail.add([b"%d" % number])
    assert tail.since(0) == (2, ["2", "3", "4"])
    assert tail.since(4) == (4, ["4"])
    assert tail.since(9) == (5, [])
    tail.skip(10)
    tail.add([b"15"])
    assert tail.since(3) == (15, ["15"])


def test_a_tail_is_bounded_in_bytes() -> None:
    tail = Tail(max_bytes=100)
    for _ in range(50):
        tail.add([b"x" * 9])
    assert len(tail.since(0)[1]) == 10


@pytest.fixture
def full() -> Path:
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip("no /dev/full here")
    return path


def test_a_full_disk_does_not_stop_the_run(full: Path) -> None:
    assert _log(full, b"one\n", b"two\n" * 10_000, b"three\n")[-1] == "three"


def test_what_is_left_running_does_not_hold_it_up(path: Path) -> None:
    """Whoever left the run's session may keep the pipe open for ever."""
    with RunLog(path, Scrubber([])) as log:
        kept = os.dup(log.writer)
        os.write(kept, b"one\n")
    os.close(kept)
    assert log.tail.since(0)[1] == ["one"]


def test_lines_that_are_no_output_of_the_run(path: Path) -> None:
    with RunLog(path, Scrubber([SECRET])) as log:
        os.write(log.writer, b"half a ")
        assert log.add_line(f"a warning with {SECRET}")
        wait_until(lambda: log.tail.count, "the warning is there", every=0.02)
        os.write(log.writer, b"line\n")
        log.close_writer()
    assert not log.add_line("too late")
    append_to_log(path, "appended")
    assert path.read_text().splitlines() == ["a warning with [secret]", "half a line", "appended"]
