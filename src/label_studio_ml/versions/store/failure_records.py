"""Records of versions that failed to load, for other processes to skip them: a file `<version id>.failed` for each."""

import contextlib
from pathlib import Path
from urllib.parse import unquote

from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.small_files import DamagedFile, read_text
from label_studio_ml.versions.store.version_files import exists, file_name

FAILED = ".failed"


def failure_record(folder: Path, version_id: str) -> Path:
    """Return the path of the record of a version's failure; `folder` is that of its project."""
    return folder / f"{file_name(version_id)}{FAILED}"


def write_failure(record: Path, cause: str) -> None:
    """Write a record. Best effort: disk errors are ignored."""
    with contextlib.suppress(OSError):
        atomic_files.replace_file(record, cause)


def read_failures(folder: Path) -> dict[str, str]:
    """Return, by id, why versions of the project in `folder` failed to load."""
    failures: dict[str, str] = {}
    for record in folder.glob(f"*{FAILED}") if exists(folder) else ():
        try:
            cause = read_text(record)
        except (OSError, DamagedFile) as error:
            cause = f"it failed to load; the cause cannot be read: {error}"
        if cause is not None:
            failures[unquote(record.name.removesuffix(FAILED))] = cause
    return failures
