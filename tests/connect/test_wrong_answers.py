"""Answers of Label Studio that are null, a list, text, or objects without their fields: an error names the call."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect import steps
from label_studio_ml.connect.backend_client import view
from label_studio_ml.doctor import link, studio, work
from label_studio_ml.doctor.check import Check
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError
from label_studio_ml.studio.resources.label_studio import LabelStudio
from studio.fake import Asked, FakeServer, Reply

CONFIG = '<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
TASK = {"id": 1, "data": {"t": "x"}, "annotations": [], "predictions": []}
ABOUT = {"model_class": "M", "version": "3", "learns": True, "events": [], "studio": {}}

#: Right answers of Label Studio, by call.
RIGHT: dict[str, Any] = {
    "/api/version": {"release": "1.23.2"},
    "/api/projects/": {"id": 1, "title": "p", "label_config": CONFIG, "created_at": "2026-01-01T00:00:00Z"},
    "/api/tasks/": {"tasks": [TASK], "total": 1},
    "/api/ml/": [{"id": 1, "url": "http://127.0.0.1:1", "title": "m", "description": "", "state": "CO"}],
    "/api/webhooks/": [],
    "/api/ml/1/predict/test": {"response": [{"result": [], "model_version": "v"}]},
}
#: What may be in the place of any part of an answer.
WRONG: tuple[Any, ...] = (None, [None], {"id": "x"})


def _mutations(value: Any) -> Iterator[Any]:
    """Yield `value` with each of its parts replaced by each of WRONG, and with each of its fields left out."""
    yield from WRONG
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for changed in _mutations(value[key]):
                mutated = copy.copy(value)
                mutated[key] = changed
                yield mutated
            if isinstance(value, dict):
                yield {name: value[name] for name in value if name != key}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    """Label Studio and the backend in one."""
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def answers(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Label Studio answers, by call."""
    for name in ("_EVENT_TIMEOUT", "_MODEL_TIMEOUT"):
        monkeypatch.setattr(steps, name, 0.0)
    answers = copy.deepcopy(RIGHT)
    server.routes.clear()

    def reply(asked: Asked) -> Reply:
        path = asked.path if asked.path in answers else asked.path.rstrip("0123456789/") + "/"
        answer = answers[path]
        saves = asked.method in ("POST", "PATCH") and isinstance(answer, list) and answer
        return Reply.of(answer[0] if saves else answer)

    for path in answers:
        server.on(path, reply)
        server.on(path.rstrip("/"), reply)
    server.on("/health", Reply.of({"status": "UP"}))
    server.on("/connection", Reply.of(ABOUT))
    return answers


def _context(server: FakeServer, folder: Path) -> Context:
    settings = Settings(backend_dir=folder, model_dir=folder, studio_url=server.url, studio_api_key="f" * 40)
    asked = LabelStudio.open(settings)
    return Context(
        settings, folder, server.port, view(settings, server.url, server.port), server.url, "", asked, 1
    )


def _connect(server: FakeServer, folder: Path) -> None:
    context = _context(server, folder)
    assert context.studio is not None
    plan = steps.Plan(
        studio=context.studio,
        view=context.view,
        settings=context.settings,
        project=1,
        url=server.url,
        name="",
    )
    list(steps.connect(plan))


def _doctor(server: FakeServer, folder: Path) -> None:
    context = _context(server, folder)
    context.about = dict(ABOUT)
    for check in (
        studio.reachable,
        studio.token,
        studio.project,
        link.entry,
        link.webhook,
        link.annotations,
        work.files,
        work.prelabeling,
        work.score_column,
    ):
        assert isinstance(check(context), Check)


@pytest.mark.parametrize("command", [_connect, _doctor])
@pytest.mark.parametrize("call", RIGHT)
def test_connect_and_doctor(
    command: Any, call: str, server: FakeServer, answers: dict[str, Any], tmp_path: Path
) -> None:
    """Each wrong answer is taken as it is, or an error says so: any other exception fails the test."""
    for wrong in _mutations(RIGHT[call]):
        answers[call] = wrong
        try:
            command(server, tmp_path)
        except BackendError as error:
            assert str(error)  # noqa: PT017 (most answers are no error)


@pytest.mark.usefixtures("clean_env")
@pytest.mark.parametrize("call", ["/api/projects/", "/api/tasks/"])
def test_init(
    call: str,
    server: FakeServer,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "f" * 40)
    for wrong in (None, {"id": None}, {"tasks": None, "total": 1}, {"tasks": [None], "total": 1}):
        answers[call] = wrong
        assert main(["init", "--list", "--project", "1"]) == 1
        assert call in capsys.readouterr().err
    answers["/api/projects/"] = RIGHT["/api/projects/"]
    for data, code in ((None, 1), ([], 1), ({"t": None}, 0), ({"t": [None]}, 0)):
        answers["/api/tasks/"] = {"tasks": [{**TASK, "data": data}], "total": 1}
        assert main(["init", "--list", "--project", "1"]) == code
        printed = capsys.readouterr()
        assert ("GET /api/tasks/ has an unexpected form" in printed.err) == bool(code)


def test_evaluate(server: FakeServer, answers: dict[str, Any]) -> None:
    from label_studio_ml.studio.client import StudioClient
    from label_studio_ml.training.dataset import from_studio

    annotation = {"id": 1, "result": [{"type": "choices", "value": {"choices": ["a"]}}]}
    right = {"tasks": [{**TASK, "annotations": [annotation]}], "total": 1}
    client = StudioClient(server.url, "f" * 40)
    for wrong in _mutations(right):
        answers["/api/tasks/"] = wrong
        try:
            list(from_studio(client, "1"))
        except BackendError as error:
            assert "/api/tasks/" in str(error)  # noqa: PT017 (most answers are no error)
