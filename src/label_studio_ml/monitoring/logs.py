"""Logging: records as lines of text or JSON, to standard error and to a rotating file shared by processes."""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from label_studio_ml.config.settings import LOG_FORMAT
from label_studio_ml.errors import BackendError
from label_studio_ml.storage import file_locks
from label_studio_ml.storage.private_files import make_folder, open_file
from label_studio_ml.support.texts import plural, visible

#: The top-level name of this package's loggers.
_PACKAGE = __name__.partition(".")[0]

#: Bytes after which a log file is rotated, and the number of rotated files that are kept.
MAX_BYTES = 10_000_000
MAX_ROTATED = 5

#: Characters after which this package's messages are cut. Some contain text from callers without the login, such as
#: paths of 64 KiB, which would otherwise displace all other records from the files.
MAX_MESSAGE_LENGTH = 4000

#: Request, batch of requests and training run of the present work, for JSON records.
request_id: ContextVar[str] = ContextVar("request_id", default="")
request_ids: ContextVar[tuple[str, ...]] = ContextVar("request_ids", default=())
run_id: ContextVar[str] = ContextVar("run_id", default="")


@contextlib.contextmanager
def about_requests(ids: Iterable[str]) -> Iterator[None]:
    """Add the request id, or all ids of a batch, to the records that the block logs."""
    unique_ids = tuple(dict.fromkeys(filter(None, ids)))
    single_token = request_id.set(unique_ids[0] if len(unique_ids) == 1 else "")
    batch_token = request_ids.set(unique_ids if len(unique_ids) > 1 else ())
    try:
        yield
    finally:
        request_ids.reset(batch_token)
        request_id.reset(single_token)


class TextFormatter(logging.Formatter):
    """Format records as text such that text from other sources cannot be taken for a record of this package.

    This package's messages are cut after `MAX_MESSAGE_LENGTH` characters, and their control characters, including line
    breaks, are escaped. Messages of other packages and of user code keep their line breaks, with the lines after the
    first indented. A traceback follows in separate lines, none of which begins like a record.
    """

    def __init__(self) -> None:
        super().__init__(LOG_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line, or lines, of a record before its traceback."""
        text = _shortened(record, record.message)
        if code := _code(record):
            text = f"{text} [{code}]"
        record.message = visible(text) if _is_own(record) else _lines(text)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the traceback as text."""
        return _traceback_text(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Return the stack as text."""
        return _traceback_text(super().formatStack(stack_info))


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _PACKAGE


def _code(record: logging.LogRecord) -> str:
    """Return the code of the error among the arguments of a record of this package, empty if there is none."""
    if not _is_own(record) or not isinstance(record.args, tuple):
        return ""
    return next((argument.code for argument in record.args if isinstance(argument, BackendError)), "")


def _shortened(record: logging.LogRecord, text: str) -> str:
    """Return the message of a record; one of our loggers is cut after `MAX_MESSAGE_LENGTH` characters."""
    if not _is_own(record) or len(text) <= MAX_MESSAGE_LENGTH:
        return text
    return f"{text[:MAX_MESSAGE_LENGTH]}… ({plural(len(text) - MAX_MESSAGE_LENGTH, 'more character')})"


def _lines(text: str) -> str:
    """Return text with its line breaks, and all lines after the first indented."""
    return "\n    ".join(visible(line) for line in text.split("\n"))


def _traceback_text(text: str) -> str:
    """Return a traceback with lines that look like records indented: an exception's text is arbitrary."""
    lines = (visible(line) for line in text.split("\n"))
    return "\n".join(f"    {line}" if line.startswith(("[", "{")) else line for line in lines)


class JsonFormatter(logging.Formatter):
    """Format records as JSON, one object a line: time (UTC), level, logger, message, process.

    If known, `request_id` (or `request_ids`, a list, for a batch), `run_id`, `code` (of the error that the message is
    about) and `error` (the traceback) are added.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        timestamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": timestamp,
            "level": record.levelname,
            "logger": record.name,
            "message": _shortened(record, record.getMessage()),
            "process": record.process,
        }
        if code := _code(record):
            fields["code"] = code
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
    """A log file that several processes may write whole lines to, and that each of them may rotate.

    The standard library's rotating handler loses lines if two processes share a file.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, max_rotated: int = MAX_ROTATED) -> None:
        make_folder(path.parent)
        self._path = path
        self._max_bytes = max_bytes
        self._max_rotated = max_rotated
        self._file: IO[bytes] | None = None
        self._reopen()

    def write(self, data: bytes) -> None:
        """Append `data`; rotate the file first if it is full, reopen it if it was renamed. Raises OSError."""
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
            current, opened = os.stat(self._path), os.fstat(file.fileno())
            file.seek(0, os.SEEK_END)  # other processes append as well
            return (current.st_dev, current.st_ino) == (opened.st_dev, opened.st_ino)
        return False

    def _reopen(self) -> IO[bytes]:
        self.close()
        self._file = open_file(self._path, "ab", buffering=0)
        self._file.seek(0, os.SEEK_END)
        return self._file

    def _rotate(self) -> None:
        """Rotate the files, unless another process has done so meanwhile."""
        with file_locks.folder_locked(self._path.parent):
            if self._file is None or not self._is_current(self._file):
                return
            for number in range(self._max_rotated - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            self.close()  # Windows cannot rename open files
            os.replace(self._path, f"{self._path}.1")


class SharedFileHandler(logging.Handler):
    """A logging handler that writes to a `RotatingFile`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.file = RotatingFile(path)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; on an OSError, such as from a full disk, the record is lost."""
        with contextlib.suppress(OSError):
            self.file.write(f"{self.format(record)}\n".encode(errors="replace"))

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()


def configure(level: str, *, as_json: bool = False, file: Path | None = None) -> None:
    """Send log records of at least `level` to standard error, and to `file` as well if it is given.

    Raises OSError if `file` cannot be opened; records go to standard error nevertheless.
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
    """Send log records to `file` in a process whose logging may be configured already; return the added handler.

    If the root logger has no handlers, it is configured as by `configure`; otherwise its level and other handlers stay.
    Raises OSError if `file` cannot be opened.
    """
    root = logging.getLogger()
    if not root.handlers:
        configure(level, as_json=as_json)
    handler = SharedFileHandler(file)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root.addHandler(handler)
    return handler
