"""Versions that come from a store elsewhere: a project's is on this machine before its model is loaded."""

import asyncio

from label_studio_ml.errors import StoreError
from label_studio_ml.serving.wanted import Wanted
from label_studio_ml.versions.store import VersionStore


class Arrivals:
    """Fetches what is to be served, once for all who wait for it. Lives on one event loop."""

    def __init__(self, store: VersionStore, wanted: Wanted) -> None:
        self._store = store
        self._wanted = wanted
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def bring(self, uid: str, patience: float | None = None) -> None:
        """Fetch what a project is served if it never was, or is not here; wait that many seconds for it at most.

        Raises StoreError where nothing of it can be had.
        """
        if not self._store.unknown(uid) and not self._wanted.lacks(uid):
            return
        task = self._under_way.get(uid)
        if task is None or task.done():
            task = self._under_way[uid] = asyncio.create_task(self._bring(uid))
        done, _ = await asyncio.wait([task], timeout=patience)
        if done:
            task.result()

    async def _bring(self, uid: str) -> None:
        try:
            await asyncio.to_thread(self._store.bring, uid)
        except StoreError:
            if not await asyncio.to_thread(self._store.known_of_old, uid):
                raise
        finally:
            self._wanted.renew(uid)
