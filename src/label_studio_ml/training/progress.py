"""How far a run over single events got: written by the child before each one, read by a worker when the run broke off.

What `fit` set for the events before counts, so that they need not go through it again.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

Result = TypeVar("Result")


class Progress(msgspec.Struct, Generic[Result], frozen=True, kw_only=True):
    """`last` is the id of the last event that is through, `current` of the one that `fit` has; empty: none.

    `parent` is the version that the run began from, `workdir` the folder of the new one, `result` what came of the
    events that are through.
    """

    job: str
    parent: str
    workdir: str
    last: str
    current: str
    result: Result


def place(model_dir: Path, uid: str) -> Path:
    """Return the file of a project's run."""
    return model_dir / "runs" / f"{quote(uid, safe='')}.progress"


def write(path: Path, progress: Progress[Any]) -> None:
    """Write it in full or not at all. A disk that is full costs only the progress."""
    temporary = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(progress))
        temporary.replace(path)


def read(path: Path, kind: type[Result]) -> Progress[Result] | None:
    """Return what was written, None if nothing was or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress[kind])  # type: ignore[valid-type]
    except (OSError, ValueError, RecursionError):
        return None
