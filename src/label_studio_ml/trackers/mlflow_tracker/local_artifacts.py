"""Limit the files of runs that MLflow keeps in the backend's folder: nobody else removes them."""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: The newest runs of a project whose files stay, whether or not their versions exist.
KEPT_RUNS = 5


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in MLflow: the URI of its files, and the name of its version, empty if it made none."""

    artifact_uri: str
    version: str


def remove_old_files(runs: Sequence[StoredRun], versions: Collection[str], folder: Path) -> None:
    """Remove the files of runs of one project, newest first, whose version does not exist any more.

    The files of the first KEPT_RUNS runs stay, and files that are not below `folder`. Raises OSError.
    """
    for run in runs[KEPT_RUNS:]:
        path = Path(unquote(urlsplit(run.artifact_uri).path))
        if run.version in versions or folder not in path.parents or ".." in path.parts:
            continue
        if path.is_dir():
            shutil.rmtree(path)
