"""Find the project that a request names: one that has versions, or that this backend knows."""

import asyncio

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

    def description(self, project: Project) -> dict[str, str]:
        """Return the fields of a project that pages show."""
        return {
            "uid": project.uid,
            "number": project.project_id,
            "title": cut(project.title, _MAX_TITLE),
            "hostname": cut(project.hostname, _MAX_TITLE),
        }

    async def _stored(self) -> list[str]:
        """Return the uids of the projects in the store, none if it cannot be read."""
        try:
            return await asyncio.to_thread(self._store.projects)
        except VersionError:
            return []
