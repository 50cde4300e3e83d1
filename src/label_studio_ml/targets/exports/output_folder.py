"""The folders and files that exports write: where they are, and how the pictures in them are named."""

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from label_studio_ml.targets.example_types import Example

#: Marks a folder that an export is writing to, or one that was killed.
UNFINISHED = ".unfinished"

#: The longest part of a file's name that comes from a task's id.
_LONGEST_ID = 80


def output_path(given: Path | str | None, workdir: Path | None, name: str, argument: str) -> Path:
    """Return the absolute path of an export: the one given, else `name` in the working folder of the training.

    Raises ValueError if neither is known; `argument` is the name of the argument that gives the path.
    """
    if given is not None:
        return Path(given).expanduser().absolute()
    if workdir is None:
        raise ValueError(
            f"{argument} must be given: only annotations that fit was called with know a folder to write to"
        )
    return workdir.absolute() / name


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a folder for the block that fills it. If the block fails, what it has written is removed.

    While it is filled, it has a file that keeps other exports out. Raises FileExistsError if there is a folder that is
    not empty, or a file.
    """
    existed = path.is_dir()
    if path.exists() and not existed:
        raise _exists(path)
    path.mkdir(parents=True, exist_ok=True)
    mark = path / UNFINISHED
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        raise _exists(path) from None
    if any(entry.name != UNFINISHED for entry in path.iterdir()):
        mark.unlink()
        raise _exists(path)
    try:
        yield path
        mark.unlink()
    except BaseException:
        with suppress(OSError):
            for entry in path.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            if not existed:
                path.rmdir()
        raise


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(f"{path} exists and is not an empty folder: pass another one, or remove it")


def file_stem(example: Example, *, several_annotations: bool) -> str:
    """Return the name of an example's file without its suffix: the id of its task, in characters that are safe.

    The picture's index follows if the object has several, and the annotation's id if a task has several examples.
    """
    stem = _safe(example.task_id) if example.task_id is not None else "task"
    if example.item:
        stem += f"_item{example.item}"
    return f"{stem}_annotation{_safe(example.annotation_id)}" if several_annotations else stem


def _safe(identifier: Any) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(identifier))[:_LONGEST_ID] or "_"


def place_picture(source: str, folder: Path, stem: str, number: int) -> str:
    """Make the picture in the file `source` appear in `folder`; return the name of its file there.

    The file is a hard link if possible, else a copy. If the name is taken, a number that counts from `number` is
    appended.
    """
    suffix = suffix_of(source)
    for candidate in stems(stem, number):
        with suppress(FileExistsError):
            _link(source, folder / f"{candidate}{suffix}")
            return f"{candidate}{suffix}"
    raise AssertionError("stems never ends")


def stems(stem: str, number: int) -> Iterator[str]:
    """Yield names to try until one is free: `stem`, then `stem` with a number."""
    yield stem
    for following in itertools.count(number):
        yield f"{stem}-{following}"


def suffix_of(path: str) -> str:
    """Return the suffix of a picture's file in lower case; by its content if its name has none. Empty if unknown."""
    suffix = Path(path).suffix.lower()
    if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix):
        return suffix
    from PIL import Image

    try:
        with Image.open(path) as image:
            return f".{(image.format or '').lower()}".replace(".jpeg", ".jpg").rstrip(".")
    except (OSError, ValueError):
        return ""


def move_to_new(source: Path, target: Path) -> None:
    """Rename a file. Raises FileExistsError if there is something at `target`, as far as the disk has hard links."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise FileExistsError(f"{target} exists: pass another file, or remove it") from None
    except OSError:
        source.rename(target)


def _link(source: str, target: Path) -> None:
    """Link or copy a file. Raises FileExistsError if there is something at `target`."""
    real = os.path.realpath(source)
    try:
        os.link(real, target)
    except FileExistsError:
        raise
    except OSError:  # another disk, or a file system without links
        with target.open("xb") as copy, Path(real).open("rb") as original:
            shutil.copyfileobj(original, copy)
