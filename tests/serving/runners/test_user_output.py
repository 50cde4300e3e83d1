"""What a model process prints, as the terminal and the log file get it."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.processes import wait_until
from label_studio_ml.serving.runners.user_output import MAX_LINE_BYTES, OutputCopy


@dataclass
class Printer:
    """A process that prints, and what became of it."""

    writing: int
    terminal: Path
    file: Path
    thread: threading.Thread

    def print(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.writing, data) :]

    def end(self) -> tuple[bytes, bytes]:
        """Let it end; return what the terminal and the file got."""
        os.close(self.writing)
        self.thread.join(60)
        return self.terminal.read_bytes(), self.file.read_bytes() if self.file.exists() else b""


@pytest.fixture(params=[False])
def printer(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Printer]:
    reading, writing = os.pipe()
    terminal = os.open(tmp_path / "terminal", os.O_WRONLY | os.O_CREAT)
    file = tmp_path / "logs" / "server.log"
    output = OutputCopy(file, as_json=request.param, terminal=terminal)
    thread = threading.Thread(target=output.copy, args=(reading, 42), daemon=True)
    thread.start()
    yield Printer(writing, tmp_path / "terminal", file, thread)
    thread.join(60)
    os.close(reading)
    os.close(terminal)


def test_the_terminal_gets_every_byte_at_once_and_the_file_whole_lines(printer: Printer) -> None:
    printer.print(b"one\nhalf a ")
    wait_until(lambda: printer.terminal.read_bytes() == b"one\nhalf a ", "the terminal has it")
    wait_until(lambda: printer.file.exists() and printer.file.read_bytes() == b"one\n", "the file has a line")
    printer.print(b"line\r\n\n1%\r2%\r3%\nno end \xff")
    assert printer.end() == (
        b"one\nhalf a line\r\n\n1%\r2%\r3%\nno end \xff",
        b"one\nhalf a line\n\n3%\nno end \xff\n",
    )


def test_a_line_without_end_is_not_kept_for_ever(printer: Printer) -> None:
    printer.print(b"x" * (4 * MAX_LINE_BYTES))
    wait_until(
        lambda: printer.file.exists() and printer.file.stat().st_size > MAX_LINE_BYTES, "the file has a part"
    )
    _, file = printer.end()
    assert file.count(b"x") == 4 * MAX_LINE_BYTES


def test_a_log_that_cannot_be_written_does_not_silence_the_terminal(tmp_path: Path, printer: Printer) -> None:
    printer.print(b"one\n")
    wait_until(lambda: printer.file.exists() and printer.file.stat().st_size, "the file has it")
    printer.file.unlink()
    printer.file.parent.rmdir()
    printer.file.parent.write_text("no folder")
    printer.print(b"two\n")
    wait_until(lambda: printer.terminal.read_bytes() == b"one\ntwo\n", "the terminal has both")
    os.close(printer.writing)


@pytest.mark.parametrize("printer", [True], indirect=True)
def test_as_json_each_line_is_a_record(printer: Printer) -> None:
    record = b'{"time":"t","level":"INFO","logger":"mine","message":"logged","process":7}'
    printer.print(record + b'\nprinted\n\n{"score": 1}\n\xff\n')
    terminal, file = printer.end()
    assert terminal == file
    assert file.splitlines()[0] == record
    rest = [json.loads(line) for line in file.splitlines()[1:]]
    assert [one["message"] for one in rest] == ["printed", '{"score": 1}', "\ufffd"]
    assert {(one["logger"], one["process"], one["level"]) for one in rest} == {("output", 42, "INFO")}
