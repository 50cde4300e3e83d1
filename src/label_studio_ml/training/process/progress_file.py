"""The progress file of a run over single events, for the recovery of a run that broke off.

The training process writes it before each event and after the last one. From the file, a worker commits the results
of the completed events, so that they are not processed again.
"""

import contextlib
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from label_studio_ml.storage import atomic_files

Result = TypeVar("Result")


class Progress(msgspec.Struct, Generic[Result], frozen=True, kw_only=True):
    """The progress of a run: `last` is the id of the last completed event, `current` of the event in progress.

    Both are empty if there is no such event. `parent` is the name of the version that the run started from, `workdir`
    the folder of the new version, `result` the outcome of the completed events.
    """

    job: str
    parent: str
    workdir: str
    last: str
    current: str
    result: Result


def path_for(model_dir: Path, uid: str) -> Path:
    """Return the path of the progress file of a project's run."""
    return model_dir / "runs" / f"{quote(uid, safe='')}.progress"


def write(path: Path, progress: Progress[Any]) -> None:
    """Replace the progress file atomically. Best effort: disk errors are ignored, and the old file stays."""
    data, temporary = msgspec.json.encode(progress), path.with_suffix(".new")
    with contextlib.suppress(OSError):
        atomic_files.replace_file(path, data, temporary=temporary, durable=False)


def read(path: Path, kind: type[Result]) -> Progress[Result] | None:
    """Return the progress in a file, with results of type `kind`; None if the file is missing or unreadable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress[kind])  # type: ignore[valid-type]
    except (OSError, ValueError, RecursionError):
        return None
