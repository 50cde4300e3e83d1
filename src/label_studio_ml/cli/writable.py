"""Whether a backend can keep what it must keep, asked before it serves."""

import errno
import os
import tempfile
from collections.abc import Collection

from label_studio_ml.errors import SettingsError
from label_studio_ml.folder_problems import folder_problem
from label_studio_ml.settings import Settings

#: A full disk may have room again in a moment; until then the server says so, and answers what it can.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT})
#: Folders in the model folder, with what is kept there.
VERSIONS, SPOOL = "versions", "spool"
_KEPT = {VERSIONS: "Trained versions are kept there", SPOOL: "Events are kept there while Redis is away"}


def require_writable(settings: Settings, *, folders: Collection[str] = (VERSIONS, SPOOL)) -> None:
    """Raise SettingsError where versions, events and state cannot be written: every call would fail.

    `folders` are those in the model folder that must be usable where they are there. A folder that is not there yet is
    not made: the one that it will be made in is tried.
    """
    folder = settings.model_dir
    name = "CACHE_DIR" if settings.store_url else "MODEL_DIR"
    existing = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)
    try:
        # It has a name until it is closed: some shared folders do not remove a file that is open.
        with tempfile.NamedTemporaryFile(dir=existing):
            pass
    except OSError as error:
        if error.errno in _PASSING:
            return
        raise SettingsError(
            f"{folder} cannot be written to: {error.strerror}. Versions, events and state are kept there",
            fix=f"Give this user the right to write there, or name another folder in {name}",
            field=name,
        ) from error
    for inner in folders:
        if inner == VERSIONS and settings.store_url:
            continue
        if problem := folder_problem(folder / inner, write=True):
            raise SettingsError(
                f"{problem.what}. {_KEPT[inner]}",
                fix=f"{problem.fix}. Or name another folder in {name}",
                field=name,
            )
