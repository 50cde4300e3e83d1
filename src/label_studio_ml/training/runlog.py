"""The log of one training run: everything that it and what it starts print, in a file of bounded size.

A thread reads it from a pipe, so that secrets can be taken out, progress bars keep only their last state, and a run
that floods its output fills neither disk nor memory. The last lines stay at hand for whoever follows the run live.
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

from label_studio_ml.descriptors import readable
from label_studio_ml.private_files import make_folder, open_file

logger = logging.getLogger(__name__)

#: Most bytes that a run's file holds of its beginning; the last lines come after them.
MOST_BYTES = 16 << 20
#: What is kept at hand: lines, and bytes.
TAIL_LINES = 1000
TAIL_BYTES = 256 << 10
#: Longest line, in bytes; a longer one is broken.
LONGEST_LINE = 4096
#: Shortest text that is taken for a secret, in characters.
SHORTEST_SECRET = 6
#: Seconds that output may still come after a run has ended, from what it left running.
DRAIN = 1.0

_CHUNK = 1 << 18
#: Bytes, and seconds, after which lines are made of what was written to a log that is full.
_ENOUGH = 1 << 20
_PAUSE = 0.2


class Scrubber:
    """Takes known secrets out of texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = sorted({word for word in secrets if len(word) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._words = [word.encode() for word in found]
        self.longest = max(map(len, self._words), default=0)
        self._pattern = re.compile(b"|".join(map(re.escape, self._words))) if found else None

    def scrub(self, data: bytes) -> bytes:
        """Return `data` without the secrets."""
        return self._pattern.sub(b"[secret]", data) if self._pattern is not None else data

    def unfinished(self, data: bytes) -> bytes:
        """Return `data` without the secrets, and without one that has begun at its end."""
        data = self.scrub(data)
        for size in range(min(self.longest, len(data)), 2, -1):
            if any(word.startswith(data[-size:]) for word in self._words):
                return data[:-size]
        return data

    def text(self, text: str) -> str:
        """Return `text` without the secrets."""
        return self.scrub(text.encode("utf-8", "replace")).decode()


class Tail:
    """The last lines, each with its number, the first line being 0. Safe to use from several threads."""

    def __init__(self, most_lines: int = TAIL_LINES, most_bytes: int = TAIL_BYTES) -> None:
        self._lines: deque[str] = deque()
        self._sizes: deque[int] = deque()
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._size = 0
        self._lock = threading.Lock()
        self.count = 0
        #: The line that is being written: a progress bar, say.
        self.current = ""

    def add(self, lines: Sequence[bytes]) -> None:
        """Add whole lines."""
        with self._lock:
            self.count += len(lines)
            for line in lines[-self._most_lines :]:
                text = line.decode("utf-8", "replace")
                self._lines.append(text)
                self._sizes.append(len(line) + 1)
                self._size += len(line) + 1
            while len(self._lines) > self._most_lines or self._size > self._most_bytes:
                self._drop(1)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._lines.popleft()
            self._size -= self._sizes.popleft()

    def skip(self, lines: int) -> None:
        """Leave lines out: what is kept so far goes too."""
        with self._lock:
            self._drop(len(self._lines))
            self.count += lines

    def since(self, number: int) -> tuple[int, list[str]]:
        """Return the lines kept from `number` on, with the number of the first of them."""
        with self._lock:
            first = self.count - len(self._lines)
            start = max(0, number - first)
            return max(first, min(number, self.count)), list(self._lines)[start:]


class RunLog:
    """A pipe whose output lands in the file `path` and in `tail`. Use it as a context manager."""

    def __init__(self, path: Path, scrubber: Scrubber, most: int = MOST_BYTES) -> None:
        self.tail = Tail()
        self._path = path
        self._scrubber = scrubber
        self._most = most
        self._raw = bytearray()
        self._pending = b""
        self._caught_up = 0.0
        self._written = 0
        self._left_out = 0
        self._full_at = -1
        self._file: IO[bytes] | None = None
        self._reader, self.writer = -1, -1
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._pump, daemon=True, name="run log")

    def __enter__(self) -> "RunLog":
        """Open file and pipe. Raises OSError if the file cannot be made."""
        make_folder(self._path.parent)
        self._file = open_file(self._path, "ab")
        self._reader, self.writer = os.pipe()
        self._thread.start()
        return self

    def close_writer(self) -> None:
        """Close our copy of the pipe's writing end, once the run has it."""
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

    def _pump(self) -> None:
        while True:
            if not readable([self._reader], DRAIN if self._ended.is_set() else 0.2):
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
        """Take in what the run has written."""
        self._raw += data
        # Of a full log only the end is kept: what is thrown away is not even read line by line.
        if self._full_at < 0 or len(self._raw) >= _ENOUGH or time.monotonic() - self._caught_up >= _PAUSE:
            self.catch_up()

    def catch_up(self) -> None:
        """Make lines of what was taken in."""
        if not self._raw:
            return
        data, self._raw = self._pending + bytes(self._raw), bytearray()
        self._caught_up = time.monotonic()
        if self._full_at >= 0 and len(data) > TAIL_BYTES:
            data = self._scrubber.scrub(data)
            cut = data.find(b"\n", max(0, len(data) - TAIL_BYTES)) + 1 or max(0, len(data) - TAIL_BYTES)
            self._left_out += cut
            self.tail.skip(data.count(b"\n", 0, cut))
            data = data[cut:]
        whole, newline, rest = data.rpartition(b"\n")
        if newline:
            self._add(whole.split(b"\n"))
        again, rest = rest.endswith(b"\r"), _last_state(rest)
        if len(rest) > LONGEST_LINE + self._scrubber.longest:
            # A secret may lie across the place where a long line is broken: it is taken out first. One that is not
            # there in full yet stays in what is left.
            clean = self._scrubber.scrub(rest)
            end = max(0, len(clean) - self._scrubber.longest) // LONGEST_LINE * LONGEST_LINE
            if end:
                self._add([clean[start : start + LONGEST_LINE] for start in range(0, end, LONGEST_LINE)])
            rest = clean[end:]
        self._pending = rest + b"\r" if again else rest
        self.tail.current = self._scrubber.unfinished(rest)[:LONGEST_LINE].decode("utf-8", "replace")
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._give_up(error)

    def _add(self, lines: list[bytes]) -> None:
        """Keep whole lines, in the file and at hand."""
        lines = self._scrubber.scrub(b"\n".join(map(_last_state, lines))).split(b"\n")
        if any(len(line) > LONGEST_LINE for line in lines):
            cuts = [(line, start) for line in lines for start in range(0, len(line) or 1, LONGEST_LINE)]
            lines = [line[start : start + LONGEST_LINE] for line, start in cuts]
        text = b"\n".join(lines) + b"\n"
        if self._full_at < 0:
            fits = len(text)
            if self._written + fits > self._most:
                fits = text.rfind(b"\n", 0, self._most - self._written) + 1
            self._write(text[:fits])
            self._written += fits
            if fits < len(text):
                self._full_at = self.tail.count + text.count(b"\n", 0, fits)
                self._write(b"[label-studio-ml: this log is full; of what comes next only the end is kept]\n")
            text = text[fits:]
        if self._full_at >= 0:
            self._left_out += len(text)
        self.tail.add(lines)

    def _write(self, line: bytes) -> None:
        try:
            if self._file is not None:
                self._file.write(line)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without the file: a full disk must not stop the run, nor the reading of its output."""
        logger.warning("%s cannot be written: %s", self._path, error)
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()

    def _finish(self) -> None:
        """Write what is left: an unfinished line, and the last lines of a log that was full."""
        self.catch_up()
        if self._pending:
            self._add([self._pending])
            self._pending, self.tail.current = b"", ""
        if self._full_at >= 0:
            _, lines = self.tail.since(self._full_at)
            kept = "".join(f"{line}\n" for line in lines).encode()
            out = max(0, self._left_out - len(kept))
            self._write(b"[label-studio-ml: %d bytes are left out here]\n" % out)
            self._write(kept)


def _last_state(line: bytes) -> bytes:
    """Return what a terminal would show of a line that is written over and over with carriage returns."""
    if b"\r" not in line:
        return line
    return next((part for part in reversed(line.split(b"\r")) if part), b"")
