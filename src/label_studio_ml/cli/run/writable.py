"""Check, before a backend serves, that its model folder is writable."""

import errno
import tempfile
from collections.abc import Collection

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.storage.folder_problems import folder_problem, nearest_existing

#: Errors that do not stop the start: a full disk may get free space again, and the server reports it until then.
_TRANSIENT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
#: Folders in the model folder, with the sentence for the error message.
VERSIONS, SPOOL = "versions", "spool"
_CONTENTS = {
    VERSIONS: "Trained versions are stored there",
    SPOOL: "Events are stored there while Redis is unavailable",
}


def require_writable(settings: Settings, *, folders: Collection[str] = (VERSIONS, SPOOL)) -> None:
    """Raise SettingsError if versions, events and state cannot be written, because every call would fail.

    `folders` are the folders in the model folder that must be usable if they exist. A missing model folder is not
    created: its nearest existing parent is tested instead.
    """
    folder = settings.model_dir
    setting = "CACHE_DIR" if settings.store_url else "MODEL_DIR"
    try:
        # A file with a name, because some network file systems cannot remove an open file, as TemporaryFile does.
        with tempfile.NamedTemporaryFile(dir=nearest_existing(folder)):
            pass
    except OSError as error:
        if error.errno in _TRANSIENT_ERRORS:
            return
        problem = folder_problem(folder, write=True)
        fix = problem.fix if problem else "Let this user write there"
        raise SettingsError(
            f"{folder} cannot be written to: {error.strerror}. Versions, events and state are stored there",
            fix=f"{fix}. Or name another folder in {setting}",
            field=setting,
        ) from error
    for subfolder in folders:
        if subfolder == VERSIONS and settings.store_url:
            continue
        if problem := folder_problem(folder / subfolder, write=True):
            raise SettingsError(
                f"{problem.message}. {_CONTENTS[subfolder]}",
                fix=f"{problem.fix}. Or name another folder in {setting}",
                field=setting,
            )
