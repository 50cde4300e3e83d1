"""Split a log into records, each with its level and its text, from text lines or JSON lines."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml.config.settings import LOG_LEVELS
from label_studio_ml.dashboard.errors.log_files import Line
from label_studio_ml.training.records.job_views import without_tracebacks

#: Bytes beyond which a record is cut, until it is asked for alone.
MAX_RECORD = 4000
#: Lines and bytes of one record; what is beyond them is a record of its own.
MAX_LINES, MAX_BYTES = 400, 1 << 20

_LEVEL = re.compile(rb"\[[^\]]{1,40}\] \[([A-Z]{1,10})\] ")
_NO_TRACEBACK = "(traceback: operators see it)"


@dataclass(frozen=True, slots=True)
class Record:
    """A record: the position of its first byte, its level (empty if it has none), and all its lines."""

    at: str
    level: str
    text: str


def records_before(lines: Iterable[Line], *, tracebacks: bool) -> Iterator[Record]:
    """Yield the records of `lines`, which come last one first. See `make_record`."""
    pending: list[Line] = []
    size = 0
    for line in lines:
        pending.append(line)
        size += len(line.data)
        if begins_record(line.data) or len(pending) >= MAX_LINES or size >= MAX_BYTES:
            yield _of_lines(pending[::-1], tracebacks=tracebacks)
            pending, size = [], 0
    if pending:
        yield _of_lines(pending[::-1], tracebacks=tracebacks)


def records_of(lines: Iterable[Line], *, tracebacks: bool) -> list[Record]:
    """Return the records of `lines`, in their order. See `make_record`."""
    groups: list[list[Line]] = []
    for line in lines:
        if not groups or begins_record(line.data) or len(groups[-1]) >= MAX_LINES:
            groups.append([])
        groups[-1].append(line)
    return [_of_lines(group, tracebacks=tracebacks) for group in groups]


def shown_lines(lines: Sequence[str], *, tracebacks: bool) -> list[str]:
    """Return the lines of a log as people read them. See `make_record`."""
    records = records_of(
        (Line("", "", line.encode("utf-8", "replace")) for line in lines), tracebacks=tracebacks
    )
    return [line for record in records for line in record.text.split("\n")]


def _of_lines(lines: list[Line], *, tracebacks: bool) -> Record:
    return make_record(lines[0].start, b"\n".join(line.data for line in lines), tracebacks=tracebacks)


def begins_record(line: bytes) -> bool:
    """Tell whether a line begins a record: no line of a traceback or of user code begins with these characters."""
    return line.startswith((b"[", b"{"))


def make_record(at: str, data: bytes, *, tracebacks: bool) -> Record:
    """Return a record; without `tracebacks`, the lines of each are replaced by one that says so."""
    line, line_end, others = data.partition(b"\n")  # output without a time follows the line in JSON
    if line.startswith(b"{") and (fields := _fields(line)) is not None:
        level = str(fields.get("level", ""))
        where = f"[{fields.get('time', '')}] [{level}] [{fields.get('logger', '')}]"
        trace = f"\n{fields['error']}" if "error" in fields else ""
        text = f"{where} {fields.get('message', '')}{trace}{(line_end + others).decode('utf-8', 'replace')}"
    else:
        match = _LEVEL.match(data)
        level = match[1].decode() if match is not None else ""
        text = data.decode("utf-8", "replace")
    if not tracebacks:
        shown = without_tracebacks(text.split("\n"), "", instead=_NO_TRACEBACK)
        text = "\n".join(line for line in shown if line is not None)
    return Record(at, level if level in LOG_LEVELS else "", text)


def is_at_least(record: Record, level: str) -> bool:
    """Tell whether a record has at least a level; all records have the empty one."""
    if not level:
        return True
    return bool(record.level) and LOG_LEVELS.index(record.level) >= LOG_LEVELS.index(level)


def _fields(data: bytes) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return fields if isinstance(fields, dict) and "message" in fields else None
