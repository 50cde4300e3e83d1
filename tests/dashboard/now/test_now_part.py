"""The view Now of whole servers: two on one Redis, and one without."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import run, strict
from label_studio_ml.config.settings import Settings
from label_studio_ml.http_server.messages import Call
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.reports import server_reporting
from label_studio_ml.runtime.application import Application
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.intake.synchronous import SynchronousIntake
from label_studio_ml.web.intake_interface import TrainingIntake
from training.conftest import embedded_url, redis_url, url  # noqa: F401
from tricky import CONFIG, Tricky, task

LIMIT = 200.0


@asynccontextmanager
async def server(settings: Settings, intake: TrainingIntake) -> AsyncIterator[Application]:
    """A running server without a socket."""
    core = Application(settings, lambda: ProcessRunner(settings), intake)
    await core.start()
    try:
        yield core
    finally:
        await asyncio.wait_for(core.close(), LIMIT)


async def call(core: Application, method: str, path: str, body: Any = None, query: str = "") -> Any:
    """Return the JSON answer to a request."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"host": "localhost", "content-type": "application/json"}
    request = Call(method, path, query, headers, content, peer="127.0.0.1")
    response = await asyncio.wait_for(core.endpoints.handle(request), LIMIT)
    assert response.status in (200, 201), response.body
    return strict(response.body)


async def topic(core: Application, key: str) -> Any:
    return await call(core, "GET", "/dashboard/api/topic", query=f"key={key}")


async def until_topic(core: Application, key: str, condition: Any) -> Any:
    """Return the topic's value as soon as `condition` is true of it."""
    deadline = asyncio.get_running_loop().time() + LIMIT
    while not condition(value := await topic(core, key)):
        assert asyncio.get_running_loop().time() < deadline, value
        await asyncio.sleep(0.05)
    return value


async def predict(core: Application, project: int = 1) -> None:
    body = {"tasks": [task(1)], "project": f"{project}.1", "label_config": CONFIG}
    await call(core, "POST", "/predict", body)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_reporting, "TICK", 0.02)


def test_a_server_without_redis_shows_what_there_is(tmp_path: Path) -> None:
    async def check() -> None:
        settings = Tricky(tmp_path / "backend").settings()
        async with server(settings, SynchronousIntake(settings, LabelStudioMLBase)) as core:
            value = await call(core, "GET", "/dashboard/api/now")
            assert (value["redis"], value["problem"]) == (False, "")
            assert value["connect_command"].startswith(
                f"label-studio-ml connect {tmp_path}/backend --url http"
            )
            assert value["projects"] == {"known": 0, "served": 0, "failing": 0, "rows": []}
            assert value["trainings"]["rows"] == value["workers"]["rows"] == []
            await predict(core)
            value = await topic(core, "now")
            (row,) = value["projects"]["rows"]
            assert (row["uid"], row["state"]) == ("1.1", "loaded")
            figures = await topic(core, "now-series")
            assert len(figures["series"]["at"]) == len(figures["series"]["p95"])
            attention = await until_topic(core, "attention", lambda value: value["total"] == 0)
            assert attention["entries"] == []

    run(check())


def test_two_servers_on_one_redis_show_the_same(tmp_path: Path, url: str) -> None:  # noqa: F811
    async def check() -> None:
        settings = replace(Tricky(tmp_path / "backend").settings(), redis_url=url)
        intakes = [RedisIntake.of(settings, lambda timeout: url) for _ in range(2)]
        async with server(settings, intakes[0]) as one, server(settings, intakes[1]) as other:
            await until_topic(one, "now", lambda value: len(value["servers"]) == 2)
            await predict(one)
            await call(
                one,
                "POST",
                "/webhook",
                {"action": "START_TRAINING", "project": {"id": 1, "created_at": "1970-01-01T00:00:01Z"}},
            )
            seen = [
                await until_topic(
                    core, "now", lambda value: value["projects"]["served"] and value["trainings"]["waiting"]
                )
                for core in (one, other)
            ]
            for value in seen:
                assert [row["uid"] for row in value["projects"]["rows"]] == ["1.1"]
                (training,) = value["trainings"]["rows"]
                assert (training["uid"], training["state"]) == ("1.1", "waiting")
                assert value["workers"]["total"] == 0
            shown = [
                [(each["id"], each["pid"], each["silent"]) for each in value["servers"]] for value in seen
            ]
            assert shown[0] == shown[1]

    run(check())


def test_a_redis_that_is_gone_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    async def check() -> None:
        settings = replace(Tricky(tmp_path / "backend").settings(), redis_url=f"unix://{tmp_path}/none.sock")
        intake = RedisIntake.of(settings, lambda timeout: f"unix://{tmp_path}/none.sock")
        async with server(settings, intake) as core:
            await predict(core)
            value = await topic(core, "now")
            assert "Redis" in value["problem"]
            assert [row["uid"] for row in value["projects"]["rows"]] == ["1.1"]
            assert len(value["servers"]) == 1
            attention = await topic(core, "attention")
            assert attention["entries"][0]["text"].startswith("Redis cannot be used")

    run(check())


def test_nothing_is_read_for_a_view_that_nobody_follows(tmp_path: Path) -> None:
    async def check() -> None:
        settings = Tricky(tmp_path / "backend").settings()
        async with server(settings, SynchronousIntake(settings, LabelStudioMLBase)) as core:
            await predict(core)
            assert core._dashboard.topics.reading == []

    run(check())
