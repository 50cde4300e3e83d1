"""The folders of projects below `versions`: find, lock and clear them, and report those that cannot be read.

A folder that cannot be read must not be taken for one without versions: the untrained model would be served in place of
the trained one. A file or a dangling link with a project's name counts as a folder that cannot be read.
"""

import contextlib
import logging
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from label_studio_ml.errors import DecisionError, VersionError
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.disk_errors import disk_fix
from label_studio_ml.storage.folder_problems import FolderProblem, folder_problem
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.storage.small_files import DamagedFile, read_text
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE

logger = logging.getLogger(__name__)

_HINT = "changed"
_LOCK = ".lock"
_STAGED_PREFIX = ".copy-"


class ProjectFolders:
    """The folders of all projects below `root`. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._logged: dict[str, str] = {}

    def path(self, uid: str) -> Path:
        """Return the path of the folder with a project's versions, which need not exist."""
        return self._root / version_files.file_name(uid)

    def uids(self) -> list[str]:
        """Return the sorted uids of the projects that have a folder below `root`, or a file or link in its place.

        Raises DecisionError if `root` cannot be read.
        """
        if problem := folder_problem(self._root):
            raise _unreadable("The versions", problem)
        if not self._root.is_dir():
            return []
        return sorted(unquote(path.name) for path in self._root.iterdir() if _is_project(path))

    def check(self, uid: str) -> None:
        """Raise DecisionError if a project's folder exists and cannot be read; log the problem if it is new."""
        problem = folder_problem(self._root) or folder_problem(self.path(uid))
        if problem is None:
            if self._logged.pop(uid, ""):
                logger.info("Project %s: the folder of its versions can be read again", uid)
            return
        error = _unreadable(f"The versions of project {uid}", problem)
        if self._logged.get(uid) != problem.message:
            self._logged[uid] = problem.message
            logger.error("%s", error)
        raise error

    def exists(self, uid: str) -> bool:
        """Tell whether a project has a folder. Raises DecisionError if the folder exists and cannot be read."""
        self.check(uid)
        return self.path(uid).is_dir()

    def is_usable(self, uid: str) -> bool:
        """Tell whether a project's folder can be read or does not exist; log a problem if it is new."""
        try:
            self.check(uid)
        except DecisionError:
            return False
        return True

    def versions(self, uid: str, *, staged: bool = False) -> list[Path]:
        """Return the folders of a project's versions, committed or not; with `staged`, also copies in progress.

        Raises VersionError if the project's folder cannot be read.
        """
        try:
            folders = [path for path in self.path(uid).iterdir() if path.is_dir()]
        except OSError as error:
            self.check(uid)
            if isinstance(error, FileNotFoundError):
                return []
            raise VersionError(f"The versions of project {uid} cannot be read: {error}") from error
        return [path for path in folders if staged or not path.name.startswith(_STAGED_PREFIX)]

    def create(self, uid: str, version_id: str) -> Path:
        """Create the folder of a new version, and return it. Raises VersionError if the disk refuses."""
        folder = self.path(uid) / version_files.file_name(version_id)
        try:
            make_folder(folder.parent)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise VersionError(
                f"The folder of a new version cannot be made: {error}", fix=disk_fix(error, self._root)
            ) from error
        return folder

    def write_hint(self, uid: str) -> None:
        """Change a project's hint, so that pollers read the project again. Disk errors are ignored."""
        path = self.path(uid) / _HINT
        try:
            atomic_files.replace_file(path, secrets.token_hex(8))
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def read_hint(self, uid: str) -> str | None:
        """Return a project's hint, empty before the first change; None if it cannot be read now."""
        hint = None
        with contextlib.suppress(OSError, DamagedFile):
            hint = read_text(self.path(uid) / _HINT) or ""
        return hint if hint or self.is_usable(uid) else None

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the folder of a version that was not committed, or the files of one that was deleted."""
        folder = self.path(uid) / version_files.file_name(version_id)
        with contextlib.suppress(OSError):  # an unreadable folder stays: it may be a committed version
            names = {path.name for path in folder.iterdir()}
            if TOMBSTONE in names:
                version_files.clear_folder(folder, keep=TOMBSTONE)
            elif MANIFEST not in names:
                shutil.rmtree(folder, ignore_errors=True)

    def clear_unfinished(self, uid: str) -> None:
        """Remove the files of versions that were never committed or were deleted; copies in progress stay."""
        for path in self.versions(uid, staged=True):
            if path.name.startswith(_STAGED_PREFIX):
                lock = path.with_name(f"{path.name}{_LOCK}")
                if not file_locks.is_locked(lock):
                    shutil.rmtree(path, ignore_errors=True)
                    lock.unlink(missing_ok=True)
            else:
                self.discard(uid, unquote(path.name))

    @contextlib.contextmanager
    def locked(self, uid: str) -> Iterator[None]:
        """Hold the lock on the set of a project's versions and on its decision. Raises VersionError."""
        if not self.exists(uid):
            yield  # there is nothing to change
            return
        with contextlib.ExitStack() as stack:
            with self.writes(f"The lock of project {uid}'s versions"):
                stack.enter_context(file_locks.locked(self.path(uid) / _LOCK))
            yield

    @contextlib.contextmanager
    def staged(self, uid: str, version_id: str) -> Iterator[Path]:
        """Yield a path for a folder that is later renamed to a version's folder; a folder still there is removed."""
        base = self.path(uid)
        make_folder(base)
        path = base / f"{_STAGED_PREFIX}{version_files.file_name(version_id)}"
        lock = path.with_name(f"{path.name}{_LOCK}")
        with file_locks.locked(lock):
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
                lock.unlink(missing_ok=True)

    @contextlib.contextmanager
    def writes(self, subject: str) -> Iterator[None]:
        """Translate disk errors in this block into VersionError; `subject` begins the message."""
        try:
            yield
        except (OSError, shutil.Error) as error:
            fix = disk_fix(error, self._root)
            raise VersionError(f"{subject} cannot be written: {error}", fix=fix) from error

    def problems(self) -> list[str]:
        """Return one line for each folder that cannot be read, with the cause."""
        try:
            uids = self.uids()
        except DecisionError as error:
            return [str(error)]
        problems = ((uid, folder_problem(self.path(uid))) for uid in uids)
        return [
            str(_unreadable(f"The versions of project {uid}", problem))
            for uid, problem in problems
            if problem
        ]


def _is_project(path: Path) -> bool:
    """Tell whether a path is a folder, or a file or dangling link that is named like a project.

    The name of a project's folder begins with a digit, that of the project's number in Label Studio.
    """
    return path.is_dir() or "0" <= path.name[0] <= "9"


def _unreadable(subject: str, problem: FolderProblem) -> DecisionError:
    return DecisionError(
        f"{subject} in MODEL_DIR cannot be read: {problem.message}", fix=problem.fix, field="MODEL_DIR"
    )
