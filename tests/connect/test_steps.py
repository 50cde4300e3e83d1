"""Steps of connecting that a running backend answers: here with two projects of one number."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import requests

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendView
from label_studio_ml.connect.steps import _with_advice, arrived
from label_studio_ml.doctor import server, work
from label_studio_ml.doctor.check import Status
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import StudioRefusedError
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


def test_an_event_arrives_though_another_project_has_the_number(live: Live) -> None:
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
    assert [check.status for check in server.server(context)] == [Status.OK]
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
