"""Keep the newest evaluation report of each version in the version store, where all servers and commands find it.

In a folder: `<model folder>/evaluations/<project uid>/<version id>.json`; in a remote store an object of that name
below its URL. The report of an untrained model has the model's name in place of an id.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.version_files import file_name

if TYPE_CHECKING:
    from label_studio_ml.versions.remote.object_store import ObjectStore

#: Maximum size of a report in bytes.
MAX_REPORT_SIZE = 8 << 20
_FOLDER = "evaluations"
_SUFFIX = ".json"


class EvaluationReports:
    """The reports of the versions in `store`. Methods raise StoreError if a remote store cannot be reached."""

    def __init__(self, store: VersionStore) -> None:
        self._store = store

    def put(self, uid: str, version: str, report: bytes) -> None:
        """Store the report of a version, given by its id, in place of its last one; forget those of deleted versions.

        Raises VersionError if the report is larger than `MAX_REPORT_SIZE` or cannot be written.
        """
        if len(report) > MAX_REPORT_SIZE:
            raise VersionError(
                f"The report is too large to be kept for the dashboard: it has {len(report) >> 20} MiB",
                fix="Read it in the folder of the evaluation",
            )
        artifacts = self._artifacts()
        if artifacts is not None:
            artifacts.put(f"{_project_folder(uid)}/{file_name(version)}{_SUFFIX}", report)
        else:
            self._write(self._path(uid, version), report)
        self._forget_deleted(uid)

    def get(self, uid: str, version: str) -> bytes | None:
        """Return the report of a version, given by its id, None if there is none. Raises VersionError."""
        artifacts = self._artifacts()
        if artifacts is not None:
            return artifacts.get(f"{_project_folder(uid)}/{file_name(version)}{_SUFFIX}")
        path = self._path(uid, version)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise VersionError(f"The report {path} cannot be read: {error.strerror or error}") from error

    def ids(self, uid: str) -> set[str]:
        """Return the ids of the versions of a project that have a report. Raises VersionError."""
        artifacts = self._artifacts()
        if artifacts is not None:
            names = artifacts.names(_project_folder(uid))
        else:
            try:
                names = [path.name for path in self._folder(uid).iterdir()]
            except (FileNotFoundError, NotADirectoryError):
                return set()
            except OSError as error:
                raise VersionError(f"The reports of project {uid} cannot be listed: {error}") from error
        return {unquote(name.removesuffix(_SUFFIX)) for name in names if name.endswith(_SUFFIX)}

    def delete_project(self, uid: str) -> None:
        """Delete all reports of a project. Disk errors are ignored."""
        artifacts = self._artifacts()
        if artifacts is not None:
            folder = _project_folder(uid)
            artifacts.delete([f"{folder}/{name}" for name in artifacts.names(folder)])
        else:
            shutil.rmtree(self._folder(uid), ignore_errors=True)

    def _forget_deleted(self, uid: str) -> None:
        kept = {version.id for version in self._store.versions(uid)}
        deleted = {version.id for version in self._store.history(uid)} - kept
        artifacts = self._artifacts()
        for version in deleted & self.ids(uid):
            if artifacts is not None:
                artifacts.delete([f"{_project_folder(uid)}/{file_name(version)}{_SUFFIX}"])
            else:
                self._path(uid, version).unlink(missing_ok=True)

    def _write(self, path: Path, report: bytes) -> None:
        try:
            make_folder(path.parent)
            atomic_files.replace_file(path, report)
        except OSError as error:
            raise VersionError(
                f"The report {path} cannot be written: {error}", fix=disk_fix(error, path.parent)
            ) from error

    def _artifacts(self) -> "ObjectStore | None":
        """Return the remote store, None if the versions are in a folder."""
        if not self._store.source.is_remote:
            return None
        from label_studio_ml.versions.remote.remote_store import RemoteStore

        assert isinstance(self._store, RemoteStore)
        return self._store.artifacts

    def _folder(self, uid: str) -> Path:
        return self._store.folder(uid).parent.with_name(_FOLDER) / file_name(uid)

    def _path(self, uid: str, version: str) -> Path:
        return self._folder(uid) / f"{file_name(version)}{_SUFFIX}"


def delete_versions(store: VersionStore, uid: str) -> None:
    """Delete all versions of a project, and their reports. Raises VersionError."""
    store.delete_project(uid)
    EvaluationReports(store).delete_project(uid)


def _project_folder(uid: str) -> str:
    return f"{_FOLDER}/{file_name(uid)}"
