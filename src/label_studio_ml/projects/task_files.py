"""Task files: read tasks from a JSON array or JSONL (one task per line), and write them with their predictions."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from label_studio_ml.errors import SettingsError
from label_studio_ml.projects.pipeline import Predicted, Task
from label_studio_ml.storage import atomic_files
from label_studio_ml.support.lone_surrogates import replaced

_LINES = (".jsonl", ".ndjson")


def read_tasks(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a file. An object without `data` is taken for a task's data, as in Label Studio's import.

    Raises SettingsError when the file cannot be read or holds anything else.
    """
    try:
        if path.suffix.lower() in _LINES:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _task(_decode(line, f"{path}, line {number}"), f"{path}, line {number}")
            return
        values = _decode(path.read_bytes(), str(path))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", field="--input") from None
    if not isinstance(values, list):
        raise SettingsError(f"{path} must hold an array of tasks", field="--input")
    for number, value in enumerate(values):
        yield _task(value, f"{path}, task {number}")


def _decode(text: bytes, location: str) -> Any:
    try:
        return msgspec.json.decode(replaced(text))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{location} is not JSON: {error}", field="--input") from None


def _task(value: Any, location: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{location} is not an object", field="--input")
    return value if isinstance(value.get("data"), dict) else {"data": value}


class FileWriter:
    """Writes tasks with their predictions in order, and continues a file that a killed run left.

    Lines go to `path.part` first; `finish` turns it into `path`. A part of another version is discarded. `done` is
    the number of tasks that an earlier run has written.
    """

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._version_path = path.with_name(f"{path.name}.part.version")
        self.done = 0
        if self._part.exists() and self._version_path.exists() and self._version_path.read_text() == version:
            self.done = self._whole_lines()
        else:
            self._part.unlink(missing_ok=True)
            self._version_path.write_text(version)
        self._file: IO[bytes] = self._part.open("ab")

    def remaining(self, tasks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Return the tasks that are not written yet."""
        return islice(tasks, self.done, None)

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Write tasks with their predictions (an empty list after an error); return how many have one."""
        for task, outcome in predicted:
            self._file.write(_line(task, outcome.predictions))
        self._file.flush()
        return sum(not outcome.error for _, outcome in predicted)

    def finish(self) -> None:
        """Replace the output file with the finished one."""
        self._file.close()
        if self._path.suffix.lower() in _LINES:
            self._part.replace(self._path)
        else:
            self._write_array()
            self._part.unlink()
        self._version_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part; the next run continues it."""
        self._file.close()

    def _whole_lines(self) -> int:
        """Cut off an incomplete last line; return the number of complete lines."""
        count = end = 0
        with self._part.open("rb+") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                count, end = count + 1, end + len(line)
            file.truncate(end)
        return count

    def _write_array(self) -> None:
        array = self._part.with_suffix(".array")
        with (
            self._part.open("rb") as lines,
            atomic_files.replacing(self._path, temporary=array, mode=0o666, durable=False) as out,
        ):
            out.write(b"[")
            for number, line in enumerate(lines):
                out.write((b",\n" if number else b"\n") + line.rstrip())
            out.write(b"\n]\n")


def _line(task: Task, predictions: list[dict[str, Any]]) -> bytes:
    return json.dumps({**task, "predictions": predictions}, ensure_ascii=False).encode() + b"\n"
