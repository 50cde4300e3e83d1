"""Registry of the projects that this server knows: cached in memory, stored in a database, shared between servers."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec

from label_studio_ml.errors import BackendError, BrokerError
from label_studio_ml.versions.state.project_state import Project, Projects, changed
from label_studio_ml.web.threads import Threads

logger = logging.getLogger(__name__)

#: Minimum seconds between two queries to the other servers about a project: if its access token is known, and if not.
QUERY_INTERVAL, QUERY_INTERVAL_WITHOUT_TOKEN = 30.0, 1.0
#: Seconds that a request for an uncached project waits for the other servers' answer.
QUERY_WAIT = 0.1
#: Threads for calls to the other servers.
QUERY_THREADS = 4
#: Seconds between two attempts to write entries after a failed write.
WRITE_RETRY = 10.0
#: Seconds between two checks whether another process has written to the database.
CHECK_INTERVAL = 1.0
#: Maximum number of projects for which the time of the last query is kept.
MAX_QUERIED = 10_000


class SharedProjects(Protocol):
    """Records shared with servers on other machines: Label Studio calls `/setup` on only one. Blocks briefly."""

    def described(self, uid: str) -> Project | None:
        """Return the shared record of a project, None if no server has described it. Raises BrokerError."""

    def describe(self, project: Project) -> None:
        """Share a project as described by `/setup` on this server. Raises BrokerError."""


class ProjectRegistry:
    """Cache of the database `Projects`, read and written in threads; `shared` shares entries between servers."""

    def __init__(self, projects: Projects, shared: SharedProjects | None = None) -> None:
        self._projects = projects
        self._shared = shared
        self._cached: dict[str, Project] = {}
        self._queried: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = Threads(QUERY_THREADS, "others")
        self._unwritten: set[str] = set()
        #: Per project, the stamp of the database when its stored entry was equal to the cached one.
        self._stamps: dict[str, object] = {}
        #: Per project, what the last `/setup` sent, until it is checked that the database still has it.
        self._unchecked: dict[str, dict[str, Any]] = {}
        self._checker: asyncio.Task[None] | None = None
        self._check_thread = Threads(1, "projects")
        #: Per project: held while a `/setup` or an update is written, so that no earlier one replaces a later one.
        self._setup_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Per project: held while it is shared, so that the other servers get what the last `/setup` said.
        self._share_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._last_attempt = 0.0
        self._problem = ""

    async def get(self, uid: str) -> Project | None:
        """Return the project `uid` from the cache, the database or the other servers; None if it is unknown."""
        if self._unwritten and time.monotonic() - self._last_attempt > WRITE_RETRY:
            self._last_attempt = time.monotonic()
            self._in_background(self._retry_writes())
        if uid not in self._cached:
            project = await self._read(uid)
            if project is not None:
                self._cached[uid] = project
            if self._query_is_due(uid):
                await asyncio.wait([self._in_background(self._query_others(uid))], timeout=QUERY_WAIT)
        elif self._query_is_due(uid):
            self._in_background(self._query_others(uid))
        return self._cached.get(uid)

    def _query_is_due(self, uid: str) -> bool:
        """Return whether to query the other servers about a project now, and record the time of the query."""
        now, project = time.monotonic(), self._cached.get(uid)
        pause = (
            QUERY_INTERVAL if project is not None and project.access_token else QUERY_INTERVAL_WITHOUT_TOKEN
        )
        if self._shared is None or now - self._queried.get(uid, -QUERY_INTERVAL) < pause:
            return False
        if len(self._queried) > MAX_QUERIED:  # requests may name any number of unknown uids
            self._queried.clear()
        self._queried[uid] = now
        return True

    async def _query_others(self, uid: str) -> None:
        """Query the other servers for a project's host and token, and for its label config if none is known."""
        try:
            shared = await self._threads.run(self._shared.described, uid) if self._shared else None
        except BrokerError as error:
            logger.debug("Project %s: the other servers cannot be asked: %s", uid, error)
            return
        if shared is None or not shared.access_token:
            return
        cached = self._cached.get(uid)
        changes = {
            name: getattr(shared, name) for name in ("hostname", "access_token", "extra_params", "private")
        }
        if cached is None or not cached.label_config:
            changes["label_config"] = shared.label_config
        self._cached[uid] = await self._write(uid, changes)

    async def apply_setup(self, uid: str, **changes: Any) -> Project:
        """Apply `changes`, sent by `/setup`, to project `uid`; return it, and share it in the background.

        Without a change, the answer does not wait for the disk, which may hang: the database is checked later.
        """
        cached = await self.get(uid)
        was_stored = uid in self._stamps and uid not in self._unwritten
        if cached is not None and was_stored and changed(cached, changes) == cached:
            project = cached
            self._check_later(uid, changes)
        else:
            async with self._setup_locks[uid]:
                self._unchecked.pop(uid, None)
                project = self._cached[uid] = await self._write(uid, changes)
        if self._shared is not None:
            self._queried[uid] = time.monotonic()
            self._in_background(self._share(project, self._shared))
        return project

    def _check_later(self, uid: str, changes: dict[str, Any]) -> None:
        """Write `changes` again in the background if the database was written to since it had them."""
        self._unchecked[uid] = changes
        if self._checker is None or self._checker.done():
            self._checker = self._in_background(self._check())

    async def _check(self) -> None:
        """Check the database while there is something to check, with CHECK_INTERVAL between two checks.

        All projects share one file, so there is one check for all of them, in a thread of its own.
        """
        while self._unchecked:
            stamp = await self._check_thread.run(self._projects.stamp)
            for uid in list(self._unchecked):
                async with self._setup_locks[uid]:
                    changes = self._unchecked.pop(uid, None)
                    if changes is not None and (stamp is None or self._stamps.get(uid) != stamp):
                        project = await self._write(uid, changes)
                        if project != self._cached.get(uid):  # requests that find the same object are faster
                            self._cached[uid] = project
            await asyncio.sleep(CHECK_INTERVAL)

    async def _share(self, project: Project, shared: SharedProjects) -> None:
        try:
            async with self._share_locks[project.uid]:
                await self._threads.run(shared.describe, project)
        except BrokerError as error:  # it is shared with the project's next event
            logger.warning(
                "Project %s: it could not be shared with the other servers: %s", project.uid, error
            )

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def find(self, name: str) -> Project | None:
        """Return the project with the uid `name`, else the only one with that plain id; None if there is none."""
        project = await self.get(name)
        if project is None:
            matching = [uid for uid in await self.uids() if uid.partition(".")[0] == name]
            project = await self.get(matching[0]) if len(matching) == 1 else None
        return project

    async def update(self, uid: str, **changes: Any) -> Project:
        """Apply `changes` to project `uid`, except those that are None, and return the result."""
        changes = {name: value for name, value in changes.items() if value is not None}
        cached = await self.get(uid)
        if cached is not None and all(getattr(cached, name) == value for name, value in changes.items()):
            return cached
        async with self._setup_locks[uid]:
            project = self._cached[uid] = await self._write(uid, changes)
            if uid in self._unchecked:  # the check must not bring back what an earlier `/setup` sent
                self._unchecked[uid] = {**self._unchecked[uid], **changes}
        return project

    def access_tokens(self) -> set[str]:
        """Return the access tokens of the cached projects."""
        return {project.access_token for project in list(self._cached.values()) if project.access_token}

    async def uids(self) -> list[str]:
        """Return the sorted uids of all known projects; only of the cached ones if the database cannot be read."""
        try:
            stored = await asyncio.to_thread(self._projects.uids)
        except BackendError as error:
            self._log_problem(error)
            return sorted(self._cached)
        return sorted({*stored, *self._unwritten})

    async def _read(self, uid: str) -> Project | None:
        """Return a stored project; None if there is none or the database cannot be read."""
        try:
            return await asyncio.to_thread(self._projects.get, uid)
        except BackendError as error:
            self._log_problem(error)
            return None

    async def _write(self, uid: str, changes: dict[str, Any]) -> Project:
        """Apply changes to a project in the database and return it; a failed write is logged, and repeated later."""
        before = self._cached.get(uid) or Project(uid=uid)
        self._stamps.pop(uid, None)
        try:
            project, stamp = await asyncio.to_thread(self._merge, before, changes)
        except BackendError as error:
            self._log_problem(error)
            self._unwritten.add(uid)
            self._last_attempt = time.monotonic()
            return changed(before, changes)
        self._unwritten.discard(uid)
        if stamp is not None:
            self._stamps[uid] = stamp
        if self._problem and not self._unwritten:
            self._problem = ""
            logger.info("The database of projects can be written again")
        return project

    def _merge(self, before: Project, changes: dict[str, Any]) -> tuple[Project, object]:
        """Apply changes to a project in the database; return it and the database's stamp, None if that has changed."""
        stamp = self._projects.stamp()
        project = self._projects.merge(before, changes)
        return project, stamp if stamp == self._projects.stamp() else None

    async def _retry_writes(self) -> None:
        for uid in list(self._unwritten):
            if (project := self._cached.get(uid)) is not None:
                await self._write(uid, msgspec.structs.asdict(project))

    def _log_problem(self, error: BackendError) -> None:
        if str(error) != self._problem:
            self._problem = str(error)
            logger.error("%s. Until it can be written, changes of projects are kept in memory only", error)

    async def delete(self, uid: str) -> None:
        """Remove project `uid` from cache and database. Raises VersionError if the database cannot be used."""
        async with self._setup_locks[uid]:
            self._cached.pop(uid, None)
            self._unchecked.pop(uid, None)
            self._unwritten.discard(uid)
            self._stamps.pop(uid, None)
            await asyncio.to_thread(self._projects.delete, uid)
