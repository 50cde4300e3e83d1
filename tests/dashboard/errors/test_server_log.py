"""The log as the dashboard shows it: bounded, over rotated files, without secrets, for viewers without tracebacks."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.dashboard.errors import log_files, server_log
from label_studio_ml.dashboard.errors.log_records import MAX_RECORD, shown_lines
from label_studio_ml.dashboard.errors.server_log import PAGE, ServerLog
from label_studio_ml.errors import RequestError
from label_studio_ml.monitoring.logs import JsonFormatter, RotatingFile
from label_studio_ml.training.records.run_log import Scrubber

LINE = "[2026-11-30 10:00:00,000] [{level}] [label_studio_ml.web::f::1] {text}\n"
TRACE = 'Traceback (most recent call last):\n  File "/srv/model.py", line 3, in predict\n    return 1 / 0\n'


def line(text: str, level: str = "INFO") -> bytes:
    """Return a record of a log."""
    return LINE.format(level=level, text=text).encode("utf-8", "replace")


class Log:
    """A log in a folder, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "server.log"
        self.scrubbers = 0
        self.log = ServerLog(folder, self._scrubber)

    def _scrubber(self) -> Scrubber:
        self.scrubbers += 1
        return Scrubber(["CANARY"])

    def write(self, *lines: bytes) -> None:
        with self.path.open("ab") as file:
            file.writelines(lines)

    def page(self, before: str = "", search: str = "", level: str = "", *, tracebacks: bool = True) -> Any:
        return self.log.page("server.log", before=before, search=search, level=level, tracebacks=tracebacks)

    def after(self, position: str, search: str = "", level: str = "") -> Any:
        return self.log.after("server.log", position, search=search, level=level, tracebacks=True)


def texts(answer: Any) -> list[str]:
    """Return the messages of records."""
    return [record["text"].partition("::1] ")[2] or record["text"] for record in answer["records"]]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_missing_log_is_empty(log: Log) -> None:
    assert log.page() == {"file": "server.log", "records": [], "first": "", "next": "", "size": 0}
    assert log.after("")["records"] == []
    assert log.log.download("server.log") == b""


def test_pages_go_back_over_rotated_files(log: Log) -> None:
    file = RotatingFile(log.path, max_bytes=20_000)
    for number in range(900):
        file.write(line(f"record {number}"))
    file.close()
    assert log.path.with_name("server.log.2").exists()
    read: list[str] = []
    before = ""
    while True:
        page = log.page(before)
        read = texts(page) + read
        if not page["first"]:
            break
        before = page["first"]
    assert read == [f"record {number}" for number in range(900)]


def test_search_and_level_choose_records(log: Log) -> None:
    log.write(
        line("first"), line("Second Thing", "ERROR"), line("third", "WARNING"), b"    more of the third\n"
    )
    assert texts(log.page(search="second t")) == ["Second Thing"]
    assert texts(log.page(level="WARNING")) == ["Second Thing", "third\n    more of the third"]
    assert [record["level"] for record in log.page()["records"]] == ["INFO", "ERROR", "WARNING"]
    with pytest.raises(RequestError, match="level must be"):
        log.page(level="LOUD")


def test_a_long_search_goes_on_with_the_next_request(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_log, "BUDGET", 10_000)
    log.write(line("needle"), *(line(f"hay {number}") for number in range(1000)))
    page = log.page(search="needle")
    assert page["records"] == []
    steps = 0
    while not page["records"]:
        assert page["first"]
        page = log.page(page["first"], search="needle")
        steps += 1
    assert texts(page) == ["needle"]
    assert steps > 3


def test_only_new_lines_are_read_by_pages_that_follow(log: Log) -> None:
    log.write(line("old"))
    position = log.page()["next"]
    assert log.after(position)["records"] == []
    log.write(line("new"), b"    and more\n", line("half")[:-1])
    answer = log.after(position)
    assert (texts(answer), answer["skipped"]) == (["new\n    and more"], False)
    log.write(b"\n")
    assert texts(log.after(answer["next"])) == ["half"]
    assert log.log.state("server.log")["next"] == log.after(answer["next"])["next"]


def test_following_goes_on_after_a_rotation(log: Log) -> None:
    file = RotatingFile(log.path, max_bytes=300)
    file.write(line("one"))
    position = log.page()["next"]
    for number in range(8):
        file.write(line(f"record {number}"))
    file.close()
    assert texts(log.after(position)) == [f"record {number}" for number in range(8)]


def test_a_page_that_is_far_behind_gets_the_last_lines(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MAX_LINE", 10_000)
    monkeypatch.setattr(log_files, "CHUNK", 3_000)
    log.write(line("one"))
    position = log.page()["next"]
    log.write(*(line(f"record {number}") for number in range(500)))
    for place in (position, "1-1", "no position"):
        answer = log.after(place)
        assert answer["skipped"]
        assert texts(answer)[-1] == "record 499"
        assert len(answer["records"]) < PAGE


def test_a_line_of_a_megabyte_is_cut_and_can_be_read_alone(log: Log) -> None:
    log.write(line("before"), line("x" * 900_000), line("after"))
    page = log.page()
    assert [len(record["text"]) for record in page["records"]][1] == MAX_RECORD
    record = page["records"][1]
    assert record["length"] > 900_000
    whole = log.log.record("server.log", record["at"], tracebacks=True)
    assert len(whole["text"]) == record["length"]
    with pytest.raises(RequestError, match="no such place"):
        log.log.record("server.log", "1-1", tracebacks=True)


def test_a_line_without_end_is_read_in_pieces(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MAX_LINE", 4000)
    monkeypatch.setattr(log_files, "CHUNK", 1000)
    log.write(line("before"), b"x" * 50_000)
    page = log.page()
    assert sum(record.get("length", len(record["text"])) for record in page["records"]) >= 50_000
    assert all(len(record["text"]) <= MAX_RECORD for record in page["records"])


@pytest.mark.parametrize("text", ["\0", "\x1b[31mred", "<script>", "\u202e", "\udcff", "{", "[x"])
def test_hostile_lines_are_text(log: Log, text: str) -> None:
    log.write(line(text), text.encode("utf-8", "replace") + b"\n", b"\xff\xfe\n", line("after"))
    shown = "".join(texts(log.page()))
    assert text.encode("utf-8", "replace").decode() in shown
    assert texts(log.page())[-1] == "after"


def test_secrets_are_removed_everywhere(log: Log) -> None:
    log.write(line("token CANARY"))
    (record,) = log.page()["records"]
    whole = log.log.record("server.log", record["at"], tracebacks=True)
    shown = (record["text"], whole["text"], log.log.download("server.log").decode(), log.after("")["records"])
    assert "CANARY" not in str(shown)
    assert log.page(search="CANARY")["records"] == []


def test_viewers_see_no_traceback(log: Log) -> None:
    log.write(line("it failed", "ERROR"), TRACE.encode(), b"ZeroDivisionError: division by zero\n")
    shown = log.page(tracebacks=False)["records"][0]["text"]
    assert "/srv/model.py" not in shown
    assert "1 / 0" not in shown
    assert "ZeroDivisionError" in shown
    assert "/srv/model.py" in log.page()["records"][0]["text"]


def test_viewers_see_no_traceback_of_a_json_log(log: Log) -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("label_studio_ml.web", logging.ERROR, "f", 1, "it failed", (), info)
    log.write(JsonFormatter().format(record).encode() + b"\n")
    (shown,) = log.page()["records"]
    assert (shown["level"], "it failed" in shown["text"], __file__ in shown["text"]) == ("ERROR", True, True)
    (shown,) = log.page(tracebacks=False)["records"]
    assert __file__ not in shown["text"]
    assert "ZeroDivisionError" in shown["text"]


@pytest.mark.parametrize("name", ["", "../server.log", "jobs/x.log", "agent.log", "server.log\0"])
def test_only_known_files_are_read(log: Log, name: str) -> None:
    with pytest.raises(RequestError, match="file must be one of"):
        log.log.state(name)


def test_the_secrets_are_collected_once_for_each_answer(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(*(line("INFO", f"CANARY {number}") for number in range(50)))
    assert len(log.page()["records"]) == 50
    assert log.scrubbers == 1


def test_lines_of_a_log_in_json_are_shown_without_tracebacks() -> None:
    trace = 'Traceback (most recent call last):\n  File "model.py", line 1\nValueError: no'
    record = {"level": "ERROR", "logger": "x", "time": "t", "message": "failed", "error": trace}
    lines = [json.dumps(record), "plain"]
    assert "model.py" in "".join(shown_lines(lines, tracebacks=True))
    shown = shown_lines(lines, tracebacks=False)
    assert "model.py" not in "".join(shown)
    assert {"ValueError: no", "plain"} <= set(shown)
