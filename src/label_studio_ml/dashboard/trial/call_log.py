"""The lines of logs/server.log that were written while a model was asked: its output, and tracebacks."""

import os
from dataclasses import dataclass
from pathlib import Path

#: The most bytes and lines of the log that are shown for one call; the last ones count.
MAX_BYTES, MAX_LINES = 32 << 10, 200


@dataclass(frozen=True, slots=True)
class LogMark:
    """A place in the log: the file's inode, and its size in bytes. Both are 0 if there is no file."""

    inode: int = 0
    size: int = 0


def log_mark(path: Path) -> LogMark:
    """Return the present end of a log. Blocks."""
    try:
        status = os.stat(path)
    except OSError:
        return LogMark()
    return LogMark(status.st_ino, status.st_size)


def lines_since(path: Path, mark: LogMark) -> list[str]:
    """Return what was written after `mark`, of all requests that ran meanwhile. Blocks.

    After a rotation, only what the new file has.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            start = mark.size if status.st_ino == mark.inode else 0
            file.seek(max(start, status.st_size - MAX_BYTES))
            text = file.read(MAX_BYTES).decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-MAX_LINES:]
