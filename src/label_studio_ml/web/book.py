"""The projects this server has heard of, at hand without touching the disk."""

import asyncio
from typing import Any

from label_studio_ml.versions.state import Project, Projects


class ProjectBook:
    """`Projects`, remembered in memory and written in a thread."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._known: dict[str, Project] = {}

    async def get(self, uid: str) -> Project | None:
        """Return what is known of `uid`, None if nothing is."""
        if uid not in self._known:
            project = await asyncio.to_thread(self._projects.get, uid)
            if project is None:
                return None
            self._known[uid] = project
        return self._known[uid]

    async def find(self, name: str) -> Project | None:
        """Return the project with the uid or, where only one fits, the plain id `name`."""
        project = await self.get(name)
        if project is None:
            fitting = [uid for uid in await self.uids() if uid.partition(".")[0] == name]
            project = await self.get(fitting[0]) if len(fitting) == 1 else None
        return project

    async def update(self, uid: str, **changes: Any) -> Project:
        """Change what is known of `uid`, leaving out changes that are None; return the result."""
        changes = {name: value for name, value in changes.items() if value is not None}
        known = await self.get(uid)
        if known is not None and all(getattr(known, name) == value for name, value in changes.items()):
            return known
        project = await asyncio.to_thread(self._projects.update, uid, **changes)
        self._known[uid] = project
        return project

    async def uids(self) -> list[str]:
        """Return the uids of all known projects."""
        return await asyncio.to_thread(self._projects.uids)

    async def delete(self, uid: str) -> None:
        """Forget `uid`."""
        self._known.pop(uid, None)
        await asyncio.to_thread(self._projects.delete, uid)
