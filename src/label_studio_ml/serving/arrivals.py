"""Versions that come from a store elsewhere: a project's is on this machine before its model is loaded."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from label_studio_ml.errors import StoreError
from label_studio_ml.serving.wanted import Wanted
from label_studio_ml.versions.store import VersionStore

T = TypeVar("T")

#: Seconds that the store has to answer before a project is served what is on this machine.
QUICK = 3.0


class Arrivals:
    """Fetches what is to be served, once for all who wait for it. Lives on one event loop."""

    def __init__(self, store: VersionStore, wanted: Wanted) -> None:
        self._store = store
        self._wanted = wanted
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def bring(self, uid: str, patience: float | None = None) -> None:
        """Fetch what a project is served if it never was, or is not here; wait that many seconds for it at most.

        Where the store is slow, what is here from before is served meanwhile. Raises StoreError where nothing of it
        can be had.
        """
        if not self._store.unknown(uid) and not self._wanted.lacks(uid):
            return
        task = self._under_way.get(uid)
        if task is None or task.done():
            task = self._under_way[uid] = asyncio.create_task(self._bring(uid))
        done, _ = await asyncio.wait([task], timeout=QUICK if patience is None else min(patience, QUICK))
        if not done and patience is None and not await self._serve_what_is_here(uid):
            done, _ = await asyncio.wait([task])
        if done:
            task.result()

    async def _bring(self, uid: str) -> None:
        try:
            await _in_thread(lambda: self._store.bring(uid))
        except StoreError:
            if not await self._serve_what_is_here(uid):
                raise
        finally:
            self._wanted.renew(uid)

    async def _serve_what_is_here(self, uid: str) -> bool:
        usable = await asyncio.to_thread(self._store.known_of_old, uid)
        self._wanted.renew(uid)
        return usable


async def _in_thread(what: Callable[[], T]) -> T:
    """Do something that may take minutes, in a thread of its own.

    The pool's threads are for what is quick: webhooks use them. And the end of this process does not wait for it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = what()
        except BaseException as error:  # noqa: BLE001 - it goes to whoever waits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=work, daemon=True, name="store-bring").start()
    return await future
