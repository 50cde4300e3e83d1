"""Fetch versions from a remote store before their models are loaded."""

import asyncio

from label_studio_ml.errors import StoreError
from label_studio_ml.serving.registry.daemon_thread import in_daemon_thread
from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.versions.store.local_store import VersionStore

#: Seconds to wait for the store before a project is served the version on this machine.
STORE_WAIT = 3.0


class VersionFetch:
    """Fetches the versions to serve; concurrent callers of one project share a fetch. Lives on one event loop."""

    def __init__(self, store: VersionStore, selection: VersionSelection) -> None:
        self._store = store
        self._selection = selection
        self._fetches: dict[str, asyncio.Task[None]] = {}

    async def fetch(self, uid: str, patience: float | None = None) -> None:
        """Fetch the version to serve if the project is unknown here or its files are missing.

        Waits at most `patience` seconds for it. If the store takes more than `STORE_WAIT` seconds, the version on this
        machine is served while the fetch goes on; without `patience`, and with no usable version here, wait for the
        fetch to end. Raises StoreError if the fetch fails and there is no usable version here.
        """
        if not self._store.needs_sync(uid) and not self._selection.lacks_files(uid):
            return
        task = self._fetches.get(uid)
        if task is None or task.done():
            task = self._fetches[uid] = asyncio.create_task(self._fetch(uid))
        done, _ = await asyncio.wait(
            [task], timeout=STORE_WAIT if patience is None else min(patience, STORE_WAIT)
        )
        if not done and patience is None and not await self._serve_local_version(uid):
            done, _ = await asyncio.wait([task])
        if done:
            task.result()

    async def _fetch(self, uid: str) -> None:
        try:
            await in_daemon_thread("store-fetch", self._store.synchronise, uid)
        except StoreError:
            if not await self._serve_local_version(uid):
                raise
        finally:
            self._selection.renew(uid)

    async def _serve_local_version(self, uid: str) -> bool:
        usable = await asyncio.to_thread(self._store.servable_offline, uid)
        self._selection.renew(uid)
        return usable
