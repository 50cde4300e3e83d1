"""Steps of connecting that a running backend answers: here with two projects of one number."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendView
from label_studio_ml.connect.steps import (
    Plan,
    _prediction,
    _prelabel,
    _untrained,
    _webhook,
    _with_advice,
    arrived,
)
from label_studio_ml.doctor import server, work
from label_studio_ml.doctor.check import Status
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import StudioError, StudioRefusedError
from label_studio_ml.protocol.requests import uid_of
from label_studio_ml.studio.resources.projects import ProjectResource
from label_studio_ml.versions.state.project_state import Projects
from live import CONFIG, FakeStudio, Live, make_live, task


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    studio = FakeStudio()
    live = make_live(tmp_path_factory.mktemp("steps") / "backend", studio, "judge")
    live.backend.start()
    yield live
    assert not live.backend.stop()
    studio.stop()


class Sender:
    """Stands for Label Studio's API: saving a project sends its event, unless it is `silent`."""

    def __init__(self, live: Live, project: dict[str, Any], *, silent: bool = False) -> None:
        self._live, self._project, self._silent = live, project, silent

    def change(self, number: int, **fields: Any) -> None:
        if not self._silent:
            event = {"action": "PROJECT_UPDATED", "project": self._project}
            assert self._live.post("/webhook", event).status_code in (200, 201)


def _project(created: str) -> dict[str, Any]:
    return {"id": 7, "created_at": created, "title": "t", "label_config": CONFIG}


def test_an_event_arrives_though_another_project_has_the_number(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = BackendView((live.backend.url,), Settings(backend_dir=live.folder))
    old, new = _project("2023-11-14T22:13:20.1Z"), _project("2026-01-01T00:00:00Z")
    for project in (old, new):
        heard = arrived(cast("ProjectResource", Sender(live, project)), view, project)
        assert heard["at"] > 0
    assert live.backend.program is not None
    answer = requests.get(
        f"{live.backend.url}/connection", params={"project": uid_of(old)}, timeout=60
    ).json()
    assert answer["project"]["uid"] == "7.1700000000"
    # An event of the old one is none of the new one.
    monkeypatch.setattr("label_studio_ml.connect.steps._EVENT_TIMEOUT", 0.5)
    assert arrived(cast("ProjectResource", Sender(live, new, silent=True)), view, new) == {}


def test_doctors_prediction_leaves_no_project_behind(live: Live) -> None:
    project = {**_project("2026-03-01T00:00:00Z"), "id": 12}
    context = Context(
        settings=Settings(backend_dir=live.folder),
        folder=live.folder,
        port=1,
        view=BackendView((live.backend.url,), Settings(backend_dir=live.folder)),
        url=live.backend.url,
        name="",
        project=project,
        number=12,
        task={**task(1), "data": {"text": "good morning"}, "annotations": [], "predictions": []},
    )
    wait_until(
        lambda: [check.status for check in server.server(context)] == [Status.OK],
        "the server has imported the model file",
    )
    check = work.prediction(context)
    assert check.status == Status.OK, check
    uids = Projects(live.model_dir).uids()
    assert "default" not in uids
    assert uid_of(project) in uids


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            "Can't connect to ML backend: SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')",
            "REQUESTS_CA_BUNDLE",
        ),
        ("Can't connect to ML backend …: Connection refused", "--host 0.0.0.0"),
        ("Able to connect, but authentication parameters were not provided", "BASIC_AUTH_USER"),
    ],
)
def test_what_label_studio_says_of_an_address_is_with_advice(said: str, says: str) -> None:
    error = _with_advice(
        StudioRefusedError(f"Label Studio refused: {said}", 400, said), "https://ml.example.com"
    )
    assert says in (error.fix or "")
    assert said in error.message


def _plan(studio: Mock) -> Plan:
    settings = Settings(backend_dir=Path())
    view = BackendView(("http://localhost:9090",), settings)
    return Plan(
        studio=studio, view=view, settings=settings, project=7, url="http://localhost:9090", name="0" * 12
    )


@pytest.mark.parametrize(
    ("chosen", "is_first", "says", "is_changed"),
    [
        ("other", False, "Warning: Pre-labeling: 'other' stays chosen", False),
        ("other", True, "'mine' is chosen, before it was 'other'", True),
        ("old", False, "'mine' is chosen, before it was 'old'", True),
        ("mine", False, "'mine' is chosen already", False),
        ("", True, "'mine' is chosen", True),
    ],
)
def test_a_second_backend_leaves_the_choice_of_the_first(
    chosen: str, is_first: bool, says: str, is_changed: bool
) -> None:
    studio = Mock()
    project = {"model_version": chosen, "show_collab_predictions": True}
    assert says in _prelabel(_plan(studio), project, {"title": "mine"}, ["old"], is_first=is_first)
    assert studio.projects.change.called is is_changed


@pytest.mark.parametrize(("is_new", "says"), [(True, "created"), (False, "updated")])
def test_the_webhook_that_label_studio_makes_for_a_new_backend_is_not_called_updated(
    is_new: bool, says: str
) -> None:
    studio = Mock()
    studio.webhooks.of_project.return_value = [{"id": 1, "url": "http://localhost:9090/webhook"}]
    about = {"events": [], "learns": False}
    line = _webhook(_plan(studio), about, ["http://localhost:9090"], is_new=is_new)
    assert f"/webhook: {says}, without login" in line
    assert studio.webhooks.save.call_args.args[1] == 1


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"learns": True, "initial_version": "INITIAL"}, True),
        ({"learns": True, "initial_version": "other"}, False),
        ({"learns": False, "initial_version": "INITIAL"}, False),
        ({"learns": True}, False),
    ],
)
def test_a_model_without_a_training_is_said_to_have_none(about: dict[str, Any], says: bool) -> None:
    assert bool(_untrained(about, "INITIAL")) is says


GOOD = {"response": [{"result": [{}], "model_version": "v1"}]}
REFUSED = StudioRefusedError("Label Studio refused a request: 500", 500, "no predictions")


@pytest.mark.parametrize("failure", [REFUSED, {"response": [{"error": "no picture"}]}])
def test_a_task_that_cannot_be_predicted_fails_no_connection(failure: Any) -> None:
    """Label Studio chooses the task of each test at random."""
    studio = Mock()
    studio.backends.test_prediction.side_effect = [failure, GOOD]
    line = _prediction(_plan(studio), {"id": 1}, {})
    assert line.startswith(
        "Test prediction through Label Studio: 1 region, version v1; another task had none: "
    )


def test_a_model_that_predicts_no_task_fails_the_connection() -> None:
    studio = Mock()
    studio.backends.test_prediction.return_value = {"response": [{"error": "no picture"}]}
    with pytest.raises(StudioError, match="no prediction for a task of the project: no picture"):
        _prediction(_plan(studio), {"id": 1}, {})
    assert studio.backends.test_prediction.call_count == 3


#: What /connection says of a class that learns, and of one that does not.
LEARNS = {"learns": True, "initial_version": "INITIAL"}
LEARNS_NOT = {"learns": False, "initial_version": "INITIAL"}
#: The answer for a model whose predict returns None for this task.
NONE = {"response": [{"error": "predict returned None for this task", "model_version": "INITIAL"}]}


@pytest.mark.parametrize("answer", [{"response": []}, {"response": [[]]}, NONE])
def test_a_class_that_predicts_after_its_first_training_only_is_connected(answer: dict[str, Any]) -> None:
    studio = Mock()
    studio.backends.test_prediction.return_value = answer
    line = _prediction(_plan(studio), {"id": 1, "model_version": "INITIAL"}, LEARNS)
    assert "it works; the model returned" in line
    assert line.endswith("; nothing has been trained yet, and it may predict after the first training only")


def test_a_model_without_predictions_is_not_said_to_wait_for_a_training() -> None:
    studio = Mock()
    studio.backends.test_prediction.return_value = {"response": []}
    for backend, about in (({"model_version": "INITIAL"}, LEARNS_NOT), ({"model_version": "v2"}, LEARNS)):
        line = _prediction(_plan(studio), {"id": 1, **backend}, about)
        assert line.endswith("the model returned no prediction for a random task")
    studio.backends.test_prediction.return_value = NONE
    with pytest.raises(StudioError, match="predict returned None for this task"):
        _prediction(_plan(studio), {"id": 1, "model_version": "INITIAL"}, LEARNS_NOT)


@pytest.mark.parametrize("failure", [REFUSED, {"response": [{"error": "no picture"}]}])
def test_the_advice_about_a_failed_prediction_names_the_missing_training(failure: Any) -> None:
    for version, is_said in (("INITIAL", True), ("v2", False)):
        studio = Mock()
        studio.backends.test_prediction.side_effect = [failure] * 3
        studio.projects.get.return_value = {"id": 7, "created_at": "2026-11-23T11:44:18Z"}
        plan = replace(_plan(studio), view=Mock())
        with pytest.raises(StudioError) as caught:
            _prediction(plan, {"id": 1, "model_version": version}, LEARNS)
        assert ("Nothing has been trained yet" in caught.value.fix) is is_said
