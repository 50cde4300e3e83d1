"""The log of one training run: the output of the run and its subprocesses, in a file of bounded size.

A thread reads the output from a pipe, replaces secrets, keeps only the last state of progress bars, and limits file and
memory for a run that prints without end. The last lines stay in memory, for clients that follow the run live.
"""

import contextlib
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from label_studio_ml.processes.open_file_limit import readable
from label_studio_ml.storage.private_files import make_folder, open_file

logger = logging.getLogger(__name__)

#: Limit in bytes for the beginning of the output in the file; the last lines follow after it.
MAX_FILE_BYTES = 16 << 20
#: Limits for the last lines in memory: number of lines, and bytes.
TAIL_LINES = 1000
TAIL_BYTES = 256 << 10
#: Longest line in bytes; longer lines are split.
MAX_LINE_BYTES = 4096
#: Shortest text in characters that is replaced as a secret.
MIN_SECRET_LENGTH = 6
#: Seconds without output after which reading ends once the run has ended: processes that it left may still print.
DRAIN_TIMEOUT = 1.0

_CHUNK = 1 << 18
#: Bytes of output, and seconds, after which the output for a full log is split into lines.
_SPLIT_BYTES = 1 << 20
_SPLIT_INTERVAL = 0.2


class Scrubber:
    """Replaces known secrets in texts by `[secret]`. `longest` is the length of the longest secret in bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        texts = sorted(
            {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}, key=len, reverse=True
        )
        self._secrets = [secret.encode() for secret in texts]
        self.longest = max(map(len, self._secrets), default=0)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets))) if texts else None

    def scrub(self, data: bytes) -> bytes:
        """Return `data` with the secrets replaced."""
        return self._pattern.sub(b"[secret]", data) if self._pattern is not None else data

    def unfinished(self, data: bytes) -> bytes:
        """Return `data` with the secrets replaced, and without the first 3 or more bytes of a secret at its end."""
        data = self.scrub(data)
        for size in range(min(self.longest, len(data)), 2, -1):
            if any(secret.startswith(data[-size:]) for secret in self._secrets):
                return data[:-size]
        return data

    def text(self, text: str) -> str:
        """Return `text` with the secrets replaced."""
        return self.scrub(text.encode("utf-8", "replace")).decode()


class Tail:
    """The last lines of a log, numbered from 0 for the log's first line. `count` is the number of all lines so far.

    Safe to use from several threads.
    """

    def __init__(self, max_lines: int = TAIL_LINES, max_bytes: int = TAIL_BYTES) -> None:
        self._lines: deque[str] = deque()
        self._sizes: deque[int] = deque()
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._size = 0
        self._lock = threading.Lock()
        self.count = 0
        #: The unfinished line, for example a progress bar.
        self.current = ""

    def add(self, lines: Sequence[bytes]) -> None:
        """Append complete lines; the oldest ones are dropped beyond the limits."""
        with self._lock:
            self.count += len(lines)
            for line in lines[-self._max_lines :]:
                text = line.decode("utf-8", "replace")
                self._lines.append(text)
                self._sizes.append(len(line) + 1)
                self._size += len(line) + 1
            while len(self._lines) > self._max_lines or self._size > self._max_bytes:
                self._drop(1)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._lines.popleft()
            self._size -= self._sizes.popleft()

    def skip(self, lines: int) -> None:
        """Count `lines` lines that are left out, and drop all earlier lines, so that numbers stay consecutive."""
        with self._lock:
            self._drop(len(self._lines))
            self.count += lines

    def since(self, number: int) -> tuple[int, list[str]]:
        """Return the stored lines from `number` on, after the number of the first one."""
        with self._lock:
            first = self.count - len(self._lines)
            start = max(0, number - first)
            return max(first, min(number, self.count)), list(self._lines)[start:]


class RunLog:
    """Context manager with a pipe, whose data a thread appends to the file `path` and to `tail`.

    `writer` is the descriptor of the pipe's writing end. `max_bytes` limits the beginning of the output in bytes.
    """

    def __init__(self, path: Path, scrubber: Scrubber, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.tail = Tail()
        self._path = path
        self._scrubber = scrubber
        self._max_bytes = max_bytes
        self._raw = bytearray()
        self._pending = b""
        self._caught_up = 0.0
        self._written = 0
        self._left_out = 0
        self._full_from = -1
        self._file: IO[bytes] | None = None
        self._reader, self.writer = -1, -1
        self._ended = threading.Event()
        self._added_lines: list[bytes] = []
        self._is_complete = False
        self._adding = threading.Lock()
        self._thread = threading.Thread(target=self._read_pipe, daemon=True, name="run log")

    def __enter__(self) -> "RunLog":
        """Open file and pipe, and start the thread. Raises OSError if the file cannot be created."""
        make_folder(self._path.parent)
        self._file = open_file(self._path, "ab")
        self._reader, self.writer = os.pipe()
        self._thread.start()
        return self

    def close_writer(self) -> None:
        """Close this process's copy of the pipe's writing end, after the run has inherited it."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_writer()
        self._ended.set()
        self._thread.join()
        os.close(self._reader)
        if self._file is not None:
            self._file.close()

    def add_line(self, text: str) -> bool:
        """Add a line that is no output of the run. Return False, and add nothing, if the log is complete."""
        with self._adding:
            if not self._is_complete:
                self._added_lines.append(text.encode("utf-8", "replace"))
            return not self._is_complete

    def _write_added_lines(self, *, is_complete: bool = False) -> None:
        with self._adding:
            lines, self._added_lines = self._added_lines, []
            self._is_complete = is_complete
        if lines:
            self._add(lines)

    def _read_pipe(self) -> None:
        while True:
            self._write_added_lines()
            if not readable([self._reader], DRAIN_TIMEOUT if self._ended.is_set() else 0.2):
                self.catch_up()
                if self._ended.is_set():
                    break
                continue
            data = os.read(self._reader, _CHUNK)
            if not data:
                break
            self.feed(data)
        self._finish()

    def feed(self, data: bytes) -> None:
        """Take in output of the run."""
        self._raw += data
        # A full log keeps only the end of the output: the rest is dropped without the work of splitting it into lines.
        if (
            self._full_from < 0
            or len(self._raw) >= _SPLIT_BYTES
            or time.monotonic() - self._caught_up >= _SPLIT_INTERVAL
        ):
            self.catch_up()

    def catch_up(self) -> None:
        """Split the output taken in so far into lines, and write them to file and tail."""
        if not self._raw:
            return
        data, self._raw = self._pending + bytes(self._raw), bytearray()
        self._caught_up = time.monotonic()
        if self._full_from >= 0 and len(data) > TAIL_BYTES:
            data = self._scrubber.scrub(data)
            cut = data.find(b"\n", max(0, len(data) - TAIL_BYTES)) + 1 or max(0, len(data) - TAIL_BYTES)
            self._left_out += cut
            self.tail.skip(data.count(b"\n", 0, cut))
            data = data[cut:]
        complete, newline, rest = data.rpartition(b"\n")
        if newline:
            self._add(complete.split(b"\n"))
        ends_with_return, rest = rest.endswith(b"\r"), _last_state(rest)
        if len(rest) > MAX_LINE_BYTES + self._scrubber.longest:
            # A secret may cross the place where a long line is split, so secrets are replaced first. The beginning of
            # an incomplete secret stays in the rest.
            clean = self._scrubber.scrub(rest)
            end = max(0, len(clean) - self._scrubber.longest) // MAX_LINE_BYTES * MAX_LINE_BYTES
            if end:
                self._add([clean[start : start + MAX_LINE_BYTES] for start in range(0, end, MAX_LINE_BYTES)])
            rest = clean[end:]
        self._pending = rest + b"\r" if ends_with_return else rest
        self.tail.current = self._scrubber.unfinished(rest)[:MAX_LINE_BYTES].decode("utf-8", "replace")
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._give_up(error)

    def _add(self, lines: list[bytes]) -> None:
        """Write complete lines to the file and the tail."""
        lines = self._scrubber.scrub(b"\n".join(map(_last_state, lines))).split(b"\n")
        if any(len(line) > MAX_LINE_BYTES for line in lines):
            cuts = [(line, start) for line in lines for start in range(0, len(line) or 1, MAX_LINE_BYTES)]
            lines = [line[start : start + MAX_LINE_BYTES] for line, start in cuts]
        text = b"\n".join(lines) + b"\n"
        if self._full_from < 0:
            fits = len(text)
            if self._written + fits > self._max_bytes:
                fits = text.rfind(b"\n", 0, self._max_bytes - self._written) + 1
            self._write(text[:fits])
            self._written += fits
            if fits < len(text):
                self._full_from = self.tail.count + text.count(b"\n", 0, fits)
                self._write(
                    b"[label-studio-ml: this log is full; only the end of the following output is kept]\n"
                )
            text = text[fits:]
        if self._full_from >= 0:
            self._left_out += len(text)
        self.tail.add(lines)

    def _write(self, line: bytes) -> None:
        try:
            if self._file is not None:
                self._file.write(line)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Close the file and go on without it: a full disk must stop neither the run nor the reading of its output."""
        logger.warning("%s cannot be written: %s", self._path, error)
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()

    def _finish(self) -> None:
        """Write the rest: an unfinished line, and the last lines of a full log."""
        self.catch_up()
        if self._pending:
            self._add([self._pending])
            self._pending, self.tail.current = b"", ""
        self._write_added_lines(is_complete=True)
        if self._full_from >= 0:
            _, lines = self.tail.since(self._full_from)
            tail = "".join(f"{line}\n" for line in lines).encode()
            left_out = max(0, self._left_out - len(tail))
            self._write(b"[label-studio-ml: %d bytes are left out here]\n" % left_out)
            self._write(tail)


def append_to_log(path: Path, line: str) -> None:
    """Append a line to the complete log of a run. Raises OSError."""
    with open_file(path, "ab") as file:
        file.write(line.encode("utf-8", "replace") + b"\n")


def _last_state(line: bytes) -> bytes:
    """Return the last non-empty part of a line with carriage returns, such as the last state of a progress bar."""
    if b"\r" not in line:
        return line
    return next((part for part in reversed(line.split(b"\r")) if part), b"")
