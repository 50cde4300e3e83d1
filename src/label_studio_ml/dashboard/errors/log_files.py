"""Read a log file and its rotated predecessors as one text, from any position, in bounded steps.

A position is text, `<number of the file>-<offset>`: it stays valid when the file is rotated, until it is removed.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from label_studio_ml.monitoring.logs import MAX_ROTATED

#: Bytes that are read at a time.
CHUNK = 1 << 18
#: Longest line in bytes that is read as one; longer ones are split.
MAX_LINE = 1 << 20

_POSITION = re.compile(r"([0-9]{1,20})-([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log without its line end, with the positions of its first byte and of the next line."""

    start: str
    end: str
    data: bytes


@dataclass(slots=True)
class _Part:
    file: IO[bytes]
    number: int
    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on, or fewer if there are no more."""
        self.file.seek(offset)
        return self.file.read(size)


class LogFiles:
    """The files of one log, opened for one reading: use it in a `with` block. A file that is missing is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: The oldest file first.
        self._parts: list[_Part] = []

    def __enter__(self) -> "LogFiles":
        """Open the files."""
        names = [*(f"{self._path}.{number}" for number in range(MAX_ROTATED, 0, -1)), str(self._path)]
        for name in names:
            with contextlib.suppress(OSError):
                file = open(name, "rb", buffering=0)
                status = os.fstat(file.fileno())
                if any(part.number == status.st_ino for part in self._parts):  # rotated meanwhile
                    file.close()
                else:
                    self._parts.append(_Part(file, status.st_ino, status.st_size))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        for part in self._parts:
            part.file.close()

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(part.size for part in self._parts)

    @property
    def end(self) -> str:
        """The position behind the last byte, empty if there is no file."""
        return _position(self._parts[-1], self._parts[-1].size) if self._parts else ""

    def find(self, position: str) -> tuple[int, int] | None:
        """Return the index of the file of a position, and the offset in it; None if it is invalid or removed."""
        match = _POSITION.fullmatch(position)
        if match is None:
            return None
        number, offset = int(match[1]), int(match[2])
        for index, part in enumerate(self._parts):
            if part.number == number:
                return (index, offset) if offset <= part.size else None
        return None

    def before(self, position: str) -> Iterator[Line]:
        """Yield the lines before a position, the last one first; all lines if it is empty, none if it is invalid."""
        found = self.find(position or self.end)
        if found is None:
            return
        last, offset = found
        for index in range(last, -1, -1):
            part = self._parts[index]
            yield from _lines_before(part, offset if index == last else part.size)

    def after(self, position: str) -> tuple[list[Line], str, bool]:
        """Return the whole lines after a position, the position behind them, and whether lines were skipped.

        Lines are skipped if there are more than `MAX_LINE` bytes of them, or if the position is invalid or removed:
        then the last lines are returned.
        """
        found = self.find(position)
        if found is None or sum(part.size for part in self._parts[found[0] :]) - found[1] > MAX_LINE:
            return self._last_lines(), self.end, True
        index, offset = found
        lines: list[Line] = []
        end = position
        for part in self._parts[index:]:
            data = part.read(offset, part.size - offset)
            for line in _whole_lines(data):
                end = _position(part, offset + len(line))
                lines.append(Line(_position(part, offset), end, line.rstrip(b"\n")))
                offset += len(line)
            offset = 0
        return lines, end, False

    def _last_lines(self) -> list[Line]:
        """Return the last lines, about `CHUNK` bytes of them."""
        lines: list[Line] = []
        size = 0
        for line in self.before(""):
            lines.append(line)
            size += len(line.data)
            if size > CHUNK:
                break
        return lines[::-1]

    def record(self, position: str, most: int) -> bytes:
        """Return up to `most` bytes from a position on, empty if it is invalid."""
        found = self.find(position)
        if found is None:
            return b""
        index, offset = found
        return self._parts[index].read(offset, most)

    def last(self, most: int) -> bytes:
        """Return the last `most` bytes, from the beginning of a line on."""
        pieces: list[bytes] = []
        left = most
        for part in reversed(self._parts):
            begin = max(0, part.size - left)
            piece = part.read(begin, part.size - begin)
            if begin:
                pieces.append(piece[piece.find(b"\n") + 1 :])
                break
            pieces.append(piece)
            left -= len(piece)
        return b"".join(reversed(pieces))


def _lines_before(part: _Part, end: int) -> Iterator[Line]:
    """Yield the lines of a file before the offset `end`, the last one first."""
    rest = b""  # the end of a line whose beginning is not read yet
    position = end
    while position > 0:
        start = max(0, position - CHUNK)
        data = part.read(start, position - start) + rest
        lines = data.split(b"\n")
        offset = start
        rest = b""
        if start > 0 and len(lines[0]) < MAX_LINE:
            rest = lines.pop(0)
            offset += len(rest) + 1
        starts = []
        for line in lines:
            starts.append(offset)
            offset += len(line) + 1
        for line, begin in zip(reversed(lines), reversed(starts), strict=True):
            if begin < end:
                yield Line(_position(part, begin), _position(part, begin + len(line) + 1), line)
        position = start


def _position(part: _Part, offset: int) -> str:
    return f"{part.number}-{offset}"


def _whole_lines(data: bytes) -> list[bytes]:
    """Return the lines of `data` with their line ends, without one at the end that is not complete."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]]
