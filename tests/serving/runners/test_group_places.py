"""Places in a group whose members end and are replaced: no request waits for a process that is free."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ClassInfo, describe_class
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.requests.queue_item import Place, RunnerClosed
from label_studio_ml.serving.runners import runner_group
from label_studio_ml.serving.runners.runner_group import MemberPlace, RunnerGroup
from label_studio_ml.versions.store.local_store import VersionStore

pytestmark = pytest.mark.usefixtures("clean_env")

LIMIT = 120.0
REQUEST = Request(b"[{}]", b"{}", interactive=True)


class Member:
    """A runner without a process, whose calls end when the test says so."""

    ahead = own_memory = renewable = True

    def __init__(self, index: int) -> None:
        loop = asyncio.get_running_loop()
        self.index = index
        self.info: asyncio.Future[ClassInfo] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.calls: list[asyncio.Future[list[Answer]]] = []

    async def start(self) -> None:
        self.info.set_result(describe_class(LabelStudioMLBase, 1))

    async def predict(
        self, number: int, requests: Sequence[Request], place: Place | None = None
    ) -> list[Answer]:
        self.calls.append(asyncio.get_running_loop().create_future())
        return await self.calls[-1]

    def end(self) -> None:
        """End as a process that crashes."""
        if not self.ended.done():
            self.ended.set_result("It was killed")
        for call in self.calls:
            if not call.done():
                call.set_exception(RunnerClosed("It was killed"))

    async def close(self, grace: float = 5.0) -> None:
        self.end()


@asynccontextmanager
async def group_of(count: int) -> AsyncIterator[tuple[RunnerGroup, list[Member]]]:
    """Start a group; `members` has all that it ever started."""
    members: list[Member] = []

    def make(index: int) -> Any:
        members.append(Member(index))
        return members[-1]

    group = RunnerGroup(make, count)
    await group.start()
    await until(group.info.done, "the group has imported the class")
    try:
        yield group, members
    finally:
        await asyncio.wait_for(group.close(0), LIMIT)


def taken(group: RunnerGroup, session: str) -> MemberPlace:
    place = group.place(session, None)
    assert place.take()
    return place


def test_a_place_can_be_taken_once_a_member_is_replaced(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event waits because the only member left is busy; the new member gets it, although no call has ended."""
    monkeypatch.setattr(runner_group, "FIRST_PAUSE", 0.01)

    async def test() -> None:
        groups: list[RunnerGroup] = []
        members: list[Member] = []

        def make(index: int) -> Any:
            members.append(Member(index))
            return members[-1]

        def make_group() -> RunnerGroup:
            groups.append(RunnerGroup(make, 2))
            return groups[-1]

        registry = ModelRegistry(make_group, VersionStore(Settings.from_env().model_dir), runners=2)
        await registry.start()
        group = groups[0]
        await until(group.info.done, "the group has imported the class")
        batcher = registry.processes.current[0].batcher
        batcher.slots = 2

        async def send(session: str) -> Answer:
            place = group.place(session, None)
            return await batcher.submit((1, b"{}", place), REQUEST, interactive=True, place=place)

        first = asyncio.create_task(send("a"))
        await until(lambda: any(member.calls for member in members), "one is busy")
        [busy] = [member for member in members if member.calls]
        [other] = [member for member in members if not member.calls]
        monkeypatch.setattr(group, "_replacement", replacement := Gate(group._replacement))
        other.end()
        await until(lambda: len(group._members) == 1, "the end is noticed")
        second = asyncio.create_task(send("b"))
        await until(lambda: len(batcher) == 1, "it waits")
        replacement.opened.set()
        await until(lambda: len(members) == 3 and bool(members[2].calls), "the new member has it")
        assert len(busy.calls) == 1
        for member in (busy, members[2]):
            member.calls[0].set_result([Answer(results=b"[]")])
        await asyncio.wait_for(asyncio.gather(first, second), LIMIT)
        await asyncio.wait_for(registry.close(), LIMIT)

    run(test())


class Gate:
    """Calls a function once it is opened."""

    def __init__(self, function: Any) -> None:
        self.opened = asyncio.Event()
        self._function = function

    async def __call__(self, index: int) -> Any:
        await self.opened.wait()
        return await self._function(index)


def test_a_call_whose_member_ended_before_it_began_takes_the_session_along() -> None:
    async def test() -> None:
        async with group_of(3) as (group, members):
            place = taken(group, "a")
            assert place.member is not None
            members[place.member].end()
            call = asyncio.create_task(group.predict(1, [REQUEST], place))
            await until(lambda: any(member.calls for member in members), "another member has it")
            [home] = [member for member in members if member.calls]
            assert not group.place("a", None).take(), "its session is there, and waits for it"
            home.calls[0].set_result([Answer(results=b"[]")])
            await asyncio.wait_for(call, LIMIT)
            assert sum(group._busy.values()) == 0
            assert taken(group, "a").member == home.index

    run(test())


def test_a_call_without_a_member_gives_its_session_to_the_first_one() -> None:
    async def test() -> None:
        async with group_of(2) as (group, members):
            kept = dict(group._members)
            group._members.clear()
            place = taken(group, "a")
            assert place.member is None, "there was none"
            call = asyncio.create_task(group.predict(1, [REQUEST], place))
            group._members.update(kept)
            await until(lambda: any(member.calls for member in members), "a member has it")
            [home] = [member for member in members if member.calls]
            assert not group.place("a", None).take(), "its session is there, and waits for it"
            home.calls[0].set_result([Answer(results=b"[]")])
            await asyncio.wait_for(call, LIMIT)
            assert taken(group, "a").member == home.index

    run(test())
