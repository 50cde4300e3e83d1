"""Snapshots of labelled tasks: gzip files with one JSON object per line (`zcat annotations.jsonl.gz | head`)."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.private_files import open_file

#: The snapshot's name in a version's folder.
SNAPSHOT = "annotations.jsonl.gz"
#: gzip's fastest level: files are about 10 % larger than with the best one, in a fraction of the time.
_LEVEL = 1


class TasksFile:
    """A snapshot file, which is written atomically: it is complete or missing. Iteration yields its tasks.

    Reading and `record` raise VersionError if the disk refuses or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def complete(self) -> bool:
        """Whether the file exists; an existing file is complete."""
        return self.path.exists()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        decoder = msgspec.json.Decoder(dict[str, Any])
        for line in self._lines():
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise _read_error(self.path, error) from error

    def count(self) -> int:
        """Return the number of tasks in the file."""
        return sum(1 for _ in self._lines())

    def record(self, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield `tasks` and write each of them to a temporary file, which becomes the snapshot after the last one.

        If the iteration ends early, no file is left. A snapshot that another iteration has completed meanwhile stays.
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
        """Remove the temporary files of processes that ended during the write. No other `record` may be in progress."""
        for temporary in self.path.parent.glob(f".{self.path.name}.*"):
            temporary.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        try:
            with gzip.open(self.path, "rb") as lines:
                yield from lines
        except (OSError, EOFError, zlib.error) as error:
            raise _read_error(self.path, error) from error


class _Recorder:
    """Writer of the temporary file, in the folder of the snapshot. Its methods raise VersionError, except `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = atomic_files.temporary_path(path)
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        try:
            self._raw = open_file(self._temporary, "xb")
        except OSError as error:
            raise _write_error(path, error) from error
        packed = gzip.GzipFile("", "wb", _LEVEL, self._raw, mtime=0)
        self._lines = io.BufferedWriter(packed, 1 << 16)

    def write(self, task: dict[str, Any]) -> None:
        try:
            self._lines.write(self._encoder.encode(task) + b"\n")
        except OSError as error:
            raise _write_error(self._path, error) from error

    def commit(self) -> None:
        try:
            self._lines.close()
            self._raw.close()
            if not self._path.exists():
                atomic_files.move_into_place(self._temporary, self._path)
        except OSError as error:
            raise _write_error(self._path, error) from error

    def close(self) -> None:
        """Close and remove the temporary file; after `commit` there is none. Raises OSError if it cannot be removed."""
        try:
            self._lines.close()
            self._raw.close()
        except OSError:  # the data is not needed any more
            self._raw.close()
        finally:
            self._temporary.unlink(missing_ok=True)


def _write_error(path: Path, error: OSError) -> VersionError:
    return VersionError(
        f"The snapshot of the annotations, {path}, cannot be written: {error}",
        fix=disk_fix(error, path),
        field=str(path),
    )


def _read_error(path: Path, error: Exception) -> VersionError:
    return VersionError(f"The snapshot of annotations {path} cannot be read: {error}", field=str(path))
