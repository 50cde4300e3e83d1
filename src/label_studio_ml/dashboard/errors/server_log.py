"""The logs of this server as the dashboard shows them: searched, paged and followed, without secrets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_studio_ml.config.settings import LOG_LEVELS
from label_studio_ml.dashboard.errors.log_files import MAX_LINE, LogFiles
from label_studio_ml.dashboard.errors.log_records import (
    MAX_RECORD,
    Record,
    begins_record,
    is_at_least,
    make_record,
    records_before,
    records_of,
)
from label_studio_ml.errors import RequestError
from label_studio_ml.training.records.run_log import Scrubber

#: The logs that are shown: of the server and its model processes, and of the workers that it has started.
NAMES = ("server.log", "rq.log")
#: Records in one answer.
PAGE = 200
#: Bytes that are read for one answer; a longer search goes on with the next request.
BUDGET = 8 << 20
#: Bytes of a download: the last ones of the log.
MAX_DOWNLOAD = 16 << 20

_CONTINUED = 400


class ServerLog:
    """Reads the logs in `folder`. The methods block: call them in a thread.

    `scrubber` returns what replaces the secrets that are known now. It is called once for each answer, not for each
    record: with thousands of projects, it takes a while.
    """

    def __init__(self, folder: Path, scrubber: Callable[[], Scrubber]) -> None:
        self._folder = folder
        self._scrubber = scrubber

    def page(self, name: str, *, before: str, search: str, level: str, tracebacks: bool) -> dict[str, Any]:
        """Return up to `PAGE` records before a position (empty: the end) that have a text and at least a level.

        `first` is the position to go on from, empty if there is nothing before it; `next` the one to follow from.
        Raises RequestError.
        """
        _check(level)
        needle = search.casefold()
        found: list[dict[str, Any]] = []
        first = reached = ""
        scrubber = self._scrubber()
        with LogFiles(self._path(name)) as files:
            seen = 0
            for record in records_before(files.before(before), tracebacks=tracebacks):
                if len(found) >= PAGE or seen > BUDGET:
                    first = reached
                    break
                seen += len(record.text)
                reached = record.at
                shown = _clean(record, scrubber)
                if is_at_least(shown, level) and needle in shown.text.casefold():
                    found.append(_json(shown))
            end, size = files.end, files.size
        return {"file": name, "records": found[::-1], "first": first, "next": end, "size": size}

    def after(self, name: str, position: str, *, search: str, level: str, tracebacks: bool) -> dict[str, Any]:
        """Return the records after a position that have a text and at least a level; at most `PAGE`, the last ones.

        `next` is the position to go on from; `skipped` tells whether there were more. Raises RequestError.
        """
        _check(level)
        needle = search.casefold()
        with LogFiles(self._path(name)) as files:
            lines, end, skipped = files.after(position)
        scrubber = self._scrubber()
        records = [_clean(record, scrubber) for record in records_of(lines, tracebacks=tracebacks)]
        chosen = [
            _json(record)
            for record in records
            if is_at_least(record, level) and needle in record.text.casefold()
        ]
        return {
            "file": name,
            "records": chosen[-PAGE:],
            "next": end,
            "skipped": skipped or len(chosen) > PAGE,
        }

    def record(self, name: str, position: str, *, tracebacks: bool) -> dict[str, Any]:
        """Return a record in full, up to 1 MiB of it. Raises RequestError."""
        with LogFiles(self._path(name)) as files:
            data = files.record(position, MAX_LINE)
        if not data:
            raise RequestError("The log has no such place any more", fix="Read the log again", field="at")
        lines = data.split(b"\n")
        end = next(
            (number for number, line in enumerate(lines[1:_CONTINUED], 1) if begins_record(line)),
            len(lines),
        )
        record = make_record(position, b"\n".join(lines[:end]), tracebacks=tracebacks)
        text = _clean(record, self._scrubber()).text
        return {"at": position, "text": text.rstrip("\n")}

    def state(self, name: str) -> dict[str, Any]:
        """Return the position behind the last byte and the size of all files. Raises RequestError."""
        with LogFiles(self._path(name)) as files:
            return {"file": name, "next": files.end, "size": files.size}

    def download(self, name: str) -> bytes:
        """Return the last bytes of a log, up to `MAX_DOWNLOAD`. Raises RequestError."""
        with LogFiles(self._path(name)) as files:
            return self._scrubber().scrub(files.last(MAX_DOWNLOAD))

    def _path(self, name: str) -> Path:
        if name not in NAMES:
            raise RequestError(f"file must be one of {', '.join(NAMES)}", field="file")
        return self._folder / name


def _clean(record: Record, scrubber: Scrubber) -> Record:
    """Return a record without secrets."""
    return Record(record.at, record.level, scrubber.text(record.text))


def _check(level: str) -> None:
    if level and level not in LOG_LEVELS:
        raise RequestError(f"level must be one of {', '.join(LOG_LEVELS)}", field="level")


def _json(record: Record) -> dict[str, Any]:
    """Return a record as JSON values; `length` is set if its text is cut."""
    cut = {"length": len(record.text)} if len(record.text) > MAX_RECORD else {}
    return {"at": record.at, "level": record.level, "text": record.text[:MAX_RECORD], **cut}
