"""Processes started to replace others; models that need a new process at the same time share one."""

import asyncio
import contextlib
from collections.abc import Callable

from label_studio_ml.errors import BackendError
from label_studio_ml.serving.registry.code_choice import CodeChoice
from label_studio_ml.serving.registry.loaded_model import LoadedModel
from label_studio_ml.serving.registry.process_assignment import ModelProcesses
from label_studio_ml.serving.registry.serving_process import ServingProcess


class NewProcesses:
    """Processes that were started but not yet assigned to a label config, by group."""

    def __init__(self, processes: ModelProcesses, code: CodeChoice) -> None:
        self._processes = processes
        self._code = code
        self._starting: dict[str, asyncio.Future[ServingProcess]] = {}

    async def join(
        self, group: str, model: LoadedModel, excludes: Callable[[ServingProcess], bool]
    ) -> ServingProcess:
        """Return a process to replace the model's own: the group's current one, one that is starting, or a new one.

        A process is not shared if its code differs from that of the model's version, or if `excludes` returns True
        for it. Raises the errors of starting a process.
        """
        current = self._processes.current_for(group)
        if (
            current is not None
            and current is not model.process
            and await self._can_share(current, model, excludes)
        ):
            return current
        unfit: asyncio.Future[ServingProcess] | None = None
        while (starting := self._starting.get(group)) is not None and starting is not unfit:
            process = await asyncio.shield(starting)
            if await self._can_share(process, model, excludes):
                return process
            unfit = starting
        started = self._starting[group] = asyncio.ensure_future(self._processes.new())
        try:
            return await asyncio.shield(started)
        except BaseException:
            self._forget(group, started)
            raise

    async def _can_share(
        self, process: ServingProcess, model: LoadedModel, excludes: Callable[[ServingProcess], bool]
    ) -> bool:
        """Return whether the model may load in a process that was started for another model."""
        with contextlib.suppress(BackendError):
            await asyncio.shield(process.runner.info)
            wrong = await self._code.needs_process(model, process)
            return not (wrong or excludes(process) or process.retired or process.runner.ended.done())
        return False

    def stop_sharing(self, process: ServingProcess) -> None:
        """Stop sharing `process`: it has been assigned, or it ends."""
        for group, starting in list(self._starting.items()):
            if (
                starting.done()
                and not starting.cancelled()
                and starting.exception() is None
                and starting.result() is process
            ):
                del self._starting[group]

    def _forget(self, group: str, started: "asyncio.Future[ServingProcess]") -> None:
        if self._starting.get(group) is started:
            del self._starting[group]
