"""Titles of projects for lists, and the search for a project by title or id."""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.errors import BackendError
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.web.project_registry import ProjectRegistry

#: How many times as long as it took to read the titles of all projects they are kept for searches.
KEPT_TIMES = 20.0
#: The most characters of a title.
MAX_TITLE = 300


class ProjectNames:
    """The titles of projects: of a few from `registry`, which knows what other servers know, of all from `projects`."""

    def __init__(self, registry: ProjectRegistry, projects: Projects) -> None:
        self._registry = registry
        self._projects = projects
        self._lock = threading.Lock()
        self._all: list[dict[str, str]] = []
        self._kept_until = float("-inf")

    async def of(self, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Return the titles of the projects that `entries` name in `project`, by uid, as far as they are known."""
        uids = sorted({str(entry["project"]) for entry in entries})
        projects = await asyncio.gather(*(self._registry.get(uid) for uid in uids))
        return {project.uid: project.title[:MAX_TITLE] for project in projects if project and project.title}

    def search(self, text: str, most: int) -> dict[str, Any]:
        """Return up to `most` projects whose title or id contains `text`, by title, and the number of all of them.

        It reads the database of projects unless that was done a moment ago. Raises VersionError.
        """
        with self._lock:
            began = time.monotonic()
            if began > self._kept_until:
                self._all = [self._entry(uid) for uid in self._projects.uids()]
                self._kept_until = time.monotonic() + KEPT_TIMES * (time.monotonic() - began)
            entries = self._all
        wanted = text.strip().casefold()[:200]
        found = [
            entry
            for entry in entries
            if wanted in entry["title"].casefold() or entry["project_id"].startswith(wanted)
        ]
        found.sort(key=lambda entry: (entry["project_id"] != wanted, entry["title"].casefold()))
        return {"projects": found[:most], "total": len(found)}

    def _entry(self, uid: str) -> dict[str, str]:
        try:
            project = self._projects.get(uid)
        except BackendError:  # one damaged row hides no other project
            project = None
        title = project.title[:MAX_TITLE] if project is not None else ""
        return {"project": uid, "project_id": uid.partition(".")[0], "title": title}
