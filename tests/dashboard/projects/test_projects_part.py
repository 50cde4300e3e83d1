"""The API of projects and commands as part of an application: lists, one project, forgetting, roles, wrong fields."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.test_dashboard_app import log_in, make_app, with_logins  # noqa: F401
from label_studio_ml.dashboard.commands.command_table import COMMANDS
from label_studio_ml.dashboard.projects import project_list
from label_studio_ml.reports.command_record import CommandRecord, CommandState, new_command
from label_studio_ml.reports.command_records import MemoryCommandRecords
from label_studio_ml.runtime.wsgi_application import BackendApp
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from tricky import CONFIG

pytestmark = pytest.mark.usefixtures("clean_env")

UID, API = "6.171", "/dashboard/api/"
SETUP = {
    "project": UID,
    "schema": CONFIG,
    "hostname": "http://127.0.0.1:9",
    "access_token": "token-of-setup",
    "extra_params": {"limit": 3},
}
EVENT = {
    "action": "PROJECT_UPDATED",
    "project": {"id": 6, "created_at": "1970-01-01T00:02:51Z", "title": "Cats"},
}
"""A project with the uid 6.171."""


class Client:
    """Requests of one person's page."""

    def __init__(self, app: BackendApp, **login: str) -> None:
        self.app, self._client = app, app.test_client()
        if login:
            assert log_in(self._client, **login).status_code == 200
        self._csrf = json.loads(self._client.get(f"{API}session").data)["csrf"]

    def get(self, path: str, status: int = 200) -> Any:
        answer = self._client.get(API + path)
        assert answer.status_code == status, answer.data
        return json.loads(answer.data)

    def post(self, path: str, fields: dict[str, Any], status: int = 200) -> Any:
        answer = self._client.post(API + path, json=fields, headers={"X-CSRF-Token": self._csrf})
        assert answer.status_code == status, answer.data
        return json.loads(answer.data)


@pytest.fixture
def client(make_app: Callable[..., BackendApp]) -> Client:  # noqa: F811
    app = make_app()
    assert app.test_client().post("/setup", json=SETUP).status_code == 200
    return Client(app)


def test_a_project_that_label_studio_described(client: Client) -> None:
    (row,) = client.get("projects")["projects"]
    assert (row["uid"], row["title"], row["token"], row["forgotten"]) == (UID, "", True, False)
    assert row["heard"]["setup"] is not None
    assert row["heard"]["webhook"] is None
    assert row["links"]["data"] == "http://127.0.0.1:9/projects/6/data"
    assert client.app.test_client().post("/webhook", json=EVENT).status_code in (200, 201)
    project = client.get(f"projects/{UID}")
    assert project["title"] == "Cats"
    assert project["heard"]["webhook"] is not None
    assert "PROJECT_UPDATED" in project["events"]
    assert "SETUP" not in project["events"]
    assert project["label_config"] == CONFIG
    assert json.loads(project["extra_params"]) == {"limit": 3}
    assert (project["trainings"], project["last_command_ended"]) == ([], 0)
    assert project["served"]
    assert "token-of-setup" not in json.dumps([row, project]), "tokens stay on the server"


def test_a_long_label_config_is_cut(client: Client) -> None:
    long = CONFIG.replace("<View>", f"<View><Header value='{'x' * 50_000}'/>")
    client.app.test_client().post("/setup", json={**SETUP, "schema": long})
    project = client.get(f"projects/{UID}")
    assert len(project["label_config"]) == 20_000
    assert project["label_config_size"] == len(long)


def test_pages_and_searches_have_limits(client: Client) -> None:
    assert client.get("projects?search=nothing-like-it") == {"total": 0, "projects": []}
    assert client.get("projects?search=6.17&size=1")["total"] == 1
    assert client.get("projects?first=1") == {"total": 1, "projects": []}
    for query, field in (
        ("size=0", "size"),
        ("size=101", "size"),
        ("first=-1", "first"),
        ("first=x", "first"),
    ):
        assert client.get(f"projects?{query}", 400)["field"] == field
    assert client.get("projects/7.1", 404)["field"] == "uid"
    assert client.get("projects/7.1/studio", 404)["field"] == "uid"


def test_projects_to_choose_from(client: Client) -> None:
    client.app.test_client().post("/webhook", json=EVENT)
    names = {"uid": UID, "number": "6", "title": "Cats", "hostname": "http://127.0.0.1:9"}
    for query in ("search=CAT", "search=6.17&size=1&known=1"):
        assert client.get(f"project-names?{query}") == {"total": 1, "projects": [names]}
    assert client.get("project-names?search=dogs")["total"] == 0
    assert client.get("project-names?size=101", 400)["field"] == "size"


def test_label_studio_does_not_answer(client: Client) -> None:
    state = client.get(f"projects/{UID}/studio")
    assert state["token"]["kind"] == "unknown"
    assert "cannot be reached" in state["token"]["text"]
    assert state["coverage"] is None


def test_what_moves_is_a_topic(client: Client) -> None:
    moving = client.get(f"topic?key=project:{UID}")
    assert set(moving) == {"served", "heard", "trainings", "last_command_ended"}
    assert client.get("topic?key=commands") == []
    assert client.get(f"topic?key=commands:{UID}") == []
    assert "no command" in client.get("topic?key=command:unknown")["error"]


def test_each_end_of_a_command_shows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that began and ended between two looks changed Label Studio, too."""

    def last_ended(*records: CommandRecord) -> float:
        monkeypatch.setattr(MemoryCommandRecords, "recent", lambda *_: list(records))
        return float(client.get(f"projects/{UID}")["last_command_ended"])

    waiting = new_command("predict", UID, {}, user="", server="one")
    first = waiting.changed(state=CommandState.CANCELLED)
    second = new_command("rank", UID, {}, user="", server="one").changed(state=CommandState.FAILED)
    assert last_ended(waiting) == 0
    assert last_ended(first, waiting) == first.ended
    assert last_ended(second, first, waiting) == second.ended
    assert second.ended != first.ended


def test_a_forgotten_project(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_list, "REUSE", 0.0)
    assert client.post(f"projects/{UID}/forget", {"versions": "yes"}, 400)["field"] == "versions"
    client.post("projects/7.1/forget", {}, 404)
    deleted: list[str] = []
    monkeypatch.setattr(EvaluationReports, "delete_project", lambda reports, uid: deleted.append(uid))
    client.post(f"projects/{UID}/forget", {"versions": True})
    assert deleted == [UID]
    assert client.get("projects")["total"] == 0
    client.get(f"projects/{UID}", 404)
    assert client.app.test_client().post("/setup", json=SETUP).status_code == 200
    assert client.get("projects")["total"] == 1


def test_commands_need_a_known_project_and_right_fields(client: Client) -> None:
    assert client.post("commands", {"command": "predict", "project": "7.1"}, 404)["field"] == "project"
    assert client.post("commands", {"command": "predict"}, 400)["field"] == "project"
    assert client.post("commands", {"command": "train", "project": UID}, 400)["field"] == "command"
    wrong = {"command": "predict", "project": UID, "options": {"shards": -1}}
    assert client.post("commands", wrong, 400)["field"] == "options.shards"
    assert client.post("commands", {**wrong, "options": [1]}, 400)["field"] == "options"
    client.post("commands/unknown/cancel", {}, 404)
    client.get("commands/unknown", 404)
    listed = client.get(f"commands?project={UID}")
    assert listed["commands"] == []
    assert [command["name"] for command in listed["available"]] == [*COMMANDS]


def test_viewers_look_only(with_logins: BackendApp) -> None:  # noqa: F811
    operator = Client(with_logins, user="ada", password="secret")
    viewer = Client(with_logins, user="eve", password="look")
    assert viewer.get("projects") == {"total": 0, "projects": []}
    assert viewer.get("commands")["commands"] == []
    for path in (f"projects/{UID}/forget", "commands", "commands/x/cancel"):
        viewer.post(path, {}, 403)
    operator.post("commands/x/cancel", {}, 404)
