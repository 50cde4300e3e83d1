"""Where log records go: lines of text or of JSON, to a stream and to a file that several processes share."""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from label_studio_ml import file_locks
from label_studio_ml.private_files import make_folder, open_file
from label_studio_ml.settings import LOG_FORMAT
from label_studio_ml.texts import plural, visible

#: Records of these loggers are ours.
_OURS = __name__.partition(".")[0]

#: Bytes of a log file until a new one is begun, and how many old ones are kept.
MAX_BYTES = 10_000_000
KEPT = 5

#: Characters of a message of ours that are written. Some hold what callers without the login sent, such as paths of
#: 64 KiB, which would push everything else out of the files.
MAX_MESSAGE = 4000

#: What the present work belongs to; written into each JSON record.
request_id: ContextVar[str] = ContextVar("request_id", default="")
request_ids: ContextVar[tuple[str, ...]] = ContextVar("request_ids", default=())
run_id: ContextVar[str] = ContextVar("run_id", default="")


@contextlib.contextmanager
def about_requests(ids: Iterable[str]) -> Iterator[None]:
    """Let the records of this block tell the request, or all those of a batch, that it works on."""
    several = tuple(dict.fromkeys(filter(None, ids)))
    one = request_id.set(several[0] if len(several) == 1 else "")
    others = request_ids.set(several if len(several) > 1 else ())
    try:
        yield
    finally:
        request_ids.reset(others)
        request_id.reset(one)


class TextFormatter(logging.Formatter):
    """One line for each record, however many the message has: what others wrote must not look like a record of ours.

    Messages of ours end after `MAX_MESSAGE` characters. Control characters are written as escapes, line breaks too:
    those of other packages and of user code stay, with the lines after the first indented. A traceback follows in lines
    of its own, of which none begins like a record.
    """

    def __init__(self) -> None:
        super().__init__(LOG_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the record's first lines."""
        ours = _is_ours(record)
        record.message = visible(_shortened(record.message)) if ours else _lines(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the traceback."""
        return _harmless(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Return the stack."""
        return _harmless(super().formatStack(stack_info))


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _OURS


def _shortened(text: str) -> str:
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[:MAX_MESSAGE]}… ({plural(len(text) - MAX_MESSAGE, 'more character')})"


def _lines(text: str) -> str:
    """Return text with its line breaks, the lines after the first indented."""
    return "\n    ".join(visible(line) for line in text.split("\n"))


def _harmless(text: str) -> str:
    """Return a traceback whose lines do not look like records: what an exception says may be anything."""
    lines = (visible(line) for line in text.split("\n"))
    return "\n".join(f"    {line}" if line.startswith(("[", "{")) else line for line in lines)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and where they are known request, run, error.

    A record about a batch has `request_ids`, a list, where others have `request_id`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": at,
            "level": record.levelname,
            "logger": record.name,
            "message": _shortened(record.getMessage()) if _is_ours(record) else record.getMessage(),
            "process": record.process,
        }
        if request := request_id.get():
            fields["request_id"] = request
        elif requests := request_ids.get():
            fields["request_ids"] = requests
        if run := run_id.get():
            fields["run_id"] = run
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields).decode()


class RotatingFile:
    """A log file for whole lines that any number of processes write and any of them rotates.

    The standard library's rotating handler loses lines when two processes hold the same file.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        make_folder(path.parent)
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file: IO[bytes] | None = None
        self._reopen()

    def write(self, data: bytes) -> None:
        """Append `data`, to a new file where the present one is full or was moved away. Raises OSError."""
        file = self._file
        if file is None or not self._is_current(file):
            file = self._reopen()
        if file.tell() + len(data) > self._max_bytes and file.tell():
            self._rotate()
            file = self._reopen()
        file.write(data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_current(self, file: IO[bytes]) -> bool:
        with contextlib.suppress(OSError):
            there, ours = os.stat(self._path), os.fstat(file.fileno())
            file.seek(0, os.SEEK_END)  # others append too
            return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
        return False

    def _reopen(self) -> IO[bytes]:
        self.close()
        self._file = open_file(self._path, "ab", buffering=0)
        self._file.seek(0, os.SEEK_END)
        return self._file

    def _rotate(self) -> None:
        """Move the file away, unless another process has done so meanwhile."""
        with file_locks.folder_locked(self._path.parent):
            if self._file is None or not self._is_current(self._file):
                return
            for number in range(self._kept - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            self.close()  # Windows renames no open file
            os.replace(self._path, f"{self._path}.1")


class SharedFileHandler(logging.Handler):
    """A handler that writes its records to a `RotatingFile`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.file = RotatingFile(path)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; one that cannot be written is lost, as the disk is full or gone."""
        with contextlib.suppress(OSError):
            self.file.write(f"{self.format(record)}\n".encode(errors="replace"))

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()


def configure(level: str, *, as_json: bool = False, file: Path | None = None) -> None:
    """Send log records of at least `level` to standard error, and to `file` as well.

    Raises OSError where the file cannot be written; records go to standard error all the same.
    """
    logging.basicConfig(level=level, force=True)
    handlers = logging.getLogger().handlers
    try:
        if file is not None:
            logging.getLogger().addHandler(SharedFileHandler(file))
    finally:
        for handler in handlers:
            handler.setFormatter(JsonFormatter() if as_json else TextFormatter())


def join(level: str, *, as_json: bool = False, file: Path) -> logging.Handler:
    """Send log records to `file` in a process of somebody else's, and return the handler that does it.

    Where nobody has configured logging there, this does as `configure` would; else levels and other handlers stay.
    Raises OSError where the file cannot be written.
    """
    root = logging.getLogger()
    if not root.handlers:
        configure(level, as_json=as_json)
    handler = SharedFileHandler(file)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root.addHandler(handler)
    return handler
