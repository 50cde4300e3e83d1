"""Models that track something for a page keep answering its events after a newer version has replaced them.

The event `track` starts a tracker in the process of the model that answers it; the page then follows it by long
polls. If a new version is served meanwhile, the events of this task still go to the old model, which stays loaded, and
so does its process. That ends with the event `release`, 60 s after the last long poll, or 10 min after `track`. It does
not keep what has to go at once: the old version with `drain_first`, the process of the label config that was used
least, and everything at the shutdown.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from label_studio_ml.serving.registry.loaded_model import LoadedModel, ModelState
from label_studio_ml.serving.registry.loaded_models import LoadedModels
from label_studio_ml.serving.registry.serving_process import ServingProcess

#: Seconds that a model is held after the last long poll of a task, and after its event `track`.
HOLD = 60.0
LONGEST_HOLD = 600.0
#: The most tasks that hold a model; the least recently used one lets go of its model first.
MAX_HELD = 100


@dataclass(slots=True, eq=False)
class _Hold:
    model: LoadedModel
    due: float
    latest: float


class HeldModels:
    """The models that sessions (tasks of a project, see `protocol.interactive`) hold, on one event loop."""

    def __init__(self, models: LoadedModels) -> None:
        self._models = models
        self._holds: OrderedDict[str, _Hold] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    def model_of(self, session: str) -> LoadedModel | None:
        """Return the model that a session holds, if it can still answer."""
        hold = self._holds.get(session)
        if hold is None:
            return None
        if not hold.model.usable or hold.model.state is ModelState.REMOVED:
            self.release(session)
            return None
        return hold.model

    def hold(self, session: str, model: LoadedModel) -> None:
        """Hold a model for a session that has started a tracker in it, instead of the one held before."""
        self.release(session)
        now = asyncio.get_running_loop().time()
        self._holds[session] = _Hold(model, now + HOLD, now + LONGEST_HOLD)
        model.holds += 1
        if len(self._holds) > MAX_HELD:
            self.release(next(iter(self._holds)))
        self._set_timer()

    def prolong(self, session: str) -> None:
        """Hold the session's model for longer, because its tracker is still followed."""
        hold = self._holds.get(session)
        if hold is not None:
            self._holds.move_to_end(session)
            hold.due = min(hold.latest, asyncio.get_running_loop().time() + HOLD)

    def release(self, session: str) -> None:
        """Let go of the model that a session holds, if any; its process removes it if it was replaced meanwhile."""
        hold = self._holds.pop(session, None)
        if hold is None:
            return
        hold.model.holds -= 1
        self._models.unload_if_idle(hold.model)
        self._changed.set()

    def models(self) -> set[LoadedModel]:
        """Return the models that sessions hold."""
        return {hold.model for hold in self._holds.values()}

    def count_in(self, process: ServingProcess) -> int:
        """Return the number of sessions that hold a model of a process."""
        return sum(hold.model.process is process for hold in self._holds.values())

    async def released(self, process: ServingProcess) -> None:
        """Wait until no session holds a model of a process, or the process has ended."""
        while process.usable and self.count_in(process):
            self._changed.clear()
            await self._changed.wait()

    def _set_timer(self) -> None:
        if self._timer is None and self._holds:
            due = min(hold.due for hold in self._holds.values())
            self._timer = asyncio.get_running_loop().call_at(due, self._release_overdue)

    def _release_overdue(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for session in [session for session, hold in self._holds.items() if hold.due <= now]:
            self.release(session)
        self._set_timer()
