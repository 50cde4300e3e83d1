"""Processes that are started to take the place of others: one for all models that need it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from label_studio_ml.serving.code_choice import CodeChoice
from label_studio_ml.serving.live import Home, Live


class Successors:
    """Processes that no label config has yet, by what their projects share a process by. `start` starts one."""

    def __init__(self, start: Callable[[], Awaitable[Home]], code: CodeChoice) -> None:
        self._start = start
        self._code = code
        self._coming: dict[str, asyncio.Future[Home]] = {}

    async def join(self, group: str, live: Live, hinders: Callable[[Home], bool]) -> Home:
        """Return the process that is coming for `group`, else a new one that others may join.

        One whose code is not that of the model's version is not joined, nor one where something `hinders` it.
        Raises what keeps it from starting, or from importing the model file.
        """
        refused: asyncio.Future[Home] | None = None
        while (coming := self._coming.get(group)) is not None and coming is not refused:
            home = await asyncio.shield(coming)
            await asyncio.shield(home.lane.info)
            wrong = hinders(home) or await self._code.needs_process(live, home)
            if not wrong and self._coming.get(group) is coming:
                return home
            refused = coming
        made = self._coming[group] = asyncio.ensure_future(self._start())
        try:
            return await asyncio.shield(made)
        except BaseException:
            self._forget(group, made)
            raise

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
