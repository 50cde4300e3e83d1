"""Several lanes that look like one: each model is loaded in all of them, each call goes to the least busy one.

    starting ──loaded──▶ member ──its process ends──▶ replaced by a new one that loads the same models

The group ends when it is closed, or when its last member ends: then there is nothing left to replace from.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from label_studio_ml.adapter import ClassInfo, ModelSpec
from label_studio_ml.errors import BackendError, ModelProcessDied
from label_studio_ml.predictor import Answer, Request
from label_studio_ml.serving.lanes import Lane

logger = logging.getLogger(__name__)

#: Seconds before a member is replaced that ended: doubled each time in a row, up to the second number.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0


class LaneGroup:
    """`count` lanes made by `make_lane(index)`, used as one lane."""

    def __init__(self, make_lane: Callable[[int], Lane], count: int) -> None:
        loop = asyncio.get_running_loop()
        self.info: asyncio.Future[ClassInfo] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._make_lane = make_lane
        self._count = count
        self._members: dict[int, Lane] = {}
        self._busy: dict[int, int] = dict.fromkeys(range(count), 0)
        self._specs: dict[int, ModelSpec] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def start(self) -> None:
        """Begin to import the model file in every member; `info` tells the first one's outcome."""
        for index in range(self._count):
            lane = self._make_lane(index)
            await lane.start()
            self._members[index] = lane
            self._spawn(self._watch(index, lane))
        self._spawn(self._learn(self._members[0]))

    async def load(self, live: int, spec: ModelSpec, instead_of: int = 0) -> str:
        """Build a model in every member and return its version's name.

        A member that ends meanwhile is replaced by one that loads it too. Raises ModelError if any member says so,
        ModelProcessDied if none is left.
        """
        self._specs.pop(instead_of, None)
        self._specs[live] = spec
        try:
            outcomes = await asyncio.gather(
                *(lane.load(live, spec, instead_of) for lane in self._members.values()),
                return_exceptions=True,
            )
        except asyncio.CancelledError:
            self.unload(live)
            raise
        names = [outcome for outcome in outcomes if isinstance(outcome, str)]
        died = [outcome for outcome in outcomes if isinstance(outcome, ModelProcessDied)]
        others = [outcome for outcome in outcomes if not isinstance(outcome, str | ModelProcessDied)]
        if names and not others:
            return names[0]
        self.unload(live)
        raise (others or died or [ModelProcessDied("No model process is left")])[0]

    async def predict(self, live: int, requests: Sequence[Request]) -> list[Answer]:
        """Answer `requests` with model `live` of the least busy member. Raises ModelError or ModelProcessDied."""
        if not self._members:
            raise ModelProcessDied(self.ended.result() if self.ended.done() else "No model process is left")
        index = min(self._members, key=lambda one: self._busy[one])
        self._busy[index] += 1
        try:
            return await self._members[index].predict(live, requests)
        finally:
            self._busy[index] -= 1

    def unload(self, live: int) -> None:
        """Forget model `live` everywhere."""
        self._specs.pop(live, None)
        for lane in self._members.values():
            lane.unload(live)

    async def close(self, grace: float = 5.0) -> None:
        """End all members, after what runs, or after `grace` seconds."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(lane.close(grace) for lane in self._members.values()))
        self._end("The model processes were stopped")

    async def _learn(self, first: Lane) -> None:
        try:
            info = await asyncio.shield(first.info)
        except BackendError as error:
            if not self.info.done():
                self.info.set_exception(error)
                self.info.exception()
        else:
            if not self.info.done():
                self.info.set_result(info)

    async def _watch(self, index: int, lane: Lane) -> None:
        """Replace a member that ends, as long as others are there and the model file can be imported."""
        pause = FIRST_PAUSE
        while True:
            why = await asyncio.shield(lane.ended)
            self._members.pop(index, None)
            if not self._members or (self.info.done() and self.info.exception() is not None):
                self._end(why)
                return
            logger.error("%s; it is replaced, the others go on", why)
            await asyncio.sleep(pause)
            replacement = await self._replacement(index)
            if replacement is not None:
                self._members[index] = lane = replacement
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _replacement(self, index: int) -> Lane | None:
        """Return a new member with all models loaded, or None if it ended while it loaded them."""
        lane = self._make_lane(index)
        try:
            await lane.start()
            loaded: set[int] = set()
            while missing := [live for live in self._specs if live not in loaded]:
                for live in missing:
                    await lane.load(live, self._specs[live]) if live in self._specs else None
                    loaded.add(live)
                for live in loaded - self._specs.keys():
                    lane.unload(live)
        except asyncio.CancelledError:
            await lane.close(0)
            raise
        except (BackendError, OSError) as error:
            logger.error("A model process cannot be replaced: %s", error)
            with contextlib.suppress(BackendError, OSError):
                await lane.close(0)
            return None
        return lane

    def _end(self, why: str) -> None:
        if not self.info.done():
            self.info.set_exception(ModelProcessDied(why))
            self.info.exception()
        if not self.ended.done():
            self.ended.set_result(why)

    def _spawn(self, work: "Coroutine[Any, Any, None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
