"""Keep each project's decision on the disk: in `served.json`, and in a copy that is written first.

A decision that cannot be read must not count as none: the newest version would be served, which may be the one that a
person rejected. The copy is used instead, else the decision that this process read last, else reading raises.
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
PROMOTE = "Say which version to serve: label-studio-ml promote DIR VERSION --project ID"


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
        found, wrong = _try(path)
        if found is not None:
            self._note(uid, "", logging.INFO)
            self._last[uid] = found
            self._copy(uid, found)
            return found
        copy, also_wrong = _try(path.with_name(COPY))
        last = self._last.get(uid)
        if copy is not None and (last is None or last == copy or copy.later(last)):
            text = f"{path} {wrong or 'is missing'}: its copy is used, by which {copy.version} was promoted"
            self._note(uid, f"{text}. The next promote or rollback writes it anew", logging.WARNING)
            self._last[uid] = copy
            return copy
        if copy is None and not wrong and not also_wrong:
            self._note(uid, "", logging.INFO)
            self._last.pop(uid, None)
            return None
        wrong = wrong or f"is missing, and its copy {also_wrong or 'is an earlier one'}"
        text = f"Which version project {uid} is to be served cannot be read: {path} {wrong}"
        if last is None:
            self._note(uid, f"{text}. {PROMOTE}", logging.ERROR)
            raise DecisionError(text, fix=PROMOTE, field=DECISION)
        self._note(uid, f"{text}. What was read before it holds on. {PROMOTE}", logging.ERROR)
        return last

    def write(self, uid: str, decision: Decision) -> None:
        """Replace a project's decision atomically, its copy first. Raises OSError; then the old decision stays."""
        folder = self._folder(uid)
        for name in (COPY, DECISION):
            _clear_way(folder / name)
        decision.write(folder / COPY)
        decision.write(folder / DECISION)
        self._last[uid] = self._copied[uid] = decision
        self._note(uid, "", logging.INFO)

    def forget(self, uid: str) -> None:
        """Delete a project's decision and its copy. A folder with the name of either is renamed. Raises OSError."""
        for name in (COPY, DECISION):
            _clear_way(self._folder(uid) / name)
            (self._folder(uid) / name).unlink(missing_ok=True)
        self._last.pop(uid, None)
        self._copied.pop(uid, None)
        self.problems.pop(uid, None)

    def _copy(self, uid: str, decision: Decision) -> None:
        """Write `decision` to the copy if that differs: earlier releases do not update it. Disk errors are ignored."""
        if self._copied.get(uid) != decision:
            path = self._folder(uid) / COPY
            with contextlib.suppress(OSError):
                if _try(path)[0] != decision:
                    _clear_way(path)
                    decision.write(path)
                self._copied[uid] = decision

    def _note(self, uid: str, problem: str, level: int) -> None:
        """Record the problem with a project's decision (empty: none), and log it if it is new."""
        before = self.problems.pop(uid, "")
        if problem:
            self.problems[uid] = problem
        if problem and problem != before:
            logger.log(level, "%s", problem)
        elif before and not problem:
            logger.info("Project %s: what was decided about its versions can be read again", uid)


def _clear_way(path: Path) -> None:
    """Rename a folder that has the name of a decision's file. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.damaged-{os.urandom(4).hex()}"))


def _try(path: Path) -> tuple[Decision | None, str]:
    """Return the decision in a file, and what is wrong with the file: (None, "") if there is no such file."""
    try:
        return read_json(path, Decision), ""
    except DamagedFile as error:
        return None, f"cannot be used: {error}"
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
