"""Log records as text and JSON, and files that several processes write and rotate."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.config.settings import LOG_LEVELS
from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring import logs
from label_studio_ml.monitoring.logs import RotatingFile, configure


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    """Leave the root logger as it was."""
    before, level = logging.root.handlers[:], logging.root.level
    yield
    for handler in logging.root.handlers:
        if handler not in before:
            handler.close()
    logging.root.handlers[:] = before
    logging.root.setLevel(level)


def test_logging_levels(capsys: pytest.CaptureFixture[str]) -> None:
    for name in LOG_LEVELS:
        configure(name)
    logging.getLogger("x").critical("hello")
    assert "[CRITICAL] [x::test_logging_levels" in capsys.readouterr().err


def test_json_has_one_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", as_json=True, file=tmp_path / "logs" / "server.log")
    request = logs.request_id.set("abc")
    try:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("x").exception("it %s", "failed")
    finally:
        logs.request_id.reset(request)
    logging.getLogger("x").debug("not asked for")
    written = (tmp_path / "logs" / "server.log").read_text()
    (line,) = written.splitlines()
    assert capsys.readouterr().err == written
    record = json.loads(line)
    assert (record["level"], record["message"], record["request_id"]) == ("ERROR", "it failed", "abc")
    assert "ValueError: two" in record["error"]
    assert "run_id" not in record


@pytest.mark.parametrize("as_json", [False, True])
def test_a_long_message_of_ours_is_cut(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A caller without the login may send a path of 64 KiB, again and again."""
    configure("INFO", as_json=as_json)
    logging.getLogger("label_studio_ml.web").warning("%r -> 401", "/" + "x" * 60_000)
    line = capsys.readouterr().err
    assert len(line) < logs.MAX_MESSAGE_LENGTH + 500
    assert "more characters)" in line
    logging.getLogger("model").warning("x" * 60_000)
    assert "x" * 60_000 in capsys.readouterr().err


def test_a_file_that_is_full_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = RotatingFile(path, max_bytes=100, max_rotated=2)
    for number in range(10):
        file.write(f"{number} {'x' * 57}\n".encode())
    file.close()
    assert path.read_text()[0] == "9"
    assert (tmp_path / "a.log.1").read_text()[0] == "8"
    assert (tmp_path / "a.log.2").read_text()[0] == "7"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = RotatingFile(path)
    file.write(b"one\n")
    path.rename(tmp_path / "moved")
    file.write(b"two\n")
    file.close()
    assert path.read_text() == "two\n"


WRITER = """
import sys
from pathlib import Path
from label_studio_ml.monitoring.logs import RotatingFile

file = RotatingFile(Path(sys.argv[1]), max_bytes=500, max_rotated=100)
for number in range(500):
    file.write(f"{sys.argv[2]} {number}\\n".encode())
"""


def test_processes_that_share_a_file_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lines = [line for one in tmp_path.iterdir() for line in one.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name} {number}" for name in "abc" for number in range(500))
    assert len(list(tmp_path.iterdir())) > 5


def test_in_a_process_of_somebody_elses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where logging is configured, only the file is added; else standard error has the records too."""
    root = logging.getLogger()
    theirs = logging.NullHandler()
    root.handlers[:] = [theirs]
    root.setLevel("ERROR")
    handler = logs.join("INFO", file=tmp_path / "a.log")
    logging.getLogger("x").warning("too little")
    logging.getLogger("x").error("hello")
    assert "hello" in (tmp_path / "a.log").read_text()
    assert "too little" not in (tmp_path / "a.log").read_text()
    assert root.handlers == [theirs, handler]
    handler.close()
    root.handlers[:] = []
    handler = logs.join("INFO", file=tmp_path / "b.log")
    logging.getLogger("x").info("hello again")
    handler.close()
    assert "hello again" in capsys.readouterr().err
    assert "hello again" in (tmp_path / "b.log").read_text()


FORGED = "[2026-11-28 20:00:00,000] [INFO] [label_studio_ml.web::login::1] Login of admin"


def lines_of(tmp_path: Path, name: str, message: str, error: Exception | None = None) -> list[str]:
    """Return the lines that a record makes in a file."""
    configure("INFO", file=tmp_path / "server.log")
    logging.getLogger(name).error("%s", message, exc_info=error)
    return (tmp_path / "server.log").read_text().splitlines()


def test_a_message_makes_one_line_whatever_others_wrote_into_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = f"task 1\n{FORGED}\r\x1b[2J\x00\x07\x9b\u2028\u202e\ttab, é, 日本 and \ud800"
    lines = lines_of(tmp_path, "label_studio_ml.x", odd)
    assert len(lines) == 1
    assert lines[0].endswith(
        rf"task 1\n{FORGED}\r\x1b[2J\x00\x07\x9b\u2028\u202e" + "\ttab, é, 日本 and " + r"\ud800"
    )
    assert capsys.readouterr().err.splitlines() == lines, "on the terminal too"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_record_about_an_error_of_ours_has_its_code(tmp_path: Path, as_json: bool) -> None:
    configure("INFO", as_json=as_json, file=tmp_path / "server.log")
    error = BrokerError("Redis is away", fix="Start it")
    for name in ("label_studio_ml.x", "model"):
        logging.getLogger(name).error("Project %d: %s", 7, error)
    ours, theirs = (tmp_path / "server.log").read_text().splitlines()
    if as_json:
        record = json.loads(ours)
        assert (record["message"], record["code"]) == ("Project 7: Redis is away. Start it", "LSML-E600")
    else:
        assert ours.endswith("Project 7: Redis is away. Start it [LSML-E600]")
    assert "LSML" not in theirs


def test_what_user_code_logs_keeps_its_lines_and_none_looks_like_a_record(tmp_path: Path) -> None:
    first, second, third = lines_of(tmp_path, "model", f"one\n{FORGED}\n\x1b[31mthree")
    assert first.endswith(" one")
    assert (second, third) == (f"    {FORGED}", r"    \x1b[31mthree")


def test_a_traceback_keeps_its_lines_and_none_looks_like_a_record(tmp_path: Path) -> None:
    try:
        raise ValueError(f"bad task\n{FORGED}\n\x1b[2J")
    except ValueError as error:
        _, *lines = lines_of(tmp_path, "label_studio_ml.x", "it failed", error)
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-3:] == ["ValueError: bad task", f"    {FORGED}", r"\x1b[2J"]


def test_json_records_are_one_line_each_too(tmp_path: Path) -> None:
    configure("INFO", as_json=True, file=tmp_path / "server.log")
    logging.getLogger("label_studio_ml.x").error("%s", f"a\n{FORGED}\x1b\x00")
    (line,) = (tmp_path / "server.log").read_text().splitlines()
    assert json.loads(line)["message"] == f"a\n{FORGED}\x1b\x00"
    assert "\x1b" not in line
