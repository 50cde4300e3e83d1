"""Keep each project's decision on the disk: in `served.json`, and in a copy that is written first.

A decision that cannot be read must not be taken for no decision: the newest version would be served, which may be the
one that a person rejected. The copy is used instead, else the decision that this process read last, else reading
raises DecisionError.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from label_studio_ml.errors import DecisionError
from label_studio_ml.storage.small_files import DamagedFile, read_json
from label_studio_ml.versions.store.decision import Decision

logger = logging.getLogger(__name__)

DECISION = "served.json"
COPY = "served.json.copy"

#: Advice in messages about a lost decision.
PROMOTE_ADVICE = "Choose the version to serve: label-studio-ml promote DIR VERSION --project ID"


class DecisionFiles:
    """Reads and writes decisions; `folder` maps a uid to the project's folder. Safe to use from several threads."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._last: dict[str, Decision] = {}
        #: By project: the decision that its copy is known to hold.
        self._copied: dict[str, Decision] = {}
        #: By project: what was wrong with the files of its decision at the last read; only projects with a problem.
        self.problems: dict[str, str] = {}

    def read(self, uid: str) -> Decision | None:
        """Return the decision about a project's versions, None if there is none.

        Raises DecisionError if it cannot be read and this process has not read it before.
        """
        path = self._folder(uid) / DECISION
        decision, problem = _read_file(path)
        if decision is not None:
            self._record_problem(uid, "", logging.INFO)
            self._last[uid] = decision
            self._update_copy(uid, decision)
            return decision
        copy, copy_problem = _read_file(path.with_name(COPY))
        last = self._last.get(uid)
        if copy is not None and (last is None or last == copy or copy.is_later_than(last)):
            text = f"{path} {problem or 'is missing'}: its copy is used, by which {copy.version} was promoted"
            self._record_problem(
                uid, f"{text}. The next promote or rollback writes the file again", logging.WARNING
            )
            self._last[uid] = copy
            return copy
        if copy is None and not problem and not copy_problem:
            self._record_problem(uid, "", logging.INFO)
            self._last.pop(uid, None)
            return None
        problem = problem or f"is missing, and its copy {copy_problem or 'is an earlier one'}"
        text = f"Which version project {uid} is to be served cannot be read: {path} {problem}"
        if last is None:
            self._record_problem(uid, f"{text}. {PROMOTE_ADVICE}", logging.ERROR)
            raise DecisionError(text, fix=PROMOTE_ADVICE, field=DECISION)
        self._record_problem(
            uid, f"{text}. The decision that was read last stays in force. {PROMOTE_ADVICE}", logging.ERROR
        )
        return last

    def write(self, uid: str, decision: Decision) -> None:
        """Replace a project's decision atomically, its copy first. Raises OSError; then the old decision stays."""
        folder = self._folder(uid)
        for name in (COPY, DECISION):
            _rename_folder(folder / name)
        decision.write(folder / COPY)
        decision.write(folder / DECISION)
        self._last[uid] = self._copied[uid] = decision
        self._record_problem(uid, "", logging.INFO)

    def forget(self, uid: str) -> None:
        """Delete a project's decision and its copy. A folder with the name of either is renamed. Raises OSError."""
        for name in (COPY, DECISION):
            _rename_folder(self._folder(uid) / name)
            (self._folder(uid) / name).unlink(missing_ok=True)
        self._last.pop(uid, None)
        self._copied.pop(uid, None)
        self.problems.pop(uid, None)

    def _update_copy(self, uid: str, decision: Decision) -> None:
        """Write `decision` to the copy if that differs: earlier releases do not update it. Disk errors are ignored."""
        if self._copied.get(uid) != decision:
            path = self._folder(uid) / COPY
            with contextlib.suppress(OSError):
                if _read_file(path)[0] != decision:
                    _rename_folder(path)
                    decision.write(path)
                self._copied[uid] = decision

    def _record_problem(self, uid: str, problem: str, level: int) -> None:
        """Record the problem with a project's decision (empty: none), and log it if it is new."""
        previous = self.problems.pop(uid, "")
        if problem:
            self.problems[uid] = problem
        if problem and problem != previous:
            logger.log(level, "%s", problem)
        elif previous and not problem:
            logger.info("Project %s: the decision about its versions can be read again", uid)


def _rename_folder(path: Path) -> None:
    """Rename a folder that has the name of a decision's file. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.damaged-{os.urandom(4).hex()}"))


def _read_file(path: Path) -> tuple[Decision | None, str]:
    """Return the decision in a file, and what is wrong with the file: (None, "") if there is no such file."""
    try:
        return read_json(path, Decision), ""
    except DamagedFile as error:
        return None, f"cannot be used: {error}"
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
