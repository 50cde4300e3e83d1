"""The backend's id, which all servers and workers of one MODEL_DIR share.

The id is created once. In a folder it is kept in the file `backend.json`, in a remote store in the object of that name.
Each machine keeps a copy of that object in its `CACHE_DIR`, and so knows its id while the store is unreachable.
"""

import contextlib
import errno
import logging
import os
import secrets
import time
from pathlib import Path

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.storage.retries import retry
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.versions.remote.object_store import ObjectStore

logger = logging.getLogger(__name__)

ID_FILE = "backend.json"

#: Seconds to wait before a new id is read back, in a store where another machine may have replaced it.
CONFIRM_DELAY = 1.0
#: Seconds to wait for another machine that is writing the id: on a disk without hard links, readers see half of it.
WRITE_TIMEOUT = 2.0
#: Error numbers of a folder that this process may only read.
_READ_ONLY_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS)


class _DamagedIdentity(VersionError):
    """A file or an object holds no id: it is damaged, or half written."""

    code = "LSML-E540"


class Identity(msgspec.Struct, frozen=True):
    """A backend's id, and `place`: the folder or URL for which the id was created."""

    id: str
    place: str = ""


def backend_id(settings: Settings) -> str:
    """Return the backend's id; create it if there is none yet.

    A folder that is a copy of another one on this machine gets an id of its own. Raises VersionError if the folder
    cannot be read or written, SettingsError or StoreError if the store cannot be used.
    """
    try:
        make_folder(settings.model_dir)
        if settings.store_url:
            return _in_store(settings.store_url, settings.model_dir / ID_FILE)
        return _in_folder(settings.model_dir.resolve())
    except OSError as error:
        raise VersionError(
            f"The backend's id cannot be stored in {settings.model_dir / ID_FILE}: {error}",
            fix=disk_fix(error, settings.model_dir),
        ) from error


def _new_id() -> str:
    return secrets.token_hex(6)


def _read(path: Path) -> Identity | None:
    try:
        return _decoded(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None


def _decoded(body: bytes, place: str) -> Identity:
    try:
        identity = parse_json(body, Identity)
    except DamagedFile as error:
        raise _DamagedIdentity(
            f"{place} cannot be read: {error}",
            fix='It holds the backend\'s id as {"id": "…"}; remove it, and a new one is created',
        ) from None
    if not identity.id.isalnum():
        raise _DamagedIdentity(
            f"{place} holds no id of letters and digits", fix="Remove it, and a new one is created"
        )
    return identity


def _encoded(identity: Identity) -> str:
    return msgspec.json.encode(identity).decode()


# In a folder


def _in_folder(folder: Path) -> str:
    path = folder / ID_FILE
    identity: Identity | None = None
    with contextlib.suppress(VersionError):  # it may be half written, and is read again under the lock
        identity = _read(path)
    if identity is not None and identity.place == str(folder):
        return identity.id
    try:
        with file_locks.locked(folder / f".{ID_FILE}.lock"):
            identity = _read(path)
            if identity is None:
                return _create(path, Identity(_new_id(), str(folder)))
            return _folder_id(identity, path)
    except OSError as error:
        if identity is not None and error.errno in _READ_ONLY_ERRORS:  # the id that was read stays valid
            return identity.id
        raise


def _folder_id(identity: Identity, path: Path) -> str:
    """Return the id of a folder with this `identity`: a folder that was moved keeps its id, a copy gets a new one."""
    place = str(path.parent)
    if identity.place == place:
        return identity.id
    if _is_copy(identity, path):
        new_identity = Identity(_new_id(), place)
        logger.warning(
            "%s is a copy of %s, which still exists: it gets an id of its own",
            place,
            identity.place,
        )
        atomic_files.replace_file(path, _encoded(new_identity))
        return new_identity.id
    if not _same_folder(identity.place, path):
        atomic_files.replace_file(path, _encoded(Identity(identity.id, place)))
    return identity.id


def _is_copy(identity: Identity, path: Path) -> bool:
    if not identity.place or _same_folder(identity.place, path):
        return False
    with contextlib.suppress(OSError, VersionError):
        other = _read(Path(identity.place) / ID_FILE)
        return other is not None and other.id == identity.id
    return False


def _same_folder(place: str, path: Path) -> bool:
    """Tell whether the folder `place` has the same id file as `path`, so that both are names of one folder."""
    with contextlib.suppress(OSError):
        return bool(place) and os.path.samefile(Path(place) / ID_FILE, path)
    return False


def _create(path: Path, identity: Identity) -> str:
    """Write a new id and return the id in force: machines that do this at the same time all return the same one."""
    try:
        atomic_files.create_file(path, _encoded(identity))
    except FileExistsError:
        existing = _read(path)
        return existing.id if existing is not None else _create(path, identity)
    return identity.id


# In a store


def _in_store(url: str, copy: Path) -> str:
    """Return the id in a store; the first machine creates it. `copy` is the file with this machine's copy.

    A backend whose versions were kept in its folder so far keeps the id of the folder, and so its queue.
    """
    local = _read(copy)
    if local is not None and local.place == url:
        return local.id
    artifacts = ObjectStore(url)
    if artifacts.get(ID_FILE) is None:
        try:
            was_in_folder = local is not None and local.place == str(copy.parent.resolve())
            new_identity = Identity(local.id if local is not None and was_in_folder else _new_id(), url)
            artifacts.put(ID_FILE, _encoded(new_identity).encode(), create=True)
            artifacts.put(ID_FILE, _encoded(new_identity).encode(), create=True)
            # The store allowed a second write, so another machine may replace the id.
            time.sleep(CONFIRM_DELAY)
        except FileExistsError:
            pass
    identity = _read_object(artifacts, f"{url}/{ID_FILE}")
    atomic_files.replace_file(copy, _encoded(Identity(identity.id, url)))
    return identity.id


def _read_object(artifacts: ObjectStore, place: str) -> Identity:
    """Return the id in a store, waiting up to 2 s for another machine that is writing it.

    Raises VersionError if it is missing or still damaged then.
    """

    def read() -> Identity:
        body = artifacts.get(ID_FILE)
        if body is None:
            raise VersionError(
                f"{place} cannot be read after it was written", fix="Check the store that MODEL_DIR names"
            )
        return _decoded(body, place)

    return retry(read, on=_DamagedIdentity, seconds=WRITE_TIMEOUT, first=0.05)
