"""The database of projects, `projects.db` in the model folder: what Label Studio sent about each one.

It holds the access tokens that `/setup` brought, and is readable by its owner only.
"""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.cache import SqliteCache
from label_studio_ml.storage.small_files import DamagedFile, parse_json

logger = logging.getLogger(__name__)


#: Age in seconds of a file's last write after which a further write is sure to change the file's time.
MTIME_RESOLUTION = 2.0
#: The file in the model folder with the database of projects.
PROJECTS_DB = "projects.db"


class Project(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Label Studio project, as `/setup`, `/predict` and webhooks describe it.

    `uid` is Label Studio's `"<id>.<created_at as a whole number of seconds>"`, unique across servers in practice;
    `hostname` and `access_token` come from `/setup`; `extra_params` is the backend's "extra params" field, parsed to
    any JSON value. `private` lists the private network addresses that the host may have, `*` for any. It is empty if
    the host was named without a login by a caller who may not name private addresses.
    """

    uid: str
    label_config: str = ""
    hostname: str = ""
    access_token: str = ""
    extra_params: Any = None
    title: str = ""
    private: tuple[str, ...] = ()

    @property
    def project_id(self) -> str:
        """The plain project id that Label Studio's pages and API use."""
        return self.uid.partition(".")[0]

    def __repr__(self) -> str:
        """Return the project's uid and host, without its token."""
        return f"Project(uid={self.uid!r}, hostname={self.hostname!r})"


class ProjectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What lists show of a project: its uid, title, Label Studio's address and the token of `/setup`."""

    uid: str
    title: str = ""
    hostname: str = ""
    access_token: str = ""

    def __repr__(self) -> str:
        """Return the project's uid, without its token."""
        return f"ProjectSummary(uid={self.uid!r})"


def changed(project: Project, changes: Mapping[str, Any]) -> Project:
    """Return `project` with `changes` applied; those that are None are ignored."""
    given = {name: value for name, value in changes.items() if value is not None}
    return msgspec.structs.replace(project, **given)


class Projects:
    """The database of projects that this backend has had requests for. Safe to use from several threads and processes.

    Methods raise VersionError if the file cannot be used.
    """

    _KEY = "project"

    def __init__(self, folder: Path) -> None:
        loss = "The data of the other projects comes back with Label Studio's next /setup"
        self._cache = SqliteCache(str(folder), db_name=PROJECTS_DB, loss=loss)
        self._files = (str(self._cache.file), f"{self._cache.file}-wal")

    def get(self, uid: str) -> Project | None:
        """Return the project `uid`, or None if there is no entry of it or a damaged one, which is logged."""
        text = self._cache.get(uid, self._KEY)
        if not text:
            return None
        try:
            return parse_json(text.encode(), Project)
        except DamagedFile as error:
            logger.error(
                "Project %s: its entry in %s is damaged and not used: %s", uid, self._cache.file, error
            )
            return None

    def stamp(self) -> object:
        """Return a value that changes when any process writes to the database or replaces its files.

        None if a file is missing, or was written within the last 2 s: another write could then have the same time.
        """
        try:
            statuses = [os.stat(file) for file in self._files]
        except OSError:
            return None
        if time.time() - max(status.st_mtime for status in statuses) < MTIME_RESOLUTION:
            return None
        return [(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) for status in statuses]

    def put(self, project: Project) -> None:
        """Store `project`, in place of an earlier entry of it."""
        self._cache.set(project.uid, self._KEY, msgspec.json.encode(project).decode())

    def uids(self) -> list[str]:
        """Return the uids of all projects, sorted."""
        return self._cache.projects()

    def summaries(self) -> list[ProjectSummary]:
        """Return summaries of all projects, in no order; their label configs are not read."""
        return self._cache.convert(self._KEY, _summary)

    def delete(self, uid: str) -> None:
        """Delete the entry of `uid`, if there is one."""
        self._cache.delete(uid, self._KEY)

    def update(self, uid: str, **changes: Any) -> Project:
        """Change the entry of `uid` (new if there is none) and return it; changes that are None are ignored."""
        return self.merge(Project(uid=uid), changes)

    def merge(self, default: Project, changes: Mapping[str, Any]) -> Project:
        """Do as `update` does, with `default` as the project to change if the file has no entry of it."""
        stored = self.get(default.uid)
        merged = changed(stored or default, changes)
        if merged != stored:
            self.put(merged)
        return merged


def _summary(uid: str, text: str) -> ProjectSummary:
    """Return the summary in a stored project, whose label config is skipped; an empty one if it is damaged."""
    try:
        return parse_json(text.encode(), ProjectSummary)
    except DamagedFile:
        return ProjectSummary(uid=uid)
