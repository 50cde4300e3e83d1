"""Find and search the projects that have versions, or that this backend knows."""

import asyncio
from typing import Any

from label_studio_ml.dashboard.versions.version_lists import cut
from label_studio_ml.errors import UnknownProject, VersionError
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.project_registry import ProjectRegistry

_MAX_TITLE = 200


class ProjectChoice:
    """The projects that a page can name: those of `projects`, and those that only have versions in `store`."""

    def __init__(self, store: VersionStore, projects: ProjectRegistry) -> None:
        self._store = store
        self._projects = projects

    async def find(self, name: str) -> Project:
        """Return the project with this uid, or the only one with this number. Raises UnknownProject."""
        project = await self._projects.find(name) if name else None
        if project is None and name in await self._stored():
            project = Project(uid=name)
        if project is None:
            raise UnknownProject(
                f"Project {name[:80]!r} is not known here",
                fix="Connect it, or choose another one",
                field="project",
            )
        return project

    async def listed(self, search: str, offset: int, limit: int) -> dict[str, Any]:
        """Return the page of the projects whose uid or title contains `search`, by number."""
        uids = sorted({*await self._projects.uids(), *await self._stored()}, key=_order)
        wanted = search.strip().lower()[:_MAX_TITLE]
        if not wanted:
            page = [await self._of(uid) for uid in uids[offset : offset + limit]]
            return {"total": len(uids), "projects": [self.description(project) for project in page]}
        matching = []
        for uid in uids:
            project = await self._of(uid)
            if wanted in f"{uid}\n{project.title}".lower():
                matching.append(project)
        page = matching[offset : offset + limit]
        return {"total": len(matching), "projects": [self.description(project) for project in page]}

    def description(self, project: Project) -> dict[str, str]:
        """Return the fields of a project that pages show."""
        return {
            "uid": project.uid,
            "number": project.project_id,
            "title": cut(project.title, _MAX_TITLE),
            "host": cut(project.hostname, _MAX_TITLE),
        }

    async def _of(self, uid: str) -> Project:
        return await self._projects.get(uid) or Project(uid=uid)

    async def _stored(self) -> list[str]:
        """Return the uids of the projects in the store, none if it cannot be read."""
        try:
            return await asyncio.to_thread(self._store.projects)
        except VersionError:
            return []


def _order(uid: str) -> tuple[str, str]:
    return uid.partition(".")[0].zfill(20), uid
