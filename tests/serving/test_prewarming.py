"""The next tasks are prepared while the models are idle, and requests come first."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.serving import prewarming
from label_studio_ml.serving.prewarming import Prewarming, unlabelled_tasks
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.versions.state.project_state import Project
from pools import ONE, Bench, bench
from studio.fake import FakeServer, Reply
from tricky import Tricky, task

CODE = """

class Prepares(Tricky):
    def prewarm(self, task):
        with (HERE / "prepared").open("a") as file:
            file.write(f"{self.number} {task['id']}\\n")
        obey(task["data"].get("prepare", ""))


class PreparesTwice(Prepares):
    concurrency = 2


class PreparesAsync(Tricky):
    async def prewarm(self, task):
        with (HERE / "prepared").open("a") as file:
            file.write(f"{self.number} {task['id']}\\n")
"""

CLICK = {"context": {"result": [{"id": "r"}]}}


@pytest.fixture(autouse=True)
def _soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prewarming, "IDLE_AFTER", 0.04)
    monkeypatch.setattr(prewarming, "INTERVAL", 0.02)


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    made = Tricky(tmp_path / "backend")
    with (made.folder / "obedient.py").open("a") as file:
        file.write(CODE)
    return made


@dataclass
class Studio:
    """Stands for Label Studio's list of tasks: it has those that were added."""

    orders: dict[int, str] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    error: Exception | None = None

    def next_tasks(self, project: Project, after: int, count: int) -> list[dict[str, Any]]:
        self.asked.append(after)
        if self.error is not None:
            raise self.error
        return [
            {"id": number, "data": {"prepare": self.orders.get(number, "")}}
            for number in range(after + 1, after + 1 + count)
        ]


@asynccontextmanager
async def prepared_bench(
    tricky: Tricky, studio: Studio, class_name: str = "Prepares", count: int = 2, runner: Any = ProcessRunner
) -> AsyncIterator[Bench]:
    async with bench(tricky, runner, class_name) as it:
        it.pool.prewarming = Prewarming(it.pool.registry, count, studio.next_tasks)
        try:
            yield it
        finally:
            await it.pool.prewarming.close()


async def finished(it: Bench, tricky: Tricky, *expected: str) -> None:
    """Wait until nothing is to be prepared any more, and compare what was."""
    pool = it.pool.prewarming
    assert pool is not None
    await until(lambda: pool._running is None or pool._running.done(), "it is prepared")
    assert tricky.lines("prepared") == list(expected)


@pytest.mark.parametrize(
    ("class_name", "runner"),
    [("Prepares", ProcessRunner), ("PreparesAsync", ProcessRunner), ("Prepares", ThreadRunner)],
)
def test_the_next_tasks_are_prepared_once_and_in_order(tricky: Tricky, class_name: str, runner: Any) -> None:
    studio = Studio()

    async def test() -> None:
        async with prepared_bench(tricky, studio, class_name, runner=runner) as it:
            for _ in range(2):  # several clicks on one task
                await it.ask(task(1), params=CLICK)
                await finished(it, tricky, "0 2", "0 3")
            await it.ask(task(2), params=CLICK)
            await finished(it, tricky, "0 2", "0 3", "0 4")
            assert studio.asked == [1, 2]

    run(test())


def test_only_clicks_and_classes_with_the_method_count(tricky: Tricky) -> None:
    studio = Studio()

    async def test() -> None:
        async with prepared_bench(tricky, studio) as it:
            await it.ask(task(1))
            await finished(it, tricky)
        async with prepared_bench(tricky, studio, "Tricky") as it:
            await it.ask(task(1), params=CLICK)
            await finished(it, tricky)
        assert studio.asked == []

    run(test())


def test_nothing_is_prepared_beside_a_request(tricky: Tricky) -> None:
    studio = Studio()

    async def test() -> None:
        async with prepared_bench(tricky, studio, "PreparesTwice") as it:
            await it.ask(task(1))
            blocked = asyncio.create_task(it.ask(task(9, "block gate")))
            await until(lambda: tricky.started("gate"), "predict blocks")
            pool = it.pool.prewarming
            assert pool is not None
            model = it.pool.registry.current_model(ONE)
            assert model is not None
            pool.after(model, b'{"id": 1}')
            await asyncio.sleep(0.3)
            assert tricky.lines("prepared") == []
            tricky.release("gate")
            await blocked
            await finished(it, tricky, "0 2", "0 3")

    run(test())


def test_a_request_waits_for_the_task_in_progress_only(tricky: Tricky) -> None:
    studio = Studio({2: "block gate"})

    async def test() -> None:
        async with prepared_bench(tricky, studio) as it:
            await it.ask(task(1), params=CLICK)
            await until(lambda: tricky.started("gate"), "prewarm blocks")
            click = asyncio.create_task(it.ask(task(10), params=CLICK))
            await until(lambda: it.waiting() == 1, "it waits")
            tricky.release("gate")
            await click
            await finished(it, tricky, "0 2", "0 11", "0 12")  # no longer task 3: the annotator has gone on

    run(test())


def test_a_new_version_ends_it(tricky: Tricky) -> None:
    studio = Studio({2: "block gate"})

    async def test() -> None:
        async with prepared_bench(tricky, studio) as it:
            await it.ask(task(1), params=CLICK)
            await until(lambda: tricky.started("gate"), "prewarm blocks")
            it.publish(1)
            renewed = asyncio.create_task(it.pool.registry.renew(ONE))
            await asyncio.sleep(0.1)
            tricky.release("gate")
            await renewed
            await finished(it, tricky, "0 2")
            await it.ask(task(1), params=CLICK)
            await until(lambda: tricky.started("gate"), "prewarm blocks again")
            tricky.release("gate")
            await finished(it, tricky, "0 2", "1 2", "1 3")

    run(test())


def test_what_fails_is_logged_and_the_rest_goes_on(tricky: Tricky, caplog: pytest.LogCaptureFixture) -> None:
    studio = Studio({2: "raise hell", 3: "raise hell", 4: "raise heaven"})

    async def test() -> None:
        async with prepared_bench(tricky, studio, count=3) as it:
            await it.ask(task(1), params=CLICK)
            await finished(it, tricky, "0 2", "0 3", "0 4")

    with caplog.at_level(logging.WARNING):
        run(test())
    failures = [record.message for record in caplog.records if "prewarm failed" in record.message]
    assert len(failures) == 2  # once for each cause
    assert "ValueError: told to hell" in failures[0]
    assert "(task 2)" in failures[0]
    assert "ValueError: told to heaven" in failures[1]


def test_a_task_that_ends_the_process_is_not_tried_again(
    tricky: Tricky, caplog: pytest.LogCaptureFixture
) -> None:
    studio = Studio({2: "kill"})

    async def test() -> None:
        async with prepared_bench(tricky, studio) as it:
            await it.ask(task(1), params=CLICK)
            await finished(it, tricky, "0 2")
            await it.ask(task(9), params=CLICK)  # a new process answers
            await finished(it, tricky, "0 2", "0 10", "0 11")
            await it.ask(task(1), params=CLICK)
            await finished(it, tricky, "0 2", "0 10", "0 11", "0 3")

    run(test())
    assert "tasks are not prepared" in caplog.text


def test_without_label_studio_clicks_are_answered(tricky: Tricky, caplog: pytest.LogCaptureFixture) -> None:
    studio = Studio(error=StudioError("Label Studio's token is not known", fix="Set LABEL_STUDIO_API_KEY"))

    async def test() -> None:
        async with prepared_bench(tricky, studio) as it:
            for number in (1, 2, 3):
                await it.ask(task(number), params=CLICK)
                await finished(it, tricky)

    run(test())
    assert caplog.text.count("Set LABEL_STUDIO_API_KEY") == 1
    assert studio.asked == [1, 2, 3]


def test_the_end_does_not_wait_for_label_studio(tricky: Tricky) -> None:
    asked, answers = threading.Event(), threading.Event()

    def silent(project: Project, after: int, count: int) -> list[dict[str, Any]]:
        asked.set()
        answers.wait(60)
        return []

    async def test() -> None:
        async with bench(tricky, ProcessRunner, "Prepares") as it:
            it.pool.prewarming = Prewarming(it.pool.registry, 2, silent)
            await it.ask(task(1), params=CLICK)
            await until(asked.is_set, "Label Studio is asked")
            await it.pool.prewarming.close()

    ending = threading.Thread(target=run, args=(test(),), daemon=True)
    ending.start()
    assert asked.wait(60)
    ending.join(30)
    ended = not ending.is_alive()
    answers.set()
    assert ended


def test_the_list_of_label_studio(tmp_path: Path) -> None:
    server = FakeServer()
    try:
        server.on(
            "/api/tasks/", Reply.of({"tasks": [{"id": 8, "data": {}}, {"id": 9, "data": {}}], "total": 5})
        )
        settings = Settings.from_env(
            {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": "0" * 40}, backend_dir=tmp_path
        )
        tasks = unlabelled_tasks(settings, Project(uid="3.17"), 7, 2)
        assert [one["id"] for one in tasks] == [8, 9]
        (asked,) = server.asked
        assert (asked.query["project"], asked.query["page_size"]) == ("3", "2")
        assert "total_annotations" in asked.query["query"]
        assert unlabelled_tasks(settings, Project(uid="none"), 7, 2) == []
    finally:
        server.stop()
    with pytest.raises(StudioError, match="set PREWARM=0"):
        unlabelled_tasks(Settings.from_env({}, backend_dir=tmp_path), Project(uid="3.17"), 7, 2)
