"""Find the folders of projects below `versions`, and report those that exist and cannot be read.

A folder that cannot be read must not count as one without versions: the untrained model would be served in place of
the trained one. A file or a dangling link with a project's name counts as a folder that cannot be read.
"""

import logging
from pathlib import Path
from urllib.parse import unquote

from label_studio_ml.errors import DecisionError
from label_studio_ml.storage.folder_problems import FolderProblem, folder_problem
from label_studio_ml.versions.store import version_files

logger = logging.getLogger(__name__)


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
        if self._logged.get(uid) != problem.what:
            self._logged[uid] = problem.what
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

    def problems(self) -> list[str]:
        """Return one line for each folder that cannot be read, with the cause."""
        try:
            uids = self.uids()
        except DecisionError as error:
            return [str(error)]
        found = ((uid, folder_problem(self.path(uid))) for uid in uids)
        return [str(_unreadable(f"The versions of project {uid}", bad)) for uid, bad in found if bad]


def _is_project(path: Path) -> bool:
    """Tell whether a path is a folder, or a file or dangling link that is named like a project.

    The name of a project's folder begins with a digit, that of the project's number in Label Studio.
    """
    return path.is_dir() or "0" <= path.name[0] <= "9"


def _unreadable(subject: str, problem: FolderProblem) -> DecisionError:
    return DecisionError(
        f"{subject} in MODEL_DIR cannot be read: {problem.what}", fix=problem.fix, field="MODEL_DIR"
    )
