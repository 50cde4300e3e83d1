"""The list of projects of a backend: searched and paged without reading the label configs of all of them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from label_studio_ml.dashboard.studio_address import project_url
from label_studio_ml.errors import BackendError
from label_studio_ml.support.texts import whole_number
from label_studio_ml.versions.state.project_state import Projects, ProjectSummary
from label_studio_ml.versions.store.local_store import VersionStore

T = TypeVar("T")

#: Seconds for which the list is reused although the databases may have changed.
REUSE = 1.0


class ListedProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project as it is listed. `forgotten`: only its versions are left. `number` is its id in Label Studio."""

    uid: str
    number: str
    title: str = ""
    hostname: str = ""
    token: bool = False
    forgotten: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is a project of Label Studio that is not forgotten."""
        return not self.forgotten and whole_number(self.number) is not None

    def contains(self, words: str) -> bool:
        """Tell whether title, uid or address contain `words`, which must be case-folded."""
        return any(words in text.casefold() for text in (self.title, self.uid, self.hostname))


@dataclass(frozen=True, slots=True)
class _Read:
    projects: list[ListedProject]
    stamp: object
    at: float


class ProjectList:
    """All projects, from the database of projects, the store, and the descriptions of other servers.

    `titles` returns the titles of projects that other servers have described, by uid. Safe to call from threads.
    """

    def __init__(
        self, projects: Projects, store: VersionStore, titles: Callable[[], dict[str, str]] = dict
    ) -> None:
        self._projects = projects
        self._store = store
        self._titles = titles
        self._lock = threading.Lock()
        self._read: _Read | None = None

    def find(
        self, words: str, *, first: int, size: int, known: bool = False
    ) -> tuple[int, list[ListedProject]]:
        """Return how many projects contain `words`, and `size` of them from number `first` on, by their number.

        With `known`, only those of Label Studio that are not forgotten. Raises VersionError if the database cannot be
        read.
        """
        folded = words.strip().casefold()
        matching = [
            project
            for project in self._all()
            if (not folded or project.contains(folded)) and (project.is_known or not known)
        ]
        return len(matching), matching[first : first + size]

    def get(self, uid: str) -> ListedProject | None:
        """Return the project with this uid, None if there is none."""
        return next((project for project in self._all() if project.uid == uid), None)

    def changed(self) -> None:
        """Read the list again with the next call."""
        with self._lock:
            self._read = None

    def _all(self) -> list[ListedProject]:
        with self._lock:
            stamp = self._projects.stamp()
            read, now = self._read, time.monotonic()
            unchanged = read is not None and stamp is not None and stamp == read.stamp
            if read is not None and now - read.at < (60.0 if unchanged else REUSE):
                return read.projects
            projects = self._from_sources()
            self._read = _Read(projects, stamp, now)
            return projects

    def _from_sources(self) -> list[ListedProject]:
        summaries = {summary.uid: summary for summary in self._projects.summaries()}
        for uid, title in (_optional(self._titles) or {}).items():
            summaries.setdefault(uid, ProjectSummary(uid=uid, title=title))
        listed = [
            ListedProject(
                uid=uid,
                number=uid.partition(".")[0],
                title=summary.title,
                hostname=summary.hostname,
                token=bool(summary.access_token),
            )
            for uid, summary in summaries.items()
        ]
        with_versions = set(_optional(self._store.projects) or []) - set(summaries)
        listed += [
            ListedProject(uid=uid, number=uid.partition(".")[0], forgotten=True) for uid in with_versions
        ]
        return sorted(listed, key=_place)


def _optional(read: Callable[[], T]) -> T | None:
    """Return what `read` returns, None if it cannot be read: the other projects are listed."""
    try:
        return read()
    except BackendError:
        return None


def _place(project: ListedProject) -> tuple[bool, int, str]:
    number = whole_number(project.number)
    return project.forgotten, -1 if number is None else number, project.uid


def studio_links(hostname: str, number: str) -> dict[str, str]:
    """Return addresses of a project's pages in Label Studio; none if its address is not http(s) or has no number."""
    project = project_url(hostname, number)
    if not project:
        return {}
    return {
        "data": f"{project}/data",
        "model": f"{project}/settings/ml",
        "webhooks": f"{project}/settings/webhooks",
        "instructions": f"{project}/settings/labeling",
    }
