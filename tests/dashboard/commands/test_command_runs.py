"""Commands of a server: how many run and wait, their progress, output and ends, and cancellation by another server."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.commands import command_process, command_runs
from label_studio_ml.dashboard.commands.command_runs import CommandRuns
from label_studio_ml.dashboard.commands.commands_part import CommandsPart
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.errors import BrokerError, Overloaded, ProjectBusy, RequestError, UnknownJob
from label_studio_ml.http_server.messages import Call
from label_studio_ml.reports.command_record import CommandRecord, CommandState, new_command
from label_studio_ml.reports.command_records import MemoryCommandRecords
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.security.login_sessions import Session
from live import alive

#: A command that does what its version's name says, as the module `guarded_command` would run it.
SCRIPT = """
import json, os, signal, sys, time
from label_studio_ml.processes.guard import fork_guarded

fork_guarded(int(sys.argv[1]), 0)
words = dict(word[2:].split("=", 1) for word in sys.argv[4:-2] if "=" in word)
what, folder = words.get("version", "ok"), sys.argv[-1]

def report(done):
    line = {"title": "Project", "amount": f"{done} of 4 tasks", "note": "2.0/s", "done": done, "total": 4}
    os.write(int(sys.argv[2]), json.dumps(line).encode() + b"\\n")

if what.startswith("wait"):
    report(1)
    open(f"{folder}/{what}", "w").write(str(os.getpid()))
    if what == "wait-stubborn":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        time.sleep(0.01)
if what == "noise":
    sys.stderr.buffer.write(b"key s3cr3t-key \\x1b[31mred\\xff\\n" + b"long " * 40_000 + b"\\n")
    for number in range(500):
        print("line", number, file=sys.stderr)
if what == "fails":
    print("Traceback of old", file=sys.stderr)
    print("label-studio-ml: there is no such version", file=sys.stderr)
    sys.exit(1)
if what == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
report(4)
print("4 tasks have a prediction now")
"""


@pytest.fixture
def settings(tmp_path: Path, clean_env: None) -> Settings:
    return Settings.from_env({"LABEL_STUDIO_API_KEY": "s3cr3t-key"}, backend_dir=tmp_path)


@pytest.fixture
def records() -> MemoryCommandRecords:
    return MemoryCommandRecords()


@pytest.fixture
def runs(
    settings: Settings, records: MemoryCommandRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandRuns]:
    script = tmp_path / "command.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(
        command_process,
        "command",
        lambda settings, module, *words: [sys.executable, str(script), *map(str, words)],
    )
    monkeypatch.setattr(command_runs, "WRITE_INTERVAL", 0.05)
    made = CommandRuns(settings, records)
    yield made
    made.stop()


def _start(runs: CommandRuns, what: str, project: str = "1.1", command: str = "predict") -> CommandRecord:
    return runs.start(command, Project(uid=project), {"version": what}, user="ann")


def _now(records: MemoryCommandRecords, record: CommandRecord) -> CommandRecord:
    found = records.get(record.id)
    assert found is not None
    return found


def _ended(records: MemoryCommandRecords, record: CommandRecord) -> CommandRecord:
    wait_until(lambda: not _now(records, record).active, "the command ends", every=0.02)
    return _now(records, record)


def _begun(tmp_path: Path, what: str) -> int:
    """Wait until the command has begun to wait; return its process id."""
    path = tmp_path / what
    wait_until(lambda: path.exists() and path.read_text(), f"{what} begins", every=0.02)
    return int(path.read_text())


def test_a_command_runs_to_its_end(runs: CommandRuns, records: MemoryCommandRecords) -> None:
    record = _start(runs, "ok")
    assert (record.state, record.user, record.project) == (CommandState.WAITING, "ann", "1.1")
    ended = _ended(records, record)
    assert (ended.state, ended.done, ended.total) == (CommandState.DONE, 4, 4)
    assert ended.message == "4 tasks have a prediction now"
    assert records.output(record.id) == ["4 tasks have a prediction now"]
    assert ended.started is not None
    assert ended.ended is not None


def test_progress_is_written_while_it_runs(
    runs: CommandRuns, records: MemoryCommandRecords, tmp_path: Path
) -> None:
    record = _start(runs, "wait-1")
    wait_until(lambda: _now(records, record).done == 1, "progress", every=0.02)
    assert _now(records, record).message == "Project: 1 of 4 tasks, 2.0/s"
    pid = _begun(tmp_path, "wait-1")
    records.cancel(record.id, "bob")  # as another server does
    ended = _ended(records, record)
    assert (ended.state, ended.message) == (CommandState.CANCELLED, "Cancelled by bob")
    assert not alive(pid)


def test_one_that_ignores_its_end_is_killed(
    runs: CommandRuns, records: MemoryCommandRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_process, "KILL_AFTER", 0.2)
    record = _start(runs, "wait-stubborn")
    pid = _begun(tmp_path, "wait-stubborn")
    records.cancel(record.id, "")
    assert _ended(records, record).state == CommandState.CANCELLED
    assert not alive(pid)


def test_a_failure_has_its_cause(runs: CommandRuns, records: MemoryCommandRecords) -> None:
    ended = _ended(records, _start(runs, "fails"))
    assert (ended.state, ended.message) == (CommandState.FAILED, "there is no such version")
    ended = _ended(records, _start(runs, "dies"))
    assert ended.state == CommandState.FAILED
    assert "SIGKILL" in ended.message


def test_output_is_short_readable_and_without_secrets(
    runs: CommandRuns, records: MemoryCommandRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_process, "MAX_LINES", 600)
    record = _start(runs, "noise")
    assert _ended(records, record).state == CommandState.DONE
    lines = records.output(record.id)
    assert lines[0] == "key [secret] \\x1b[31mred\ufffd"
    assert max(map(len, lines)) <= command_process.MAX_LINE + 1
    assert "line 499" in lines


def test_the_last_lines_are_kept(runs: CommandRuns, records: MemoryCommandRecords) -> None:
    record = _start(runs, "noise")
    assert _ended(records, record).message == "4 tasks have a prediction now"
    lines = records.output(record.id)
    assert len(lines) == command_process.MAX_LINES
    assert "line 499" in lines


def test_two_run_the_others_wait(
    runs: CommandRuns, records: MemoryCommandRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_runs, "MAX_WAITING", 4)
    first, second = (_start(runs, f"wait-{number}", f"{number}.1") for number in (1, 2))
    for number in (1, 2):
        _begun(tmp_path, f"wait-{number}")
    waiting = [_start(runs, "ok", f"{number}.1") for number in range(3, 7)]
    with pytest.raises(Overloaded, match="4 commands wait"):
        _start(runs, "ok", "7.1")
    assert {_now(records, record).state for record in waiting} == {CommandState.WAITING}
    records.cancel(waiting[0].id, "bob")
    assert _ended(records, waiting[0]).state == CommandState.CANCELLED, "also while it waits"
    records.cancel(first.id, "")
    for record in waiting[1:]:
        assert _ended(records, record).state == CommandState.DONE
    records.cancel(second.id, "")
    assert _ended(records, second).state == CommandState.CANCELLED


def test_a_project_has_one_of_each(runs: CommandRuns, records: MemoryCommandRecords, tmp_path: Path) -> None:
    record = _start(runs, "wait-1")
    _begun(tmp_path, "wait-1")
    with pytest.raises(ProjectBusy, match=r"Predict tasks is (waiting|running) for this project already"):
        _start(runs, "ok")
    assert _ended(records, _start(runs, "ok", command="rank")).state == CommandState.DONE
    assert _ended(records, _start(runs, "ok", project="2.1")).state == CommandState.DONE
    records.cancel(record.id, "")
    _ended(records, record)
    assert _ended(records, _start(runs, "ok")).state == CommandState.DONE


def test_two_starts_at_once_start_one(
    runs: CommandRuns, records: MemoryCommandRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, recent = threading.Barrier(2, timeout=0.5), records.recent

    def read(project: str = "", limit: int = 50) -> list[CommandRecord]:
        found = recent(project, limit)
        with contextlib.suppress(threading.BrokenBarrierError):  # where only one may read at a time
            both.wait()
        return found

    monkeypatch.setattr(records, "recent", read)
    with ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(_start, runs, "wait") for _ in range(2)]
    errors = [start.exception() for start in starts]
    assert sorted(error is None for error in errors) == [False, True]
    assert any(isinstance(error, ProjectBusy) for error in errors)


def test_wrong_options_start_nothing(runs: CommandRuns, records: MemoryCommandRecords) -> None:
    with pytest.raises(RequestError, match="no option"):
        runs.start("predict", Project(uid="1.1"), {"output": "x"}, user="")
    assert records.recent() == []


def test_commands_end_with_their_server(
    runs: CommandRuns, records: MemoryCommandRecords, tmp_path: Path
) -> None:
    running = [_start(runs, f"wait-{number}", f"{number}.1") for number in (1, 2)]
    pids = [_begun(tmp_path, f"wait-{number}") for number in (1, 2)]
    waiting = _start(runs, "ok", "3.1")
    runs.stop()
    for record in (*running, waiting):
        assert _now(records, record).state == CommandState.INTERRUPTED
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(Overloaded):
        _start(runs, "ok", "4.1")


def test_a_run_goes_on_without_redis(
    runs: CommandRuns, records: MemoryCommandRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = records.write
    failures = iter([True] * 5)

    def write(record: CommandRecord, lines: list[str]) -> str | None:
        if next(failures, False):
            raise BrokerError("Redis cannot be reached")
        return written(record, lines)

    monkeypatch.setattr(records, "write", write)
    assert _ended(records, _start(runs, "ok")).state == CommandState.DONE


def test_secrets_are_in_no_command_line(
    runs: CommandRuns, records: MemoryCommandRecords, tmp_path: Path
) -> None:
    record = _start(runs, "wait-1")
    pid = _begun(tmp_path, "wait-1")
    assert b"s3cr3t-key" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"s3cr3t-key" in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.getpgid(pid) != os.getpgid(0), "Ctrl-C in the server's terminal does not reach it"
    records.cancel(record.id, "")


def test_topics_and_unknown_commands(
    runs: CommandRuns, records: MemoryCommandRecords, settings: Settings
) -> None:
    part = CommandsPart(runs, records, ProjectRegistry(Projects(settings.model_dir)))

    async def follow() -> tuple[Any, ...]:
        record = _start(runs, "ok")
        await asyncio.to_thread(_ended, records, record)
        with pytest.raises(UnknownJob):
            await part.detailed("unknown")
        return await part.listed(""), await part.listed("2.1"), await part.detailed(record.id)

    everything, other, one = asyncio.run(follow())
    assert [entry["title"] for entry in everything] == ["Predict tasks"]
    assert other == []
    assert one["lines"] == ["4 tasks have a prediction now"]
    assert (one["state"], one["active"]) == ("done", False)


def test_only_operators_see_tracebacks(
    runs: CommandRuns, records: MemoryCommandRecords, settings: Settings
) -> None:
    part = CommandsPart(runs, records, ProjectRegistry(Projects(settings.model_dir)))
    router = PageRouter(part.routes)
    record = new_command("predict", "1.1", {}, user="", server="s")
    records.add(record)
    traceback = ["Traceback (most recent call last):", '  File "/secret/model.py", line 1, in predict']
    records.write(record, ["before", *traceback, "ValueError: no"])

    def shown(*, operator: bool) -> str:
        call = Call("GET", f"/dashboard/api/commands/{record.id}")
        answer = asyncio.run(router.respond(call, Session("", operator=operator, csrf="t")))
        return answer.body.decode()

    assert "/secret/model.py" in shown(operator=True)
    for text in (shown(operator=False), str(asyncio.run(part.detailed(record.id)))):
        assert "/secret/model.py" not in text
        assert "ValueError: no" in text
