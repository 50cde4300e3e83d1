"""A Label Studio, or a proxy before it, that answers 429, 502, 503 or 504: asked again, and nothing twice."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioUnavailable
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.prediction_run import predict_project
from label_studio_ml.projects.prediction_store import PredictionStore
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.serving.offline_model import Outcome
from label_studio_ml.studio.transport import api_client
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.versions.state.project_state import Project
from studio.fake import Asked, Reply, Route

from .fake_project import CONFIG, RESULT, FakeProject

MakeProject = Callable[[int], FakeProject]

AWAY = (429, 502, 503, 504)
#: What a proxy says, and nothing that Label Studio would.
PAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"


class Sure:
    """A model that always answers."""

    version, batch, at_once = "v", 4, 2

    async def ask(self, tasks: Sequence[Any]) -> list[Outcome]:
        return [Outcome([{"result": RESULT, "score": 0.5}]) for _ in tasks]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two tries but where a test counts it."""
    monkeypatch.setattr(api_client, "MAX_PAUSE", 0.01)
    monkeypatch.setattr(PredictionStore.__init__, "__kwdefaults__", {"settle": 2, "sleep": lambda _: None})


def predicted(project: FakeProject, folder: Path, api: ProjectApi) -> Progress:
    progress = Progress()
    whole = Project(uid="1.1", label_config=CONFIG)
    asyncio.run(predict_project(api, whole, Sure(), Settings(backend_dir=folder, model_dir=folder), progress))
    return progress


def between(route: Route, replies: Sequence[Reply], *, carried_out: bool) -> Route:
    """Answer with the replies in turn, then as `route` does; with `carried_out`, the request is carried out, too."""
    waiting = list(replies)

    def answer(asked: Asked) -> Reply:
        if not waiting:
            return route(asked)
        if carried_out:
            route(asked)
        return waiting.pop(0)

    return answer


@pytest.mark.parametrize("status", AWAY)
@pytest.mark.parametrize("path", ["/api/tasks/", "/api/projects/1/model-versions/"])
def test_what_is_read_is_asked_for_again(
    make_project: MakeProject, tmp_path: Path, path: str, status: int
) -> None:
    project = make_project(10)
    replies = [Reply(status, PAGE)] * 6
    project.server.on(path, between(project.server.routes[path], replies, carried_out=False))
    assert predicted(project, tmp_path, project.api()).written == 10
    assert project.each("v") == dict.fromkeys(range(1, 11), 1)


@pytest.mark.parametrize(
    ("status", "carried_out"),
    [*((status, False) for status in AWAY), (502, True), (504, True)],
)
def test_what_is_stored_is_stored_once(
    make_project: MakeProject, tmp_path: Path, status: int, carried_out: bool
) -> None:
    """A proxy's 502 or 504 does not say whether Label Studio has stored the predictions."""
    project = make_project(10)
    path = "/api/projects/1/import/predictions"
    replies = [Reply(status, PAGE)] * (1 if carried_out else 6)
    project.server.on(path, between(project.server.routes[path], replies, carried_out=carried_out))
    assert predicted(project, tmp_path, project.api()).written == 10
    assert project.each("v") == dict.fromkeys(range(1, 11), 1)


def test_every_third_answer_fails(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(40)
    turn, kind = itertools.count(1), itertools.cycle(AWAY)
    for path, route in project.server.routes.items():

        def answer(asked: Asked, route: Route = route) -> Reply:
            return route(asked) if next(turn) % 3 else Reply(next(kind), PAGE)

        project.server.on(path, answer)
    assert predicted(project, tmp_path, project.api()).written == 40
    assert project.each("v") == dict.fromkeys(range(1, 41), 1)


@pytest.mark.parametrize("path", ["/api/tasks/", "/api/projects/1/import/predictions"])
@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_told(
    make_project: MakeProject, tmp_path: Path, path: str, status: int
) -> None:
    project = make_project(4)
    replies = [Reply(status, PAGE, {"Retry-After": "7"}), Reply(status, PAGE, {"Retry-After": "3600"})]
    project.server.on(path, between(project.server.routes[path], replies, carried_out=False))
    waited: list[float] = []
    api = ProjectApi(Http(project.server.url, "0" * 40, sleep=waited.append), 1)
    assert predicted(project, tmp_path, api).written == 4
    assert waited == [7, 30], "an hour is more than anybody means"
    assert project.each("v") == dict.fromkeys(range(1, 5), 1)


@pytest.mark.parametrize("status", AWAY)
def test_at_last_it_gives_up_and_says_why(make_project: MakeProject, tmp_path: Path, status: int) -> None:
    project = make_project(4)
    project.server.on("/api/tasks/", Reply(status, PAGE))
    told: list[str] = []
    with pytest.raises(StudioUnavailable, match=f"{status} at http://.*/api/tasks/"):
        predicted(project, tmp_path, project.api(patience=1.0, notify=told.append))
    assert f"Label Studio cannot answer at the moment: {status} at " in told[0]
    assert not project.predictions
