"""Titles of projects for lists, and the search for a project by title or id."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.web.project_registry import ProjectRegistry

#: Seconds for which the titles of all projects are kept for searches.
SEARCH_CACHE = 10.0


class ProjectNames:
    """The titles of the projects in `projects`."""

    def __init__(self, projects: ProjectRegistry) -> None:
        self._projects = projects
        self._all: list[dict[str, str]] = []
        self._read_at = float("-inf")

    async def of(self, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Return the titles of the projects that `entries` name in `project`, by uid, as far as they are known."""
        titles = {}
        for uid in {str(entry["project"]) for entry in entries}:
            project = await self._projects.get(uid)
            if project is not None and project.title:
                titles[uid] = project.title[:300]
        return titles

    async def search(self, text: str, most: int) -> dict[str, Any]:
        """Return up to `most` projects whose title or id contains `text`, by title, and the number of all of them."""
        if time.monotonic() - self._read_at > SEARCH_CACHE:
            self._all = [await self._entry(uid) for uid in await self._projects.uids()]
            self._read_at = time.monotonic()
        wanted = text.strip().casefold()[:200]
        found = [
            entry
            for entry in self._all
            if wanted in entry["title"].casefold() or entry["project_id"].startswith(wanted)
        ]
        found.sort(key=lambda entry: (entry["project_id"] != wanted, entry["title"].casefold()))
        return {"projects": found[:most], "total": len(found)}

    async def _entry(self, uid: str) -> dict[str, str]:
        project = await self._projects.get(uid)
        title = project.title[:300] if project is not None else ""
        return {"project": uid, "project_id": uid.partition(".")[0], "title": title}
