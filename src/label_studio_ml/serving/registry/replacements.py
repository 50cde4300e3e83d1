"""Processes started to replace others; models that need a new process at the same time share one."""

import asyncio
import contextlib
from collections.abc import Callable

from label_studio_ml.errors import BackendError
from label_studio_ml.serving.registry.code_choice import CodeChoice
from label_studio_ml.serving.registry.loaded_model import LoadedModel, ProcessGroup
from label_studio_ml.serving.registry.process_assignment import ModelProcesses


class Replacements:
    """Processes that were started but not yet assigned to a label config, by group."""

    def __init__(self, running: ModelProcesses, code: CodeChoice) -> None:
        self._running = running
        self._code = code
        self._coming: dict[str, asyncio.Future[ProcessGroup]] = {}

    async def join(
        self, group: str, live: LoadedModel, hinders: Callable[[ProcessGroup], bool]
    ) -> ProcessGroup:
        """Return a process to replace the model's own: the group's current one, one that is starting, or a new one.

        A process is not shared if its code differs from that of the model's version, or if `hinders` returns True
        for it. Raises the errors of starting a process.
        """
        current = self._running.current_for(group)
        if (
            current is not None
            and current is not live.process_group
            and await self._fits(current, live, hinders)
        ):
            return current
        refused: asyncio.Future[ProcessGroup] | None = None
        while (coming := self._coming.get(group)) is not None and coming is not refused:
            process_group = await asyncio.shield(coming)
            if await self._fits(process_group, live, hinders):
                return process_group
            refused = coming
        made = self._coming[group] = asyncio.ensure_future(self._running.new())
        try:
            return await asyncio.shield(made)
        except BaseException:
            self._forget(group, made)
            raise

    async def _fits(
        self, process_group: ProcessGroup, live: LoadedModel, hinders: Callable[[ProcessGroup], bool]
    ) -> bool:
        """Return whether the model may load in a process that was started for another model."""
        with contextlib.suppress(BackendError):
            await asyncio.shield(process_group.runner.info)
            wrong = await self._code.needs_process(live, process_group)
            return not (
                wrong or hinders(process_group) or process_group.retired or process_group.runner.ended.done()
            )
        return False

    def arrived(self, process_group: ProcessGroup) -> None:
        """Stop sharing `process_group`: it has been assigned, or it ends."""
        for group, coming in list(self._coming.items()):
            if (
                coming.done()
                and not coming.cancelled()
                and coming.exception() is None
                and coming.result() is process_group
            ):
                del self._coming[group]

    def _forget(self, group: str, made: "asyncio.Future[ProcessGroup]") -> None:
        if self._coming.get(group) is made:
            del self._coming[group]
