"""Labelled tasks in a compressed file: one JSON object a line, gzip. `zcat annotations.jsonl.gz | head` shows them."""

import gzip
import io
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.disk_errors import disk_fix
from label_studio_ml.errors import VersionError
from label_studio_ml.private_files import open_file

#: The snapshot's name in a version's folder.
SNAPSHOT = "annotations.jsonl.gz"
#: gzip's quickest: the file gets some 10 % larger than at its best, in a fraction of the time.
_LEVEL = 1


class TasksFile:
    """A snapshot that is there in full or not at all.

    Every method raises VersionError when the disk refuses or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def complete(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        decoder = msgspec.json.Decoder(dict[str, Any])
        for line in self._lines():
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise _damaged(self.path, error) from error

    def count(self) -> int:
        """Return how many tasks the file holds."""
        return sum(1 for _ in self._lines())

    def record(self, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield `tasks`, writing each down; the file appears after the last one, and only then.

        Nothing is left of an iteration that is not carried to its end. A file that has appeared meanwhile stays.
        """
        recorder = _Recorder(self.path)
        try:
            for task in tasks:
                recorder.write(task)
                yield task
            recorder.commit()
        finally:
            recorder.close()

    def clear_unfinished(self) -> None:
        """Remove what processes left that ended while they wrote."""
        for left in self.path.parent.glob(f".{self.path.name}.*"):
            left.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        try:
            with gzip.open(self.path, "rb") as lines:
                yield from lines
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(self.path, error) from error


class _Recorder:
    """Writes a temporary file beside the one to be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        try:
            self._raw = open_file(self._temporary, "xb")
        except OSError as error:
            raise _refused(path, error) from error
        packed = gzip.GzipFile("", "wb", _LEVEL, self._raw, mtime=0)
        self._lines = io.BufferedWriter(packed, 1 << 16)

    def write(self, task: dict[str, Any]) -> None:
        try:
            self._lines.write(self._encoder.encode(task) + b"\n")
        except OSError as error:
            raise _refused(self._path, error) from error

    def commit(self) -> None:
        try:
            self._lines.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
            if not self._path.exists():
                self._temporary.replace(self._path)
        except OSError as error:
            raise _refused(self._path, error) from error

    def close(self) -> None:
        """Remove the temporary file, if it is still one."""
        try:
            self._lines.close()
            self._raw.close()
        except OSError:  # what cannot be written now is not wanted any more
            self._raw.close()
        finally:
            self._temporary.unlink(missing_ok=True)


def _refused(path: Path, error: OSError) -> VersionError:
    return VersionError(
        f"The snapshot of the annotations, {path}, cannot be written: {error}",
        fix=disk_fix(error, path),
        field=str(path),
    )


def _damaged(path: Path, error: Exception) -> VersionError:
    return VersionError(f"The snapshot of annotations {path} cannot be read: {error}", field=str(path))
