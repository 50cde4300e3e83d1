"""The routes behind "Try it": tasks, predictions, checks, and files, with a fake of Label Studio's API."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from helpers import run
from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.dashboard.dashboard_app import Dashboard
from label_studio_ml.dashboard.trial.call_log import LogMark
from label_studio_ml.dashboard.trial.trial_part import TrialPart
from label_studio_ml.dashboard.trial.trial_prediction import shown_log
from label_studio_ml.errors import BackendError
from label_studio_ml.http_server.messages import Call
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.web.error_statuses import status_of
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.security.login_check import Login
from label_studio_ml.web.security.login_sessions import Sessions
from pools import service
from studio.fake import Asked, FakeServer, Reply
from tricky import CONFIG, Tricky

UID = "7.1795434258"
TOKEN, SECRET = "CANARY-access-token", "CANARY-password"
PICTURES = """<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i" smart="true">
<Label value="cat" background="#ff0000"/></RectangleLabels></View>"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def _meets(number: int, operator: str, value: Any) -> bool:
    """Return whether a task's id meets a condition of the Data Manager."""
    if operator == "in_list":
        return number in value
    return bool(number > value if operator == "greater" else number <= value)


class _Studio(FakeServer):
    """A fake, and no more: the tasks of project 7, and the files of two."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[int, dict[str, Any]] = {}
        self.on("/api/tasks/", self._page)
        for name in ("a", "b"):
            reply = Reply(200, PNG + name.encode(), {"Content-Type": "text/html"})
            self.on(f"/data/upload/7/{name}.png", reply)

    def add(self, number: int, **fields: Any) -> None:
        self.tasks[number] = {"id": number, "data": {"t": f"text {number}"}, "annotations": [], **fields}

    def _page(self, asked: Asked) -> Reply:
        found = sorted(self.tasks)
        for item in json.loads(asked.query["query"])["filters"]["items"]:
            found = [number for number in found if _meets(number, item["operator"], item["value"])]
        size, page = int(asked.query["page_size"]), int(asked.query["page"])
        part = found[size * (page - 1) : size * page]
        if not part and page > 1:
            return Reply.of({"detail": "Invalid page."}, 404)
        return Reply.of({"tasks": [self.tasks[number] for number in part], "total": len(found)})


@dataclass
class _Bench:
    """The part, behind a dashboard with two logins."""

    dashboard: Dashboard
    part: TrialPart
    sessions: Sessions
    projects: ProjectRegistry
    store: VersionStore
    studio: _Studio
    tricky: Tricky
    service: PredictionService

    async def ask(
        self, method: str, path: str, fields: Any = None, *, user: str = "operator", **query: Any
    ) -> tuple[int, Any]:
        """Return status and body of an answer, as a user; no answer has the token of Label Studio."""
        status, body, _ = await self.full(method, path, fields, user=user, **query)
        return status, json.loads(body)

    async def full(
        self, method: str, path: str, fields: Any = None, *, user: str = "operator", **query: Any
    ) -> tuple[int, bytes, dict[str, str]]:
        login = base64.b64encode(f"{user}:p".encode()).decode()
        headers = {"authorization": f"Basic {login}", **query.pop("headers", {})}
        body = b"" if fields is None else json.dumps(fields).encode()
        url = f"/dashboard/api/trial/{path}"
        call = Call(method, url, urlencode(query), headers, body)
        call.headers["x-csrf-token"] = self.sessions.session(call).csrf
        try:
            response = await self.dashboard.respond(call)
        except BackendError as error:
            text = f"{error} {error.field}"
            assert TOKEN not in text
            return status_of(error), json.dumps({"detail": str(error), "field": error.field}).encode(), {}
        sent = response.body
        if response.stream is not None:
            sent = b"".join([piece async for piece in response.stream])
        assert TOKEN.encode() not in sent
        return response.status, sent, response.headers

    async def task(self, **fields: Any) -> Any:
        status, answer = await self.ask("POST", "task", {"project": UID, **fields})
        assert status == 200, answer
        return answer

    async def file(self, link: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        path, _, query = link.partition("?")
        assert path == "dashboard/api/trial/file"
        return await self.full("GET", "file", headers=headers, **dict(parse_qsl(query)))

    def publish(self, number: int) -> None:
        self.store.begin(UID, f"id{number}")
        self.store.publish(
            Manifest(
                id=f"id{number}",
                name=f"v{number}",
                project=UID,
                fence=number,
                created="2026-11-23T00:00:00Z",
                train_output={"number": number},
            )
        )


@asynccontextmanager
async def _bench(
    tmp_path: Path, *, label_config: str = CONFIG, with_models: bool = False, **changes: Any
) -> AsyncIterator[_Bench]:
    studio, tricky = _Studio(), Tricky(tmp_path / "backend")
    http = HttpSettings(viewer_user="viewer", viewer_pass="p")
    settings = replace(
        tricky.settings(), basic_auth_user="operator", basic_auth_pass="p", http=http, **changes
    )
    store, stored = VersionStore(settings.model_dir), Projects(settings.model_dir)
    stored.put(
        Project(
            uid=UID,
            label_config=label_config,
            hostname=studio.url,
            access_token=TOKEN,
            title="Cats",
            private=("*",),
        )
    )
    projects, sessions = ProjectRegistry(stored), Sessions(Login(settings))
    served = service(lambda: ProcessRunner(settings), store)
    part = TrialPart(settings, projects, served, store, sessions, lambda: Scrubber([SECRET]))
    dashboard = Dashboard(sessions, [part], tls=False, streams=True)
    if with_models:
        await served.registry.start()
    try:
        yield _Bench(dashboard, part, sessions, projects, store, studio, tricky, served)
    finally:
        await part.close()
        if with_models:
            await served.registry.close()
        studio.stop()


def test_a_project_is_described(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, label_config=PICTURES) as bench:
            bench.publish(1)
            status, about = await bench.ask("GET", "project", project=UID)
            assert status == 200
            assert about["config"]["interactive"]
            assert about["config"]["objects"][0] == {
                "name": "i",
                "tag": "Image",
                "field": "image",
                "attributes": {"name": "i", "value": "$image"},
                "channels": [],
            }
            (control,) = about["config"]["controls"]
            assert control["labels"] == [{"value": "cat", "title": "cat", "background": "#ff0000"}]
            assert [version["id"] for version in about["versions"]] == ["id1", "untrained"]
            assert about["served"] == "v1"
            assert (await bench.ask("GET", "project", project="9"))[0] == 404

    run(play())


def test_tasks_are_listed_and_gone_through(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            for number in range(1, 51, 2):
                bench.studio.add(number)
            _, page = await bench.ask("GET", "tasks", project=UID)
            assert (page["total"], len(page["tasks"])) == (25, 20)
            assert page["tasks"][0] == {
                "id": 1,
                "text": "text 1",
                "total_annotations": 0,
                "total_predictions": 0,
            }
            _, page = await bench.ask("GET", "tasks", project=UID, page=2)
            assert [one["id"] for one in page["tasks"]] == [41, 43, 45, 47, 49]
            assert (await bench.ask("GET", "tasks", project=UID, page=9))[1]["tasks"] == []
            assert (await bench.ask("GET", "tasks", project=UID, task=13))[1]["tasks"][0]["id"] == 13

            async def neighbour(direction: str, task: int = 0) -> Any:
                return (await bench.ask("GET", "neighbour", project=UID, direction=direction, task=task))[1][
                    "task"
                ]

            assert await neighbour("next", 13) == 15
            assert await neighbour("next", 49) is None
            assert await neighbour("previous", 13) == 11
            assert await neighbour("previous", 1) is None
            assert await neighbour("any") in range(1, 51, 2)
            bench.studio.tasks.clear()
            assert await neighbour("any") is None
            assert all(asked.query.get("review") == "true" for asked in bench.studio.asked)

    run(play())


def test_label_studio_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            bench.studio.stop()
            status, answer = await bench.ask("GET", "tasks", project=UID)
            assert status == 502
            assert bench.studio.url in answer["detail"]
            await bench.projects.update("8.1", label_config=CONFIG)
            status, answer = await bench.ask("POST", "task", {"project": "8.1", "task_id": 1})
            assert status == 502
            assert "paste a task instead" in answer["detail"]
            status, _ = await bench.ask("POST", "task", {"project": "8.1", "task": {"t": "a"}})
            assert status == 200
            bench.studio = _Studio()

    run(play())


def test_a_huge_task_comes_without_its_annotations(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            bench.studio.add(1, annotations=[{"id": 1, "result": ["x" * (9 << 20)]}])
            answer = await bench.task(task_id=1)
            assert answer["task"]["annotations"] == []
            assert "too large" in answer["left_out"]
            bench.studio.add(2, data={"t": "x" * (9 << 20)})
            status, answer = await bench.ask("POST", "task", {"project": UID, "task_id": 2})
            assert (status, answer["field"]) == (400, "task")

    run(play())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"task": []}, "task"),
        ({"task": {"data": "x"}}, "task.data"),
        ({"task": {"data": {}, "annotations": {}}}, "task.annotations"),
        ({"task_id": "1"}, "task_id"),
        ({"task_id": True}, "task_id"),
        ({"sample": 0}, "sample"),
        ({"sample": 21}, "sample"),
        ({}, "task"),
        ({"task": {}, "label_config": 5}, "label_config"),
    ],
)
def test_what_is_no_task_is_named(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            status, answer = await bench.ask("POST", "task", {"project": UID, **fields})
            assert (status, answer["field"]) == (400, field)

    run(play())


def test_pasted_and_generated_tasks(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            answer = await bench.task(task={"t": "hello"})
            assert answer["objects"]["t"] == {"data": "hello", "file": ""}
            answer = await bench.task(task={"data": {"other": 1}})
            assert "no field 't'" in answer["objects"]["t"]["error"]
            first, second = await bench.task(sample=1), await bench.task(sample=2)
            assert first["task"]["id"] == 1
            assert first["objects"]["t"]["data"] != second["objects"]["t"]["data"]
            body = {"label_config": PICTURES, "sample": 1}
            status, answer = await bench.ask("POST", "task", body)
            assert status == 200
            assert answer["objects"]["i"]["data"].startswith("data:image/")
            assert answer["objects"]["i"]["file"] == ""
            status, answer = await bench.ask("POST", "config", {"label_config": "<View><"})
            assert (status, answer["field"]) == (400, "label_config")

    run(play())


def test_a_viewers_own_task_names_no_files(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, label_config=PICTURES) as bench:
            bench.studio.add(1, data={"image": "/data/upload/7/a.png"})

            async def task(**fields: Any) -> int:
                return (await bench.ask("POST", "task", {"project": UID, **fields}, user="viewer"))[0]

            assert await task(task_id=1) == 200
            assert await task(sample=1) == 200
            assert await task(task={"image": "data:image/png;base64,AA=="}) == 200
            for value in (
                "/data/upload/7/a.png",
                "http://x/y",
                " s3://a/b",
                "/etc/passwd",
                ["ok", {"a": "upload/7/a.png"}],
            ):
                assert await task(task={"image": value}) == 403

    run(play())


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("/data/upload/7/a.png", {}),
        ("http://169.254.169.254/$path", {"path": "latest"}),
        ("$first$second", {"first": "/data/up", "second": "load/7/a.png"}),
        ("$first:/$second", {"first": "http", "second": "/x/y"}),
    ],
)
def test_a_viewers_label_config_names_no_files(tmp_path: Path, source: str, data: dict[str, str]) -> None:
    """The server would fetch them with its own token, also those of projects that the viewer does not see."""

    async def play() -> None:
        async with _bench(tmp_path, label_config=PICTURES) as bench:
            config = f'<View><Image name="i" value="{source}"/></View>'
            own = {"label_config": config, "task": {"data": data}}
            made = {"label_config": config, "sample": 1}
            for fields in (own, *([made] if source.startswith(("/", "http")) else [])):
                for path in ("task", "predict"):
                    status, _ = await bench.ask("POST", path, fields, user="viewer")
                    assert status == 403, (path, fields)
            status, _ = await bench.ask("POST", "task", own)
            assert status == 200
            for sample in ({"sample": 1}, {"task": {"image": "data:image/png;base64,AA=="}}):
                fields = {"label_config": PICTURES, **sample}
                assert (await bench.ask("POST", "task", fields, user="viewer"))[0] == 200

    run(play())


def test_files_of_tasks_are_sent_with_a_signed_reference_only(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, label_config=PICTURES) as bench:
            bench.studio.add(1, data={"image": "/data/upload/7/a.png"})
            bench.studio.add(2, data={"image": "/data/upload/7/b.png"})
            link = (await bench.task(task_id=1))["objects"]["i"]["file"]
            other = (await bench.task(task_id=2))["objects"]["i"]["file"]
            status, body, headers = await bench.file(link)
            assert (status, body) == (200, PNG + b"a")
            assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert headers["X-Content-Type-Options"] == "nosniff"
            status, body, _ = await bench.file(link, range="bytes=0-3")
            assert (status, body) == (206, PNG[:4])
            query, others = dict(parse_qsl(link.partition("?")[2])), dict(parse_qsl(other.partition("?")[2]))
            forged = [
                {**query, "ref": others["ref"]},
                {**query, "sig": query["sig"][:-1] + ("0" if query["sig"][-1] != "0" else "1")},
                {**query, "sig": ""},
                {**query, "sig": bench.sessions.sign(query["ref"])},
                {"sig": query["sig"]},
            ]
            for wrong in forged:
                assert (await bench.ask("GET", "file", **wrong))[0] == 401
            secret = base64.urlsafe_b64encode(b'["7",1,"/etc/passwd"]').decode().rstrip("=")
            signed = {"ref": secret, "sig": bench.sessions.sign(f"trial file {secret}")}
            assert (await bench.ask("GET", "file", **signed))[0] == 502

    run(play())


def test_files_are_fetched_by_the_rules_of_models(tmp_path: Path) -> None:
    async def play() -> None:
        rules = FileSettings(max_bytes=50)
        async with _bench(tmp_path, label_config=PICTURES, files=rules) as bench:
            bench.studio.add(1, data={"image": "/data/upload/7/a.png"})
            for url in ("http://169.254.169.254/latest", "http://127.0.0.1:1/a.png"):
                link = (await bench.task(task={"image": url}))["objects"]["i"]["file"]
                status, answer, _ = await bench.file(link)
                assert status == 502
                assert json.loads(answer)["detail"]
            link = (await bench.task(task_id=1))["objects"]["i"]["file"]
            status, answer, _ = await bench.file(link)
            assert (status, json.loads(answer)["field"]) == (502, "FILES_MAX_MB")
            for text in ("/etc/passwd", "a cat", "", "x" * 20_000):
                assert (await bench.task(task={"image": text}))["objects"]["i"]["file"] == ""

    run(play())


def test_a_web_page_among_the_files_is_sent_as_bytes(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, label_config=PICTURES, document_root=tmp_path / "root") as bench:
            (tmp_path / "root").mkdir()
            (tmp_path / "root" / "a.html").write_text("<script>alert(1)</script>")
            (tmp_path / "root" / "b").write_bytes(PNG)
            (tmp_path / "secret.png").write_bytes(PNG)

            async def kind(name: str) -> tuple[int, str]:
                task = {"image": f"/data/local-files/?d={name}"}
                link = (await bench.task(task=task))["objects"]["i"]["file"]
                if not link:
                    return 0, ""
                query = dict(parse_qsl(link.partition("?")[2]))
                call = Call("GET", "/dashboard/api/trial/file", urlencode(query))
                call.headers["authorization"] = f"Basic {base64.b64encode(b'operator:p').decode()}"
                try:
                    response = await bench.dashboard.respond(call)
                except BackendError as error:
                    return status_of(error), ""
                return response.status, response.content_type

            assert await kind("a.html") == (200, "application/octet-stream")
            assert await kind("b") == (200, "image/png")
            assert (await kind("../secret.png"))[0] in (0, 502)

    run(play())


def test_versions_predict_side_by_side(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, with_models=True) as bench:
            bench.publish(1)
            bench.publish(2)
            bench.studio.add(1)

            async def predict(user: str = "operator", **fields: Any) -> tuple[int, Any]:
                body = {"project": UID, "task_id": 1, **fields}
                return await bench.ask("POST", "predict", body, user=user)

            status, answer = await predict()
            assert (status, answer["error"], answer["served"], answer["version"]) == (200, "", True, "v2")
            assert answer["predictions"][0]["result"][0]["number"] == 2
            assert answer["models"] == []
            status, answer = await predict("viewer", version="id1")
            assert (status, answer["field"]) == (403, "version")
            status, answer = await predict(version="id1")
            assert (answer["error"], answer["served"], answer["version"]) == ("", False, "v1")
            assert answer["predictions"][0]["result"][0]["number"] == 1
            assert answer["seconds"] > 0
            (shown,) = answer["models"]
            assert (shown["version"], shown["project"]) == ("v1", UID)
            status, answer = await predict("viewer", version="id1")
            assert (status, answer["version"]) == (200, "v1")
            status, answer = await predict("viewer", version="id2")
            assert (status, answer["served"]) == (200, True)
            assert (await predict(version="none"))[0] == 404
            assert (await predict("viewer", params={"a": 1}))[0] == 403
            assert (await predict(context=[]))[1]["field"] == "context"
            assert (await predict(version=5))[1]["field"] == "version"

    run(play())


def test_a_model_that_fails_says_why_and_logs_are_shown(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, with_models=True) as bench:
            bench.publish(1)
            bench.publish(2)
            for version in ("", "id1"):
                body = {"project": UID, "task": {"id": 4, "data": {"do": "raise"}}, "version": version}
                status, answer = await bench.ask("POST", "predict", body)
                assert (status, answer["predictions"]) == (200, [])
                assert answer["error"]
                assert any("Traceback" in line for line in answer["log"]), answer["log"]
                _, answer = await bench.ask("POST", "predict", body, user="viewer")
                assert answer["error"]
                assert answer["log"]
                assert not any('File "' in line for line in answer["log"]), answer["log"]

    run(play())


def test_an_error_is_shown_cut_and_without_secrets(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, with_models=True) as bench:
            bench.publish(1)
            data = {"do": f"raise {SECRET} {'x' * 100_000}"}
            body = {"project": UID, "task": {"id": 4, "data": data}}
            _, answer = await bench.ask("POST", "predict", body)
            assert "told to [secret] x" in answer["error"]
            assert len(answer["error"]) <= 10_000

    run(play())


def test_the_log_of_a_call_is_shown_without_secrets(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"before\n{SECRET}\n")
    assert shown_log(log, LogMark(), Scrubber([SECRET]), tracebacks=True) == ["before", "[secret]"]


def test_a_viewer_lets_no_version_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            bench.publish(1)
            bench.publish(2)
            fetched: list[str] = []
            monkeypatch.setattr(bench.store, "fetch", lambda manifest: fetched.append(manifest.id))
            body = {"project": UID, "task": {"id": 4, "data": {"t": "a"}}, "version": "id1"}
            status, _ = await bench.ask("POST", "predict", body, user="viewer")
            assert (status, fetched) == (403, [])

    run(play())


def test_problems_of_a_prediction_are_reported_from_a_process_of_its_own(tmp_path: Path) -> None:
    async def play() -> None:
        async with _bench(tmp_path, label_config=PICTURES) as bench:
            value = {"x": 90, "y": 10, "width": 30, "height": 10, "rectanglelabels": ["dog"]}
            box = {"from_name": "b", "to_name": "i", "type": "rectanglelabels", "value": value}
            body = {"project": UID, "task": {"image": "x"}, "prediction": {"result": [box], "score": 0.5}}
            status, report = await bench.ask("POST", "check", body)
            assert (status, report["checked"], report["more"]) == (200, True, 0)
            (finding, *_) = report["findings"]
            assert (finding["region"], finding["from_name"], finding["severity"]) == (0, "b", "fault")
            assert "'dog' is not in the label config" in finding["text"]
            assert report["sdk"]
            value["rectanglelabels"], value["width"] = ["cat"], 5
            assert (await bench.ask("POST", "check", body))[1]["findings"] == []
            body["prediction"] = {"result": {"track": 1}}
            assert (await bench.ask("POST", "check", body))[1]["checked"] is False

    run(play())


@pytest.mark.parametrize("path", ["projects", "project", "tasks", "neighbour", "file"])
def test_nothing_is_shown_without_the_login(tmp_path: Path, path: str) -> None:
    async def play() -> None:
        async with _bench(tmp_path) as bench:
            with pytest.raises(BackendError) as refused:
                await bench.dashboard.respond(Call("GET", f"/dashboard/api/trial/{path}"))
            assert status_of(refused.value) == 401

    run(play())
