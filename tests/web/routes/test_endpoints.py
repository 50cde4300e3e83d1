"""Every call of Label Studio, the captured ones first, against an application made by `init_app`."""

import base64
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from helpers import Captured, all_captured, captured, strict
from label_studio_ml.errors import PredictError, RequestError
from label_studio_ml.http_server.messages import Call
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.protocol.requests import Event
from label_studio_ml.runtime.wsgi_application import BackendApp
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.web import label_config_checks
from label_studio_ml.web.routes import endpoints as endpoints_module
from tricky import CONFIG, Tricky, task
from tricky_apps import MakeApp, applications

pytestmark = pytest.mark.usefixtures("clean_env")

#: Secrets that requests carry, which no log and no answer may show.
CANARIES = ("C4NARY-token", "C4NARY-password", "C4NARY-login", "C4NARY-access")

UID = "2.1795434258"


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


@pytest.fixture
def make_app(tricky: Tricky, caplog: pytest.LogCaptureFixture) -> Iterator[MakeApp]:
    """Return a function that makes an application of the tricky model, its arguments those of `init_app`."""
    caplog.set_level(logging.DEBUG)
    with applications(tricky) as make:
        yield make
    for canary in CANARIES:
        assert canary not in caplog.text


class Client:
    """Asks an application, and looks at every answer for what must not be in it."""

    def __init__(self, app: BackendApp, login: tuple[str, str] | None = None) -> None:
        self.app = app
        self._client = app.test_client()
        self._login = login

    def __call__(
        self, method: str, path: str, json_: Any = None, *, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Return status and parsed body."""
        status, parsed, _ = self.full(method, path, json_, body=body, **headers)
        return status, parsed

    def full(
        self, method: str, path: str, json_: Any = None, *, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """Return status, parsed body and headers."""
        data = body if body is not None else (b"" if json_ is None else json.dumps(json_).encode())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._login is not None and "Authorization" not in named:
            named["Authorization"] = basic(*self._login)
        answer = self._client.open(
            path, method=method, data=data, headers=named, content_type="application/json"
        )
        text = answer.get_data(as_text=True)
        assert "Traceback" not in text
        assert not any(canary in text for canary in CANARIES)
        return answer.status_code, strict(text) if text else None, answer.headers

    def captured(self, request: Captured) -> tuple[int, Any]:
        """Send a captured request."""
        return self(request.method, request.path, request.json, User_Agent=request.agent)


def basic(user: str, password: str, encoding: str = "utf-8") -> str:
    """Return the header of a login."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode(encoding)).decode()}"


@pytest.fixture
def ask(make_app: MakeApp) -> Client:
    return Client(make_app())


@pytest.fixture
def known(ask: Client) -> Client:
    """A client whose project has called /setup."""
    status, body = ask.captured(captured("setup"))
    assert (status, body) == (200, {"model_version": "INITIAL"})
    return ask


def with_secrets(request: Captured) -> Captured:
    """Return a captured webhook with canaries where Label Studio sends the project's secrets."""
    secrets = {"token": CANARIES[0], "task_data_password": CANARIES[1], "task_data_login": CANARIES[2]}
    return request.with_fields(project={**request.json["project"], **secrets})


class TestCaptured:
    def test_every_captured_request_is_answered(self, known: Client, any_captured: Captured) -> None:
        status, body = known.captured(any_captured)
        trains = (
            any_captured.path == "/train" or "ANNOTATION" in any_captured.name or "START" in any_captured.name
        )
        assert (status, type(body)) == (201 if trains else 200, dict), body

    def test_predictions_are_one_per_task_with_the_version_of_setup(self, known: Client) -> None:
        for request in all_captured("predict"):
            status, body = known.captured(request)
            assert status == 200
            assert len(body["results"]) == len(request.json["tasks"])
            for entry, one in zip(body["results"], request.json["tasks"], strict=True):
                assert entry["model_version"] == "INITIAL"
                assert entry["result"][0]["task"] == one["id"]

    def test_an_interactive_request_sees_its_context(self, known: Client) -> None:
        request = captured("predict_interactive")
        _, body = known.captured(request)
        assert body["results"][0]["result"][0]["context"] == request.json["params"]["context"]

    def test_an_annotation_trains_and_everything_tells_the_new_version(self, known: Client) -> None:
        status, body = known.captured(with_secrets(captured("webhook_ANNOTATION_CREATED")))
        assert status == 201
        job = body["job"]
        _, setup = known.captured(captured("setup"))
        version = setup["model_version"]
        assert isinstance(version, str)
        assert version != "INITIAL"
        _, predicted = known.captured(captured("predict_retrieve"))
        assert {entry["model_version"] for entry in predicted["results"]} == {version}
        assert predicted["results"][0]["result"][0]["number"] == 1
        _, versions = known.captured(captured("versions"))
        assert versions["versions"][0] == version
        status, record = known("POST", "/job_status", {"job": job})
        assert (status, record["job_status"]) == (200, "finished")

    def test_the_training_button_answers_with_a_job(self, known: Client) -> None:
        status, body = known.captured(with_secrets(captured("webhook_START_TRAINING")))
        assert status == 201
        assert isinstance(body["job"], str)

    def test_a_bulk_event_trains(self, known: Client) -> None:
        single = captured("webhook_ANNOTATION_CREATED").json
        bulk = {
            "action": "ANNOTATIONS_CREATED",
            "annotation": [single["annotation"]],
            "task": [single["task"]],
            "project": single["project"],
        }
        status, body = known("POST", "/webhook", bulk)
        assert status == 201
        assert body["job"]
        _, setup = known.captured(captured("setup"))
        assert setup["model_version"] != "INITIAL"

    @pytest.mark.parametrize(
        "action", ["LABEL_LINK_CREATED", "SOMETHING_NEW", "PROJECT_UPDATED", "TASKS_DELETED"]
    )
    def test_other_actions_are_answered_200(self, known: Client, action: str) -> None:
        request = captured("webhook_PROJECT_UPDATED").with_fields(action=action)
        assert known.captured(request)[0] == 200

    @pytest.mark.parametrize("action", ["PROJECT_CREATED", "TASKS_DELETED"])
    def test_an_action_without_a_project_is_answered_200(self, ask: Client, action: str) -> None:
        assert ask("POST", "/webhook", {"action": action})[0] == 200


class TestRoutes:
    @pytest.mark.parametrize("path", ["/", "/health", "/health/"])
    def test_health_is_up(self, ask: Client, path: str) -> None:
        status, body = ask("GET", path)
        assert (status, body["status"], body["model_class"]) == (200, "UP", "Tricky")

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_versions_takes_both_methods(self, known: Client, method: str) -> None:
        assert known(method, "/versions") == (200, {"versions": ["INITIAL"], "model_version": "INITIAL"})

    @pytest.mark.parametrize("name", [UID, "2"])
    def test_versions_of_one_project(self, known: Client, name: str) -> None:
        assert known("POST", "/versions", {"project": name})[1]["versions"] == ["INITIAL"]
        assert known("GET", f"/versions?project={name}")[1]["versions"] == ["INITIAL"]

    def test_versions_before_any_project(self, ask: Client) -> None:
        assert ask("GET", "/versions") == (200, {"versions": []})

    def test_is_training(self, known: Client) -> None:
        status, body = known("GET", f"/is_training?project={UID}")
        assert (status, body["is_training"], body["model_version"]) == (200, False, "INITIAL")

    def test_an_unknown_job_is_410(self, ask: Client) -> None:
        status, body = ask("POST", "/job_status", {"job": "none"})
        assert (status, body["job_status"]) == (410, "removed")

    def test_validate(self, ask: Client) -> None:
        assert ask("POST", "/validate", {"config": CONFIG})[0] == 200
        status, body = ask("POST", "/validate", {"config": "<View>"})
        assert (status, body["field"]) == (400, "config")

    def test_a_copy_of_a_model_is_served(self, known: Client) -> None:
        known.captured(captured("webhook_START_TRAINING"))
        status, body = known("POST", "/duplicate_model", {"project_src": UID, "project_dst": "9.9"})
        assert status == 200
        asked = {"tasks": [task(1)], "project": "9.9", "label_config": CONFIG}
        entries = known("POST", "/predict", asked)[1]["results"]
        assert entries[0]["model_version"] == body["model_version"]
        assert entries[0]["result"][0]["number"] == 1

    def test_a_deleted_project_starts_again(self, known: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        known.captured(captured("webhook_START_TRAINING"))
        deleted: list[str] = []
        monkeypatch.setattr(EvaluationReports, "delete_project", lambda reports, uid: deleted.append(uid))
        assert known("POST", "/delete", {"project": UID})[0] == 200
        assert deleted == [UID]
        assert known("POST", "/delete", {"project": UID})[0] == 404
        assert known.captured(captured("setup"))[1] == {"model_version": "INITIAL"}

    @pytest.mark.parametrize("path", ["/nowhere", "/predict/more", "/%2e%2e/etc", "/problem"])
    def test_an_unknown_path_is_404(self, ask: Client, path: str) -> None:
        for method in ("GET", "POST"):
            assert ask(method, path)[0] == 404

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/predict", "POST"),
            ("GET", "/setup", "POST"),
            ("GET", "/webhook", "POST"),
            ("POST", "/health", "GET"),
            ("DELETE", "/versions", "GET, POST"),
            ("PUT", "/predict", "POST"),
        ],
    )
    def test_a_wrong_method_is_405(self, ask: Client, method: str, path: str, allowed: str) -> None:
        status, _, headers = ask.full(method, path)
        assert (status, headers["Allow"]) == (405, allowed)

    def test_head_is_get_without_a_body(self, ask: Client) -> None:
        assert ask("HEAD", "/health") == (200, None)


class TestSetup:
    @pytest.mark.parametrize(
        ("sent", "got"),
        [(None, {}), ("", {}), ('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ([1], [1])],
    )
    def test_extra_params_reach_the_model_whatever_they_are(self, ask: Client, sent: Any, got: Any) -> None:
        assert ask.captured(captured("setup").with_fields(extra_params=sent))[0] == 200
        _, body = ask.captured(captured("predict_task_opened").with_fields(project=UID))
        assert body["results"][0]["result"][0]["extra"] == got

    def test_garbage_in_extra_params_is_no_500(self, ask: Client) -> None:
        assert ask.captured(captured("setup").with_fields(extra_params="{not json"))[0] == 200
        assert ask.captured(captured("predict_retrieve"))[0] == 200

    def test_emptied_extra_params_are_empty_again(self, ask: Client) -> None:
        for sent, got in [({"a": 1}, {"a": 1}), (None, {})]:
            ask.captured(captured("setup").with_fields(extra_params=sent))

            def told() -> Any:  # the model that knew the old ones answers until the new one is loaded
                return ask.captured(captured("predict_retrieve"))[1]["results"][0]["result"][0]["extra"]

            wait_until(lambda got=got, told=told: told() == got, f"the model knows {got}")  # type: ignore[misc]

    @pytest.mark.parametrize("schema", ["", "<View></View>", None])
    def test_a_project_without_labels_can_be_connected(self, ask: Client, schema: str | None) -> None:
        assert ask.captured(captured("setup").with_fields(schema=schema))[0] == 200

    def test_a_model_that_does_not_load_is_an_error_that_says_why(
        self, ask: Client, tricky: Tricky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoints_module, "SETUP_GRACE", 120.0)
        tricky.order("on_load", "raise hell")
        status, body = ask("POST", "/setup", captured("setup").json)
        assert status == 500
        assert "told to hell" in body["detail"]

    def test_the_token_does_not_come_back(self, ask: Client) -> None:
        ask.captured(captured("setup").with_fields(access_token=CANARIES[3]))
        ask.captured(captured("versions"))


class TestBadRequests:
    @pytest.mark.parametrize(
        ("path", "fields", "field"),
        [
            ("/predict", {}, "tasks"),
            ("/predict", {"tasks": "x"}, "tasks"),
            ("/predict", {"tasks": [1]}, "tasks[0]"),
            ("/predict", {"tasks": [], "project": []}, "project"),
            ("/predict", {"tasks": [{}], "project": "new", "label_config": "<View>"}, "label_config"),
            ("/predict", {"tasks": [], "params": 3}, "params"),
            ("/setup", {}, "project"),
            ("/setup", {"project": "1.1", "schema": "<View><Choices>"}, "schema"),
            ("/setup", {"project": "1.1", "schema": "<!DOCTYPE x><View/>"}, "schema"),
            ("/setup", {"project": "1.1", "schema": 3}, "schema"),
            ("/setup", {"project": "1.1", "hostname": 3}, "hostname"),
            ("/webhook", {}, "action"),
            ("/webhook", {"action": "ANNOTATION_CREATED"}, "project"),
            ("/webhook", {"action": "ANNOTATION_CREATED", "project": 3}, "project"),
            ("/webhook", {"action": "ANNOTATION_CREATED", "project": {}}, "project.id"),
            ("/train", {"annotations": 3, "project": "1.1"}, "annotations"),
            ("/train", {}, "project"),
            ("/job_status", {}, "job"),
            ("/job_status", {"job": 3}, "job"),
            ("/validate", {}, "config"),
            ("/duplicate_model", {}, "project"),
            ("/delete", {}, "project"),
            ("/delete", {"project": {}}, "project"),
            ("/versions", {"project": {"a": 1}}, "project"),
        ],
    )
    def test_a_wrong_field_is_named(self, ask: Client, path: str, fields: Any, field: str) -> None:
        status, body = ask("POST", path, fields)
        assert (status, body["status"], body["field"]) == (400, 400, field)
        assert field in body["detail"]

    @pytest.mark.parametrize(
        "path", ["/predict", "/setup", "/webhook", "/train", "/job_status", "/validate", "/delete"]
    )
    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"a=1", b"[" * 100_000])
    def test_what_is_no_json_object_is_400(self, ask: Client, path: str, body: bytes) -> None:
        status, answer = ask("POST", path, body=body)
        assert (status, answer["field"]) == (400, "body")

    @pytest.mark.parametrize(
        ("path", "fields", "field"),
        [
            ("/delete", {"project": "77.7"}, "project"),
            ("/versions", {"project": "77.7"}, "project"),
            ("/duplicate_model", {"project_src": "77.7", "project_dst": "1.1"}, "project_src"),
        ],
    )
    def test_an_unknown_project_is_404(self, ask: Client, path: str, fields: Any, field: str) -> None:
        status, body = ask("POST", path, fields)
        assert (status, body["field"]) == (404, field)
        assert ask("GET", "/is_training?project=77.7")[0] == 404
        assert ask("GET", "/is_training")[0] == 400

    @pytest.mark.parametrize("uid", ["../../x", "a/b", "..", "x" * 150, "é"])
    def test_an_odd_uid_stays_inside(self, ask: Client, uid: str, tricky: Tricky) -> None:
        before = {path.name for path in tricky.folder.parent.iterdir()}
        assert ask("POST", "/setup", {"project": uid, "schema": CONFIG})[0] == 200
        assert ask("POST", "/predict", {"tasks": [task(1)], "project": uid})[0] == 200
        assert ask("POST", "/delete", {"project": uid})[0] == 200
        assert {path.name for path in tricky.folder.parent.iterdir()} == before

    @pytest.mark.parametrize("uid", ["x" * 201, "/" * 190, "a\nb"])
    def test_an_impossible_uid_is_400(self, ask: Client, uid: str) -> None:
        for path, fields in [("/setup", {}), ("/predict", {"tasks": [task(1)]})]:
            status, body = ask("POST", path, {"project": uid, **fields})
            assert (status, body["field"]) == (400, "project")


class TestEventsAreNotLost:
    def test_a_model_that_does_not_load_does_not_cost_the_event(
        self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch, make_app: MakeApp
    ) -> None:
        """The label config of the event is another, so another model has to load; that fails: the event counts."""
        monkeypatch.setattr(endpoints_module, "SETUP_GRACE", 120.0)
        tricky.order("on_load", "raise hell")
        client = Client(make_app())
        app = client.app
        assert client("POST", "/setup", captured("setup").json)[0] == 500
        assert app._running is not None
        core = app._running._started_application
        heard: list[str] = []

        def hand_in(event: Event, *, trusted: bool, train: bool) -> str:
            heard.append(event.action)
            return "job"

        monkeypatch.setattr(core.endpoints._intake, "hand_in", hand_in)
        event = captured("webhook_ANNOTATION_CREATED")
        for config in [CONFIG, CONFIG.replace("A", "Z")] * 3:
            changed = {**event.json["project"], "label_config": config}
            assert client.captured(event.with_fields(project=changed))[0] == 201
            setup = {"project": UID, "schema": config}
            wait_until(lambda setup=setup: client("POST", "/setup", setup)[0] == 500, "it failed")  # type: ignore[misc]
        assert heard == ["ANNOTATION_CREATED"] * 6


class TestJobs:
    """Trainings that run at once."""

    def test_a_job_is_listed_and_told_of(self, known: Client) -> None:
        job = known.captured(with_secrets(captured("webhook_START_TRAINING")))[1]["job"]
        status, body = known("GET", "/jobs?project=2")
        assert (status, [one["job"] for one in body["jobs"]]) == (200, [job])
        assert known("GET", "/jobs")[1] == body
        assert known("GET", f"/jobs/{job}") == (200, body["jobs"][0])
        assert known("POST", "/job_status", {"job": job}) == (200, body["jobs"][0])
        assert known("GET", f"/jobs/{job}/log")[1]["lines"] == []
        assert known("GET", f"/jobs/{job}/metrics")[1]["points"] == []
        status, body = known("POST", f"/jobs/{job}/cancel")
        assert (status, "ended already" in body["detail"]) == (409, True)

    @pytest.mark.parametrize("part", ["", "/log", "/metrics", "/cancel"])
    def test_an_unknown_job_is_404(self, ask: Client, part: str) -> None:
        status, body = ask("POST" if part == "/cancel" else "GET", f"/jobs/none{part}")
        assert (status, body["field"]) == (404, "job")

    def test_an_unknown_project_is_404(self, known: Client) -> None:
        assert known("GET", "/jobs?project=77")[0] == 404

    @pytest.mark.parametrize("query", ["limit=0", "limit=x"])
    def test_a_limit_that_is_none_is_400(self, known: Client, query: str) -> None:
        status, body = known("GET", f"/jobs?{query}")
        assert (status, body["field"]) == (400, "limit")

    def test_the_wrong_method_is_405(self, ask: Client) -> None:
        status, body = ask("GET", "/jobs/none/cancel")
        assert (status, "accepts POST" in body["detail"]) == (405, True)


class TestLogin:
    LOGIN = ("me", "C4NARY-password")

    @pytest.fixture
    def app(self, make_app: MakeApp) -> BackendApp:
        return make_app(basic_auth_user=self.LOGIN[0], basic_auth_pass=self.LOGIN[1])

    @pytest.mark.parametrize("path", ["/webhook", "/predict"])
    def test_a_body_without_the_login_is_not_read_beyond_its_limit(self, app: BackendApp, path: str) -> None:
        body = b'{"action": "%b"}' % (b"x" * ((32 if path == "/webhook" else 1) << 20))
        read: list[int] = []

        class Body(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                read.append(1)
                return super().read(size)

            def readinto(self, buffer: Any) -> int:
                read.append(1)
                return super().readinto(buffer)

        refused, answered = {"/webhook": (413, 200), "/predict": (401, 400)}[path]
        for login, status in ((None, refused), (basic(*self.LOGIN), answered)):
            read.clear()
            answer = app.test_client().post(
                path,
                input_stream=Body(body),
                content_length=len(body),
                content_type="application/json",
                headers={"Authorization": login} if login else {},
            )
            assert (answer.status_code, bool(read)) == (status, login is not None)

    def test_a_large_event_of_label_studio_itself_is_taken_without_the_login(self, app: BackendApp) -> None:
        event = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"rle": [0] * (1 << 20)}}
        status, body = Client(app)("POST", "/webhook", event)
        assert (status, body["status"]) == (202, "accepted")

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Content-Type": "text/plain"}, 415),
            ({"Content-Type": "application/json", "Origin": "http://evil.example"}, 403),
            ({}, 400),  # as tests in users' folders send it
        ],
    )
    def test_below_flask_the_rules_for_pages_of_other_sites_hold(
        self, app: BackendApp, headers: dict[str, str], status: int
    ) -> None:
        given = {"Authorization": basic(*self.LOGIN), **headers}
        assert app.test_client().post("/predict", data=b"{}", headers=given).status_code == status

    def test_with_the_login_everything_works(self, app: BackendApp) -> None:
        client = Client(app, self.LOGIN)
        assert client("GET", "/health")[0] == 200
        for request in (captured("setup_basic_auth"), captured("webhook_START_TRAINING")):
            assert client.captured(request)[0] in (200, 201)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic é",
            "Basic bWU6",
            "Bearer C4NARY-token",
            "Digest username=me",
            basic("me", "wrong"),
            basic("you", "C4NARY-password"),
            basic("me", "C4NARY-password") + "x",
            basic("mé", "é", "latin-1"),
            "Basic " + "A" * 10_000,
            "Basic \udcff".encode("utf-8", "replace").decode(),
        ],
    )
    def test_without_it_all_is_401(self, app: BackendApp, header: str) -> None:
        client = Client(app)
        for method, path in [
            ("GET", "/health"),
            ("GET", "/"),
            ("POST", "/predict"),
            ("GET", "/x"),
            ("GET", "/metrics"),
        ]:
            status, _, headers = client.full(method, path, Authorization=header)
            assert status == 401
            assert headers["WWW-Authenticate"].startswith("Basic ")

    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    def test_a_password_beyond_ascii_is_understood_as_browsers_and_as_label_studio_send_it(
        self, make_app: MakeApp, encoding: str
    ) -> None:
        client = Client(make_app(basic_auth_user="mé", basic_auth_pass="pässwörd"))
        assert client("GET", "/health", Authorization=basic("mé", "pässwörd", encoding))[0] == 200
        assert client("GET", "/health", Authorization=basic("mé", "passwo?d"))[0] == 401

    def test_a_password_beyond_latin_is_not_question_marks(self, make_app: MakeApp) -> None:
        client = Client(make_app(basic_auth_user="я", basic_auth_pass="пароль"))
        assert client("GET", "/health", Authorization=basic("я", "пароль"))[0] == 200
        assert client("GET", "/health", Authorization=basic("?", "??????"))[0] == 401

    def test_a_webhook_of_a_known_project_is_taken_untrusted(
        self, app: BackendApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Client(app, self.LOGIN).captured(captured("setup"))[0] == 200
        heard: list[tuple[str, bool]] = []
        assert app._running is not None

        def hand_in(event: Event, *, trusted: bool, train: bool) -> str:
            heard.append((event.action, trusted))
            return "job"

        monkeypatch.setattr(app._running._started_application.endpoints._intake, "hand_in", hand_in)
        request = with_secrets(captured("webhook_ANNOTATION_CREATED"))
        assert Client(app).captured(request)[0] == 202
        assert heard == [("ANNOTATION_CREATED", False)]

    def test_a_webhook_without_login_changes_nothing_that_is_known(self, app: BackendApp) -> None:
        trusted = Client(app, self.LOGIN)
        trusted.captured(captured("setup"))
        forged = captured("webhook_PROJECT_UPDATED").with_fields(
            project={**captured("webhook_ANNOTATION_CREATED").json["project"], "label_config": "<View/>"}
        )
        assert Client(app).captured(forged)[0] == 200
        _, body = trusted("POST", "/predict", {"tasks": [task(1)], "project": UID})
        assert body["results"][0]["result"][0]["labels"] == ["Airbus", "Boeing"]

    def test_what_was_heard_is_told(self, app: BackendApp) -> None:
        trusted = Client(app, self.LOGIN)
        project = captured("webhook_ANNOTATION_CREATED").json["project"]
        updated = captured("webhook_PROJECT_UPDATED").with_fields(project=project)
        assert Client(app).captured(updated)[0] == 200  # of a project that is not known: not remembered
        assert "project" not in trusted("GET", f"/connection?project={UID}")[1]
        trusted.captured(captured("setup"))
        assert trusted("GET", "/connection?project=2")[1]["project"]["heard"] == {}
        Client(app).captured(updated)
        heard = trusted("GET", "/connection?project=2")[1]["project"]["heard"]
        assert heard["PROJECT_UPDATED"]["authorized"] is False
        trusted.captured(updated)
        status, body = trusted("GET", "/connection?project=2")
        assert body["project"]["heard"]["PROJECT_UPDATED"]["authorized"] is True
        assert (status, body["login"], body["learns"]) == (200, True, True)
        assert body["initial_version"] == "INITIAL"
        assert "ANNOTATION_CREATED" in body["events"]
        assert Client(app)("GET", "/connection")[0] == 401

    def test_an_answer_without_login_does_not_tell_which_projects_are_known(self, app: BackendApp) -> None:
        """Every event, and each of them broken in some ways: of a known project and of another one."""
        for request in all_captured("webhook"):
            for changes in ({}, {"project": 3}, {"action": None}, {"annotation": [1], "task": [[]]}):
                if "project" not in changes:
                    changes["project"] = captured("webhook_ANNOTATION_CREATED").json["project"]
                before = Client(app)("POST", "/webhook", {**request.json, **changes})
                Client(app, self.LOGIN).captured(captured("setup"))
                assert Client(app)("POST", "/webhook", {**request.json, **changes}) == before
                Client(app, self.LOGIN)("POST", "/delete", {"project": UID})

    def test_an_answer_without_login_takes_as_long_whether_the_project_is_known(
        self, app: BackendApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A step that is longer than any answer on a busy machine: neither answer comes before its end."""
        monkeypatch.setattr("label_studio_ml.web.routes.untrusted_webhooks.STEP", 2.0)
        Client(app, self.LOGIN).captured(captured("setup"))
        event = captured("webhook_ANNOTATIONS_DELETED").json
        for project in (event["project"], {**event["project"], "id": 77}):
            began = time.monotonic()
            assert Client(app)("POST", "/webhook", {**event, "project": project})[0] in (200, 202)
            assert time.monotonic() - began >= 1.9

    def test_the_training_button_needs_the_login(self, app: BackendApp) -> None:
        Client(app, self.LOGIN).captured(captured("setup"))
        assert Client(app)("POST", "/webhook", captured("webhook_START_TRAINING").json)[0] == 401

    def test_a_webhook_with_a_wrong_login_is_401(self, app: BackendApp) -> None:
        Client(app, self.LOGIN).captured(captured("setup"))
        request = captured("webhook_ANNOTATION_CREATED")
        assert Client(app, ("me", "wrong"))("POST", "/webhook", request.json)[0] == 401


class TestProblems:
    STUDIO = "heartex/1.23.2"

    @pytest.mark.parametrize(
        ("path", "fields", "status", "words"),
        [
            ("/predict", {"tasks": [task(1, "raise hell")], "project": "1.1"}, 500, "told-to-hell"),
            ("/predict", {"project": "1.1"}, 400, "tasks-is-missing"),
            ("/setup", {"project": "1.1", "schema": "<View>"}, 400, "not-well-formed"),
        ],
    )
    def test_label_studio_is_sent_to_a_page_that_spells_the_cause(
        self, ask: Client, path: str, fields: Any, status: int, words: str
    ) -> None:
        code, _, headers = ask.full("POST", path, fields, User_Agent=self.STUDIO)
        assert code == 303
        assert headers["Location"].startswith(f"problem/{status}/")
        assert words in headers["Location"]
        code, body = ask("GET", f"/{headers['Location']}", User_Agent=self.STUDIO)
        assert (code, body["status"]) == (status, status)

    def test_an_answer_has_the_code_of_the_error_and_so_has_the_page(self, ask: Client) -> None:
        status, body = ask("POST", "/predict", {"project": "1.1"})
        assert (status, body["code"], body["field"]) == (400, RequestError.code, "tasks")
        assert body["detail"].endswith("tasks is missing"), "the text is what it was"
        status, body, headers = ask.full("POST", "/predict", {"project": "1.1"}, User_Agent=self.STUDIO)
        assert (status, body["code"]) == (303, RequestError.code)
        assert headers["Location"].endswith(f"-{RequestError.code}")
        status, body = ask("GET", f"/{headers['Location']}", User_Agent=self.STUDIO)
        assert (body["detail"], body["code"]) == ("tasks is missing", RequestError.code)
        assert "code" not in ask("GET", "/problem/500/x-LSML-E1000")[1]

    def test_everyone_else_gets_the_status_at_once(self, ask: Client) -> None:
        assert ask("POST", "/predict", {}, User_Agent="curl/8")[0] == 400

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/problem/500/x", 500),
            ("/problem/503/", 503),
            ("/problem/418/a-b/c", 418),
            ("/problem/200/x", 404),
            ("/problem/999/x", 404),
            ("/problem/", 404),
            ("/problem/%C2%B2%C2%B2%C2%B2/x", 404),
            ("/problem/-500/x", 404),
        ],
    )
    def test_the_page_answers_with_its_status(self, ask: Client, path: str, status: int) -> None:
        assert ask("GET", path)[0] == status

    def test_a_host_that_is_not_known_is_told_at_the_page(
        self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALLOWED_HOSTS", "named.example")
        ask = Client(make_app())
        strange: dict[str, Any] = {"User_Agent": self.STUDIO, "Host": "evil.example"}
        code, _, headers = ask.full("GET", "/health", **strange)
        assert (code, headers["Location"].startswith("problem/421/")) == (303, True)
        code, body, headers = ask.full("GET", f"/{headers['Location']}", **strange)
        assert (code, "ALLOWED HOSTS" in body["detail"].replace("_", " ")) == (421, True)
        code, body, headers = ask.full("POST", "/problem/400/x", **strange)
        assert (code, "Location" in headers) == (421, False)

    def test_the_page_takes_no_body_and_is_not_trusted(self, ask: Client) -> None:
        code, body = ask("POST", "/problem/500/x", {"a": 1})
        assert (code, body["field"]) == (413, "body")
        assert "accepts no body" in body["detail"]
        assert ask.app._running is not None
        endpoints = ask.app._running._started_application.endpoints
        admission = endpoints.admit(Call("POST", "/problem/500/x", headers={"host": "localhost"}))
        assert (admission.trusted, admission.max_body) == (False, 0)

    def test_a_long_cause_with_odd_characters_makes_a_sound_url(self, ask: Client) -> None:
        order = "raise \r\nX-Evil: 1 é \N{PILE OF POO} /../ ?a#b%" + "x" * 5000
        fields = {"tasks": [task(1, order)], "project": "1.1"}
        code, _, headers = ask.full("POST", "/predict", fields, User_Agent=self.STUDIO)
        assert code == 303
        assert headers["Location"].isascii()
        assert len(headers["Location"]) < 400
        assert headers["Location"].endswith(f"-{PredictError.code}"), "it is not cut"
        assert "X-Evil" not in headers


class TestDeclaredSize:
    @pytest.mark.parametrize("length", ["\u00b2", "-5", "1_0", "5 5", "0x5", "9" * 5000])
    def test_one_that_is_no_number_is_refused(self, ask: Client, length: str) -> None:
        answer = ask._client.post(
            "/predict", content_type="application/json", environ_overrides={"CONTENT_LENGTH": length}
        )
        assert answer.status_code == 400
        assert answer.json is not None
        assert answer.json["field"] == "Content-Length"


class TestReflectedText:
    """A browser that is sent to an address of ours takes nothing in it for a page."""

    @pytest.mark.parametrize(
        "path",
        ["/problem/500/<script>alert(1)</script>", "/problem/404/%3Cimg%20src=x%20onerror=alert(1)%3E"],
    )
    def test_words_in_a_url_are_data(self, ask: Client, path: str) -> None:
        _, body, headers = ask.full("GET", path)
        assert "<" in body["detail"]
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


class TestSetupWithoutLogin:
    """What `/setup` names is read from only if it may be named: seen in what is stored of the project."""

    def test_the_address_of_the_caller_decides(self, ask: Client) -> None:
        body = {**captured("setup").json, "hostname": "http://127.0.0.1:8080"}
        assert ask("POST", "/setup", body)[0] == 200
        assert ask.app._running is not None
        registry = ask.app._running._started_application.endpoints._projects

        def known() -> Any:
            return registry._cached[body["project"]]

        assert (known().hostname, known().private) == ("http://127.0.0.1:8080", ("127.0.0.1",))
        forged = {**body, "hostname": "http://10.0.0.5", "access_token": "forged"}
        assert ask("POST", "/setup", forged, X_Forwarded_For="203.0.113.9")[0] == 200
        assert known().hostname == "http://127.0.0.1:8080"
        assert known().access_token == body["access_token"]


class TestLargeLabelConfigs:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/setup", "schema"),
            ("/validate", "config"),
            ("/predict", "label_config"),
            ("/train", "label_config"),
        ],
    )
    def test_one_that_is_too_large_is_refused(self, ask: Client, path: str, name: str) -> None:
        config = f"<View>{' ' * (4 << 20)}</View>"
        status, body = ask("POST", path, {"project": "1.1", "tasks": [], "annotations": [], name: config})
        assert (status, body["field"]) == (400, name)
        assert "more than the 4,194,304 that are allowed" in body["detail"]

    def test_an_event_with_one_counts_without_it(self, known: Client) -> None:
        event = captured("webhook_PROJECT_UPDATED")
        event.json["project"]["label_config"] = "x" * (5 << 20)
        assert known.captured(event)[0] == 200
        assert known.captured(captured("predict_retrieve"))[0] == 200

    def test_a_large_one_is_parsed_in_a_thread(self, ask: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        threads: list[str] = []

        def parse(xml: str) -> dict[str, Any]:
            threads.append(threading.current_thread().name)
            return parse_label_config(xml)

        monkeypatch.setattr(label_config_checks, "parse_label_config", parse)
        for size in (100, 100_000):
            assert ask("POST", "/validate", {"config": f"<View>{' ' * size}</View>"})[0] == 200
        assert threads[0] == "label-studio-ml"
        assert threads[1] != "label-studio-ml"
