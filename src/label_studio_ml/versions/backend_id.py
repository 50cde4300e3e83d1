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

NAME = "backend.json"

#: Seconds between writing and reading an id, in a store that lets a second machine replace it.
SETTLE = 1.0
#: Seconds for which readers may see a half-written id in a store: on a disk without hard links.
WRITING = 2.0
#: Error numbers of a folder that this process may only read.
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class _DamagedIdentity(VersionError):
    """A file or an object holds no id: it is damaged, or half written."""


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
            return _in_store(settings.store_url, settings.model_dir / NAME)
        return _in_folder(settings.model_dir.resolve())
    except OSError as error:
        raise VersionError(
            f"The backend's id cannot be kept in {settings.model_dir / NAME}: {error}",
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
        found = parse_json(body, Identity)
    except DamagedFile as error:
        raise _DamagedIdentity(
            f"{place} cannot be read: {error}",
            fix='It holds the backend\'s id as {"id": "…"}; remove it to have a new one made',
        ) from None
    if not found.id.isalnum():
        raise _DamagedIdentity(
            f"{place} holds no id of letters and digits", fix="Remove it to have a new one made"
        )
    return found


def _encoded(identity: Identity) -> str:
    return msgspec.json.encode(identity).decode()


# In a folder


def _in_folder(folder: Path) -> str:
    path = folder / NAME
    known: Identity | None = None
    with contextlib.suppress(VersionError):  # it may be half written, and is read again under the lock
        known = _read(path)
    if known is not None and known.place == str(folder):
        return known.id
    try:
        with file_locks.locked(folder / f".{NAME}.lock"):
            known = _read(path)
            if known is None:
                return _made(path, Identity(_new_id(), str(folder)))
            return _here(known, path)
    except OSError as error:
        if known is not None and error.errno in _READ_ONLY:  # the id that was read stays valid
            return known.id
        raise


def _here(known: Identity, path: Path) -> str:
    """Return the id of a folder whose `known` id names another place: a moved folder keeps it, a copy does not."""
    place = str(path.parent)
    if known.place == place:
        return known.id
    if _is_copy(known, path):
        made = Identity(_new_id(), place)
        logger.warning(
            "%s is a copy of %s, which is there still: it is a backend of its own from now on",
            place,
            known.place,
        )
        atomic_files.replace_file(path, _encoded(made))
        return made.id
    if not _same_folder(known.place, path):
        atomic_files.replace_file(path, _encoded(Identity(known.id, place)))
    return known.id


def _is_copy(known: Identity, path: Path) -> bool:
    if not known.place or _same_folder(known.place, path):
        return False
    with contextlib.suppress(OSError, VersionError):
        other = _read(Path(known.place) / NAME)
        return other is not None and other.id == known.id
    return False


def _same_folder(place: str, path: Path) -> bool:
    """Tell whether the folder `place` has the same id file as `path`, so that both are names of one folder."""
    with contextlib.suppress(OSError):
        return bool(place) and os.path.samefile(Path(place) / NAME, path)
    return False


def _made(path: Path, identity: Identity) -> str:
    """Write a new id and return the id in force: machines that do this at the same time all return the same one."""
    try:
        atomic_files.create_file(path, _encoded(identity))
    except FileExistsError:
        known = _read(path)
        return known.id if known is not None else _made(path, identity)
    return identity.id


# In a store


def _in_store(url: str, copy: Path) -> str:
    """Return the id in a store; the first machine creates it. `copy` is the file with this machine's copy.

    A backend whose versions were kept in its folder so far keeps the id of the folder, and so its queue.
    """
    near = _read(copy)
    if near is not None and near.place == url:
        return near.id
    artifacts = ObjectStore(url)
    if artifacts.get(NAME) is None:
        try:
            was_in_folder = near is not None and near.place == str(copy.parent.resolve())
            made = Identity(near.id if near is not None and was_in_folder else _new_id(), url)
            artifacts.put(NAME, _encoded(made).encode(), create=True)
            artifacts.put(NAME, _encoded(made).encode(), create=True)
            time.sleep(SETTLE)  # the store took a second write: another machine may have replaced the id
        except FileExistsError:
            pass
    found = _whole(artifacts, f"{url}/{NAME}")
    atomic_files.replace_file(copy, _encoded(Identity(found.id, url)))
    return found.id


def _whole(artifacts: ObjectStore, place: str) -> Identity:
    """Return the id in a store, waiting up to 2 s for another machine that is writing it.

    Raises VersionError if it is missing or still damaged then.
    """

    def read() -> Identity:
        body = artifacts.get(NAME)
        if body is None:
            raise VersionError(f"{place} is gone as soon as it is written", fix="Check MODEL_DIR's store")
        return _decoded(body, place)

    return retry(read, on=_DamagedIdentity, seconds=WRITING, first=0.05)
