"""Titles of the projects that lists name."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.web.project_registry import ProjectRegistry

#: The most characters of a title.
MAX_TITLE = 300


class ProjectNames:
    """The titles of projects from `registry`, which knows what other servers know."""

    def __init__(self, registry: ProjectRegistry) -> None:
        self._registry = registry

    async def of(self, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Return the titles of the projects that `entries` name in `project`, by uid, as far as they are known."""
        uids = sorted({str(entry["project"]) for entry in entries})
        projects = await asyncio.gather(*(self._registry.get(uid) for uid in uids))
        return {project.uid: project.title[:MAX_TITLE] for project in projects if project and project.title}
