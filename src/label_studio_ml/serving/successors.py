"""Processes that are started to take the place of others: one for all models that need it at the same time."""

import asyncio
import contextlib
from collections.abc import Callable

from label_studio_ml.errors import BackendError
from label_studio_ml.serving.code_choice import CodeChoice
from label_studio_ml.serving.live import Home, Live
from label_studio_ml.serving.processes import ModelProcesses


class Successors:
    """Processes that no label config has yet, by what their projects share a process by."""

    def __init__(self, running: ModelProcesses, code: CodeChoice) -> None:
        self._running = running
        self._code = code
        self._coming: dict[str, asyncio.Future[Home]] = {}

    async def join(self, group: str, live: Live, hinders: Callable[[Home], bool]) -> Home:
        """Return the process that has taken the place of a model's own, or is coming for it, else a new one.

        One whose code is not that of the model's version is not joined, nor one where something `hinders` it.
        Raises what keeps it from starting, or from importing the model file.
        """
        current = self._running.current_for(group)
        if current is not None and current is not live.home and await self._fits(current, live, hinders):
            return current
        refused: asyncio.Future[Home] | None = None
        while (coming := self._coming.get(group)) is not None and coming is not refused:
            home = await asyncio.shield(coming)
            if await self._fits(home, live, hinders):
                return home
            refused = coming
        made = self._coming[group] = asyncio.ensure_future(self._running.new())
        try:
            return await asyncio.shield(made)
        except BaseException:
            self._forget(group, made)
            raise

    async def _fits(self, home: Home, live: Live, hinders: Callable[[Home], bool]) -> bool:
        """Tell whether a model may load in a process that another one needed."""
        with contextlib.suppress(BackendError):
            await asyncio.shield(home.lane.info)
            wrong = await self._code.needs_process(live, home)
            return not (wrong or hinders(home) or home.retired or home.lane.ended.done())
        return False

    def arrived(self, home: Home) -> None:
        """Take note that a process has its place, or ends: nobody joins it here from now on."""
        for group, coming in list(self._coming.items()):
            if (
                coming.done()
                and not coming.cancelled()
                and coming.exception() is None
                and coming.result() is home
            ):
                del self._coming[group]

    def _forget(self, group: str, made: "asyncio.Future[Home]") -> None:
        if self._coming.get(group) is made:
            del self._coming[group]
