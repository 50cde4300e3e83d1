"""A group of runners used as one: each model is loaded in all members, each call goes to the least busy one.

  starting ──loaded──▶ member ──its process ends──▶ replaced by a new one that loads the same models

The group ends when it is closed, or when its last member ends, because no loaded model is left then. All members
have the same code: if the model's files were edited since, members are not replaced and `on_edit` is called.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from label_studio_ml.errors import BackendError, ModelProcessDied
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.serving.requests.queue_item import Place, RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.serving.runners.sessions import Sessions, Visit
from label_studio_ml.storage.retries import pause_after

logger = logging.getLogger(__name__)

#: Seconds before a member that ended is replaced: doubled for each replacement in a row, up to the second number. A
#: member that has lived longer than that starts over.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0


class MemberPlace:
    """A call of the member that has the state of a request's task. `member` is its number once it is reserved."""

    def __init__(self, group: "RunnerGroup", visit: Visit) -> None:
        self.visit = visit
        self.patience = visit.patience
        self.member: int | None = None
        self._group = group

    def take(self) -> bool:
        """Reserve a call of the member; False if the request should wait."""
        return self._group.reserve(self)


class RunnerGroup:
    """`count` runners made by `make_runner(index)`, used as one runner.

    `on_edit` is called when a member has ended and the files on the disk differ from the members' code, once for
    each such edit; `on_join` when a member that ended has been replaced, so that places can be taken that could not.
    """

    ahead = False  # while one member is busy, another may be free
    own_memory = True
    renewable = True

    def __init__(self, make_runner: Callable[[int], ModelRunner], count: int) -> None:
        loop = asyncio.get_running_loop()
        self.info: asyncio.Future[ClassInfo] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._make_runner = make_runner
        self._count = count
        self._members: dict[int, ModelRunner] = {}
        self._joining: set[ModelRunner] = set()
        self._freed = asyncio.Event()
        self._busy: dict[int, int] = dict.fromkeys(range(count), 0)
        self._sessions = Sessions()
        self._polls: dict[int, int] = dict.fromkeys(range(count), 0)
        self._specs: dict[int, ModelSpec] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._edits: set[str] = set()
        self.on_edit: Callable[[], object] = lambda: None
        self.on_join: Callable[[], object] = lambda: None

    @property
    def members(self) -> list[ModelRunner]:
        """The runners that answer calls."""
        return list(self._members.values())

    async def start(self) -> None:
        """Start all members, which begin to import the model file; `info` gets the outcome."""
        runners = [self._make_runner(index) for index in range(self._count)]
        self._joining.update(runners)
        try:
            for runner in runners:
                if self.ended.done():  # closed meanwhile: runners started from now on would not be ended
                    raise RunnerClosed(self.ended.result())
                await runner.start()
        except BaseException:
            await self.close(0)
            raise
        self._joining.difference_update(runners)
        for index, runner in enumerate(runners):
            self._members[index] = runner
            self._spawn(self._watch(index, runner))
        self._spawn(self._settle_info(runners))

    async def load(self, number: int, spec: ModelSpec, instead_of: int = 0) -> str:
        """Build a model in every member and return its version's name.

        A member that ends meanwhile is replaced by one that loads the model too. Raises the ModelError of a member,
        and ModelProcessDied if no member is left.
        """
        self._specs.pop(instead_of, None)
        self._specs[number] = spec
        try:
            outcomes = await asyncio.gather(
                *(runner.load(number, spec, instead_of) for runner in self._members.values()),
                return_exceptions=True,
            )
        except asyncio.CancelledError:
            self.unload(number)
            raise
        names = [outcome for outcome in outcomes if isinstance(outcome, str)]
        died = [outcome for outcome in outcomes if isinstance(outcome, ModelProcessDied)]
        errors = [outcome for outcome in outcomes if not isinstance(outcome, str | ModelProcessDied)]
        if names and not errors:
            return names[0]
        self.unload(number)
        raise (errors or died or [ModelProcessDied("No model process is left")])[0]

    async def predict(
        self, number: int, requests: Sequence[Request], place: Place | None = None
    ) -> list[Answer]:
        """Answer `requests` by model `number` of the least busy member, or of the one that `place` has reserved.

        Raises ModelError; ModelProcessDied if that member ends meanwhile; RunnerClosed if the group has ended before.
        """
        if isinstance(place, MemberPlace):
            index = await self._reserved(place)
        else:
            index = await self._least_busy()
            self._busy[index] += 1
        try:
            return await self._members[index].predict(number, requests)
        finally:
            self._busy[index] -= 1
            self._freed.set()

    def place(self, session: str, patience: float | None) -> MemberPlace:
        """Return the place of an interactive request: see `runners.sessions`."""
        return MemberPlace(self, Visit(session, patience))

    def reserve(self, place: MemberPlace) -> bool:
        """Reserve a call of a member for `place`, and return whether its request may start."""
        loads = self._loads()
        if not loads:
            return True  # `predict` waits for a member and reserves it, or raises
        is_imported = self.info.done() and self.info.exception() is None
        calls = self.info.result().concurrency if is_imported else 1
        index = self._sessions.choose(place.visit, loads, {i for i in loads if self._busy[i] < calls})
        if index is None:
            return False
        self._busy[index] += 1
        place.member = index
        return True

    def release(self, session: str) -> None:
        """Forget which member has the state of a session."""
        self._sessions.release(session)

    async def long_poll(self, number: int, request: Request, session: str) -> Answer:
        """Answer a long poll by the member that has the session's state. Raises like `predict`, and Overloaded."""
        visit = Visit(session, None)
        while not (loads := self._loads()):
            await self._member_change()
        index = self._sessions.choose(visit, loads, loads)
        assert index is not None  # every member may begin a long poll
        self._polls[index] += 1
        try:
            return await self._members[index].long_poll(number, request, session)
        finally:
            self._polls[index] -= 1

    def _loads(self) -> dict[int, int]:
        """Return the number of calls of each running member."""
        running = [index for index, runner in self._members.items() if not runner.ended.done()]
        return {index: self._busy[index] + self._polls[index] for index in running}

    async def _reserved(self, place: MemberPlace) -> int:
        """Return the member that `place` has reserved; if there is none, or it has ended since, reserve another one.

        Later requests of the session go to that one, too. Raises RunnerClosed if the group has ended.
        """
        while place.member is None or place.member not in self._loads():
            if place.member is not None:
                self._busy[place.member] -= 1
                place.member = None
            while not self.reserve(place) or place.member is None:
                await self._member_change()
        return place.member

    async def _least_busy(self) -> int:
        """Return the index of the least busy member, once it has a free call.

        Calls are not queued in a process behind others, because a crash would fail them too.
        """
        while True:
            running = [index for index, runner in self._members.items() if not runner.ended.done()]
            index = min(running, key=self._busy.__getitem__, default=-1)
            is_imported = self.info.done() and self.info.exception() is None
            if running and self._busy[index] < (self.info.result().concurrency if is_imported else 1):
                return index
            await self._member_change()

    async def _member_change(self) -> None:
        """Wait until a call ends, or a moment: a new member may join. Raises RunnerClosed if the group has ended."""
        if self.ended.done():
            raise RunnerClosed(self.ended.result())
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), FIRST_PAUSE)

    def unload(self, number: int) -> None:
        """Remove model `number` from all members."""
        self._specs.pop(number, None)
        for runner in self._members.values():
            runner.unload(number)

    async def close(self, grace: float = 5.0) -> None:
        """End all members, after their running calls or `grace` seconds."""
        await self._finish("The model processes were stopped", grace)

    async def _settle_info(self, runners: Sequence[ModelRunner]) -> None:
        """Settle `info` with that of the first member that imports the model file, or with an error."""
        failure: BackendError | None = None
        for runner in runners:
            try:
                info = await asyncio.shield(runner.info)
            except BackendError as error:
                failure = failure or error
                if not runner.ended.done():
                    break  # the import failed, so it fails in the others too
            else:
                if not self.info.done():
                    self.info.set_result(info)
                return
        if failure is not None and not self.info.done():
            self.info.set_exception(failure)
            self.info.exception()

    async def _watch(self, index: int, runner: ModelRunner) -> None:
        """Replace a member whenever it ends; end the group if there is nothing to replace it from."""
        failures = 0
        while True:
            joined = time.monotonic()
            cause = await asyncio.shield(runner.ended)
            self._members.pop(index, None)
            self._sessions.forget_member(index)
            if time.monotonic() - joined > LONGEST_PAUSE:
                failures = 0
            logger.error("%s; it is replaced while other model processes run", cause)
            replacement: ModelRunner | None = None
            while replacement is None:
                if self._cannot_replace():
                    return await self._finish(cause, 0)
                failures += 1
                pause = pause_after(failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
                await asyncio.sleep(LONGEST_PAUSE if self._edits and failures > 1 else pause)
                if self._cannot_replace():
                    return await self._finish(cause, 0)
                replacement = await self._replacement(index)
            self._members[index] = runner = replacement
            self._freed.set()
            self.on_join()

    def _cannot_replace(self) -> bool:
        """Return whether no member is left, or the model file cannot be imported."""
        return not self._members or (self.info.done() and self.info.exception() is not None)

    async def _replacement(self, index: int) -> ModelRunner | None:
        """Return a new member with all models loaded; None if it ended while loading or has other code."""
        runner = self._make_runner(index)
        self._joining.add(runner)  # from here on it is closed with the group
        try:
            await runner.start()
            if self._is_edited(await asyncio.shield(runner.info)):
                await runner.close(0)
                self._joining.discard(runner)
                return None
            loaded: set[int] = set()
            while missing := [number for number in self._specs if number not in loaded]:
                for number in missing:
                    if number in self._specs:
                        await runner.load(number, self._specs[number])
                    loaded.add(number)
            for number in loaded - self._specs.keys():
                runner.unload(number)
        except (BackendError, OSError) as error:
            logger.error("A model process cannot be replaced: %s", error)
            await runner.close(0)
            self._joining.discard(runner)
            return None
        self._joining.discard(runner)
        return runner

    def _is_edited(self, info: ClassInfo) -> bool:
        """Return whether a new process has other code than the members; report each such code once."""
        members = self.info.result() if self.info.done() and self.info.exception() is None else None
        if members is None or members.code.same(info.code):
            return False
        if info.code.hash not in self._edits:
            self._edits.add(info.code.hash)
            logger.warning(
                "The model's files were edited since its processes started (different: %s): "
                "the process that ended is not replaced while others run the previous code",
                ", ".join(members.code.differences(info.code)),
            )
            self.on_edit()
        return True

    async def _finish(self, cause: str, grace: float) -> None:
        """End the background tasks and all runners, then settle `info` and `ended`."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        runners = {*self._members.values(), *self._joining}
        await asyncio.gather(*(runner.close(grace) for runner in runners))
        if not self.info.done():
            self.info.set_exception(ModelProcessDied(cause))
            self.info.exception()
        if not self.ended.done():
            self.ended.set_result(cause)

    def _spawn(self, work: "Coroutine[Any, Any, None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
