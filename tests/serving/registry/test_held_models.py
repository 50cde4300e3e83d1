"""A model that tracks something answers its events after a newer version has replaced it, for a while."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.serving.registry import held_models
from pools import ONE, Bench, bench
from tricky import Tricky, alive, task

pytestmark = pytest.mark.usefixtures("clean_env")

#: Classes whose new version is loaded in the same process, and in a new one.
both = pytest.mark.parametrize("class_name", ["Tricky", "TrickyEvents"])


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


async def asked(it: Bench, event: str, number: int = 1) -> tuple[int, int]:
    """Send an event for a task; return version and process that answer."""
    [entry] = await it.ask(task(number), params={"context": {"event": event}})
    said: dict[str, Any] = entry["result"][0]
    return said["number"], said["pid"]


async def serve_next(it: Bench) -> None:
    """Publish version 1, and wait until it is served."""
    it.publish(1)
    await it.pool.registry.refresh()
    await until(lambda: it.pool.registry.version(ONE.uid) == "v1", "the new version is served")


@both
def test_events_of_a_tracked_task_go_to_the_old_version_until_its_release(
    tricky: Tricky, class_name: str
) -> None:
    async def test() -> None:
        async with bench(tricky, class_name=class_name) as it:
            old = await asked(it, "track")
            assert old[0] == 0
            await serve_next(it)
            await it.pool.registry.refresh()
            for event in ("track_progress", "predict", "track_cancel", "track_progress"):
                assert await asked(it, event) == old
            other = await asked(it, "predict", 2)
            [click] = await it.ask(task(1), params={"context": {"result": [{"id": "a"}]}})
            assert (other[0], click["result"][0]["number"]) == (1, 1)
            assert (other[1] == old[1]) == (class_name == "Tricky")
            assert await asked(it, "release") == old
            assert await asked(it, "track_progress") == other
            if class_name == "TrickyEvents":
                await until(lambda: not alive(old[1]), "the old process has ended")

    run(test())


@both
def test_a_model_is_not_held_for_long_without_long_polls(
    tricky: Tricky, class_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_models, "HOLD", 0.3)

    async def test() -> None:
        async with bench(tricky, class_name=class_name) as it:
            old = await asked(it, "track")
            await serve_next(it)
            held = it.pool.registry.held
            await until(lambda: not held._holds, "it is let go")
            assert (await asked(it, "track_progress"))[0] == 1
            if class_name == "TrickyEvents":
                await until(lambda: not alive(old[1]), "the old process has ended")

    run(test())


def test_long_polls_prolong_it_within_limits_and_each_event_track_begins_anew(
    tricky: Tricky, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with bench(tricky) as it:
            await asked(it, "track")
            [hold] = it.pool.registry.held._holds.values()
            due = hold.due
            await asked(it, "predict")
            assert hold.due == due
            await asked(it, "track_progress")
            assert due < hold.due < hold.latest
            hold.latest = hold.due
            await asked(it, "track_progress")
            assert hold.due == hold.latest
            await asked(it, "track")
            [again] = it.pool.registry.held._holds.values()
            assert again.latest > hold.latest
            assert again.model.holds == 1
            monkeypatch.setattr(held_models, "MAX_HELD", 1)
            await asked(it, "track", 2)
            assert len(it.pool.registry.held._holds) == again.model.holds == 1

    run(test())


def test_drain_first_holds_nothing(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(tricky, drain_first=True) as it:
            assert (await asked(it, "track"))[0] == 0
            await serve_next(it)
            assert (await asked(it, "track_progress"))[0] == 1

    run(test())


def test_a_session_whose_process_was_killed_goes_to_the_current_version(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(tricky, class_name="TrickyEvents") as it:
            await asked(it, "track")
            await serve_next(it)
            with pytest.raises(Exception, match="model process"):
                await it.ask(task(1, "kill"), params={"context": {"event": "predict"}})
            assert (await asked(it, "track_progress"))[0] == 1

    run(test())


def test_closing_does_not_wait_for_what_is_tracked(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(tricky, class_name="TrickyEvents") as it:
            await asked(it, "track")
            await serve_next(it)
            assert (await asked(it, "predict", 2))[0] == 1

    run(test())


@both
def test_requests_to_models_that_were_replaced_count_as_in_flight(tricky: Tricky, class_name: str) -> None:
    """Tasks are prepared only while none is."""

    async def test() -> None:
        async with bench(tricky, class_name=class_name) as it:
            await asked(it, "track")
            await serve_next(it)
            poll = asyncio.create_task(
                it.ask(task(1, "block gate"), params={"context": {"event": "track_progress"}})
            )
            await until(lambda: tricky.started("gate"), "the old version has it")
            assert it.pool.registry.in_flight == 1
            tricky.release("gate")
            [entry] = await poll
            assert entry["result"][0]["number"] == 0
            assert it.pool.registry.in_flight == 0

    run(test())
