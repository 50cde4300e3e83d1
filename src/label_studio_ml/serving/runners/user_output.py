"""Copy the output of a model process to the terminal and to logs/server.log."""

import contextlib
import os
import select
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from label_studio_ml.monitoring.logs import RotatingFile

#: Longest line in bytes that is kept whole.
MAX_LINE_BYTES = 1 << 16


class OutputCopy:
    """Copies output to the descriptor `terminal` and to `file`, in order.

    The terminal gets every byte at once, the file complete lines without the text that a carriage return overwrote
    (as progress bars do). With `as_json`, both get lines: log records as they are, other lines as records of the
    logger `output`.
    """

    def __init__(self, file: Path, *, as_json: bool, terminal: int = 2) -> None:
        self._path = file
        self._as_json = as_json
        self._terminal = terminal
        self._file: RotatingFile | None = None

    def copy(self, descriptor: int, process: int) -> None:
        """Copy everything that process id `process` writes to `descriptor`, until it is closed."""
        with contextlib.suppress(OSError):  # the server has reported this error
            self._file = RotatingFile(self._path)
        incomplete_line = b""
        while data := os.read(descriptor, 1 << 16):
            if not self._as_json:
                _write(self._terminal, data)
            *lines, incomplete_line = (incomplete_line + data).split(b"\n")
            if len(incomplete_line) > MAX_LINE_BYTES:
                lines, incomplete_line = [*lines, incomplete_line], b""
            self._write_lines(lines, process)
        self._write_lines([incomplete_line] if incomplete_line else [], process)

    def _write_lines(self, lines: list[bytes], process: int) -> None:
        shown = [line.rstrip(b"\r").rpartition(b"\r")[2] for line in lines]
        if self._as_json:
            shown = [_record(line, process) for line in shown if line]
            _write(self._terminal, b"".join(line + b"\n" for line in shown))
        if self._file is not None and shown:
            with contextlib.suppress(OSError):  # the disk is full, or gone
                self._file.write(b"".join(line + b"\n" for line in shown))


def _record(line: bytes, process: int) -> bytes:
    """Return `line` if it is a log record, otherwise a record with `line` as its message."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        record = msgspec.json.decode(line)
        if isinstance(record, dict) and {"time", "level", "message"} <= record.keys():
            return line
    return msgspec.json.encode(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "INFO",
            "logger": "output",
            "message": line.decode(errors="replace"),
            "process": process,
        }
    )


def _write(descriptor: int, data: bytes) -> None:
    """Write all of `data`; ignore errors of a closed terminal."""
    unwritten = memoryview(data)
    with contextlib.suppress(OSError):
        while unwritten:
            try:
                unwritten = unwritten[os.write(descriptor, unwritten) :]
            except BlockingIOError:
                select.select([], [descriptor], [])
