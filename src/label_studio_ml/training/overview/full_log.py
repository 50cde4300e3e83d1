"""The whole log of a training: from its file if this machine has it, else the last lines from Redis."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_studio_ml.storage.private_files import JOB_LOG
from label_studio_ml.training.records.job_pages import read_log
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_views import without_tracebacks

#: The most bytes of a log's file that are read: the worker writes less.
MAX_BYTES = 32 << 20
#: The most lines, and characters, of one part of a log, and the most lines that a search returns.
MAX_LINES, MAX_CHARACTERS, MAX_MATCHES = 1000, 500_000, 200


@dataclass(frozen=True, slots=True)
class FullLog:
    """A log's lines by their numbers. Lines from `tail_first` on are those in Redis, which has the newest ones.

    `complete` tells whether the log's file is on this machine; without it, only the lines in Redis are known. A line
    is None if it belongs to a traceback and is hidden.
    """

    file_lines: list[str | None]
    tail: list[str | None]
    tail_first: int
    complete: bool

    @property
    def next(self) -> int:
        """The number of the line after the last one."""
        return (
            max(len(self.file_lines), self.tail_first + len(self.tail)) if self.tail else len(self.file_lines)
        )

    def numbered(self, after: int = 0) -> Iterator[tuple[int, str | None]]:
        """Yield the lines from number `after` on with their numbers."""
        end = min(len(self.file_lines), self.tail_first) if self.tail else len(self.file_lines)
        for number in range(max(0, after), end):
            yield number, self.file_lines[number]
        for number in range(max(0, after - self.tail_first), len(self.tail)):
            yield self.tail_first + number, self.tail[number]

    def part(self, after: int, most: int) -> dict[str, Any]:
        """Return up to `most` lines from number `after` on as `[number, line]`, and the number that comes `next`."""
        lines: list[tuple[int, str | None]] = []
        size = 0
        for number, line in self.numbered(after):
            size += len(line or "")
            if len(lines) >= min(most, MAX_LINES) or (lines and size > MAX_CHARACTERS):
                return {"lines": lines, "next": number, "end": self.next, "complete": self.complete}
            lines.append((number, line))
        return {"lines": lines, "next": self.next, "end": self.next, "complete": self.complete}

    def matches(self, text: str) -> dict[str, Any]:
        """Return the first lines that contain `text`, in upper or lower case, as `[number, line]`."""
        wanted = text.casefold()
        found: list[tuple[int, str]] = []
        for number, line in self.numbered():
            if line is not None and wanted in line.casefold():
                if len(found) == MAX_MATCHES:
                    return {"matches": found, "more": True, "complete": self.complete}
                found.append((number, line[:1000]))
        return {"matches": found, "more": False, "complete": self.complete}

    def text(self) -> str:
        """Return the log as text, without hidden lines."""
        return "".join(f"{line}\n" for _, line in self.numbered() if line is not None)


def full_log(job_store: JobStore, folder: Path, job_id: str, *, tracebacks: bool) -> FullLog:
    """Return the log of a job. `folder` holds the logs' files; without `tracebacks`, their lines are hidden.

    Raises BrokerError.
    """
    part = read_log(job_store, job_id)
    file_lines = _lines_of_file(folder, job_id)

    def shown(lines: list[str]) -> list[str | None]:
        return list(lines) if tracebacks else without_tracebacks(lines, job_id)

    if file_lines is None:
        return FullLog([], shown(part.lines), part.first, complete=part.first == 0)
    whole = shown(file_lines)
    # Where the file has the same lines, its traceback began before those in Redis: then it knows better what to hide.
    if file_lines[part.first : part.next] == part.lines:
        return FullLog(whole, whole[part.first : part.next], part.first, complete=True)
    return FullLog(whole, shown(part.lines), part.first, complete=True)


def _lines_of_file(folder: Path, job_id: str) -> list[str] | None:
    """Return the complete lines in the file of a job's log, None if it is not here or cannot be read."""
    name = f"{job_id}.log"
    if not JOB_LOG.fullmatch(name):
        return None
    try:
        with (folder / name).open("rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:
        return None
    complete, newline, _ = data.rpartition(b"\n")
    return complete.decode("utf-8", "replace").split("\n") if newline else []
