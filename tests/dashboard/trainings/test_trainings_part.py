"""The routes and topics of the view of trainings, on our embedded broker, and without Redis."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.dashboard.trainings.trainings_part import TrainingsPart
from label_studio_ml.errors import (
    JobEnded,
    ReadOnlyLogin,
    RequestError,
    UnknownJob,
    UnknownProject,
)
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_pages import write_progress
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.security.login_sessions import Session
from live import created, uid

P = uid(1)
OPERATOR = Session("ada", operator=True, csrf="token")
VIEWER = Session("eve", operator=False, csrf="token")
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/home/me/model.py", line 3, in fit',
    "ValueError: no",
]


class Page:
    """Asks the routes of the view as the page does."""

    def __init__(self, part: TrainingsPart, intake: RedisIntake) -> None:
        self.part = part
        self.intake = intake
        self._router = PageRouter(part.routes)

    @property
    def job_store(self) -> JobStore:
        return self.intake.job_store()

    def ask(self, method: str, path: str, fields: Any = None, session: Session = OPERATOR) -> Response:
        path, _, query = path.partition("?")
        call = Call(
            method,
            f"/dashboard/api/{path}",
            headers={"x-csrf-token": "token"},
            query=query,
            body=json.dumps(fields or {}).encode(),
        )
        return asyncio.run(self._router.respond(call, session))

    def get(self, path: str, session: Session = OPERATOR) -> Any:
        return json.loads(self.ask("GET", path, session=session).body)

    def post(self, path: str, fields: Any = None) -> Any:
        return json.loads(self.ask("POST", path, fields).body)

    def topic(self, key: str) -> Any:
        name, _, subject = key.partition(":")
        (topic,) = [topic for topic in self.part.topics if topic.name == name]
        return asyncio.run(cast("Any", topic.read(subject)))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    broker = Broker(tmp_path / "broker")
    url = broker.start()
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    projects = Projects(settings.model_dir)
    projects.put(Project(uid=P, title="Ships <b>"))
    intake = RedisIntake(lambda timeout: url, settings, tmp_path / "spool", projects)
    registry = cast("ModelRegistry", SimpleNamespace())
    part = TrainingsPart(settings, intake, registry, ProjectRegistry(projects), open_store(settings))
    yield Page(part, intake)
    intake.stop()
    broker.stop()


def _job(page: Page, state: str = "", *, project: str = P, **fields: str) -> str:
    event = created(1, 1)
    job = page.job_store.record(project, StoredEvent(event["action"], event))
    if state:
        page.job_store.take_waiting(project)
        page.job_store.update_job(job, state=state, **fields)
    return job


def test_the_list_has_titles_and_pages_and_filters(page: Page) -> None:
    failed, waiting = _job(page, "failed", error="ValueError: no"), _job(page, project=uid(2))
    listed = page.get("trainings?count=1")
    assert (len(listed["jobs"]), listed["total"]) == (1, 2)
    assert page.get("trainings?state=failed,cancelled")["jobs"][0]["job"] == failed
    by_project = page.get("trainings?project=1")
    assert [row["job"] for row in by_project["jobs"]] == [failed]
    assert by_project["titles"] == {P: "Ships <b>"}
    assert page.get("trainings/counts") | {"parked": 0} == {
        "queued": 1,
        "started": 0,
        "finished": 0,
        "failed": 1,
        "interrupted": 0,
        "cancelled": 0,
        "parked": 0,
    }
    active = page.topic("trainings")
    assert [row["job"] for row in active["waiting"]] == [waiting]
    assert (active["workers"], active["spooled"]) == (0, 0)
    with pytest.raises(RequestError, match="no state 'x'"):
        page.get("trainings?state=x")
    with pytest.raises(UnknownProject):
        page.get("trainings?project=9")


def test_a_followed_training_hides_tracebacks_and_operators_may_read_them(page: Page) -> None:
    job = _job(page, "started")
    write_progress(page.job_store, job, {"progress": "0.5"}, points=[{"loss": 1.0}], first=0, lines=TRACEBACK)
    value = page.topic(f"training:{job}")
    assert (value["progress"], value["points"]) == (0.5, [{"loss": 1.0}])
    assert value["log"]["lines"] == [f"(traceback: see logs/jobs/{job}.log)", None, "ValueError: no"]
    assert [line for _, line in page.get(f"trainings/{job}/log")["lines"]] == TRACEBACK
    assert None in [line for _, line in page.get(f"trainings/{job}/log", VIEWER)["lines"]]
    assert page.get(f"trainings/{job}/log/search?text=model.py", VIEWER)["matches"] == []
    assert page.get(f"trainings/{job}/log/search?text=model.py")["matches"] == [[1, TRACEBACK[1]]]
    assert page.get(f"trainings/{job}/metrics")["points"] == [{"loss": 1.0}]
    for path in ("", "/log", "/metrics", "/log.txt"):
        with pytest.raises(UnknownJob):
            page.ask("GET", f"trainings/20260101-000000-aaaaaa{path}")


def test_a_log_is_downloaded_as_a_text_file(page: Page) -> None:
    job = _job(page, "started")
    write_progress(page.job_store, job, {}, points=None, first=0, lines=["<script>", "\x1b[31mred\x00"])
    download = page.ask("GET", f"trainings/{job}/log.txt")
    assert download.body == b"<script>\n\x1b[31mred\x00\n"
    assert download.content_type == "text/plain; charset=utf-8"
    assert download.headers["Content-Disposition"] == f'attachment; filename="training-{job}.txt"'


def test_train_now_begins_a_training_in_the_name_of_its_user(page: Page) -> None:
    job = page.post("trainings/train", {"project": "1"})["job"]
    (event,) = page.job_store.queues.events(P)
    assert (event.action, event.caller) == ("START_TRAINING", "user ada on the dashboard")
    assert page.get(f"trainings/{job}")["state"] == "queued"
    for path in (
        "trainings/train",
        f"trainings/{job}/cancel",
        f"trainings/{job}/retry",
        "trainings/retry-parked",
    ):
        with pytest.raises(ReadOnlyLogin):
            page.ask("POST", path, {"project": "1"}, VIEWER)
    with pytest.raises(UnknownProject):
        page.post("trainings/train", {"project": "9"})


def test_a_training_that_waits_on_the_disk_is_no_error(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page.intake, "hand_in", lambda *_, **__: None)
    answer = page.ask("POST", "trainings/train", {"project": "1"})
    assert answer.status == 202
    assert json.loads(answer.body)["job"] is None
    assert "begins when Redis answers again" in json.loads(answer.body)["message"]


def test_a_training_is_cancelled_once(page: Page) -> None:
    job = _job(page, "started")
    assert page.post(f"trainings/{job}/cancel")["cancel_requested"]
    page.job_store.update_job(job, state="cancelled")
    with pytest.raises(JobEnded):
        page.post(f"trainings/{job}/cancel")


def test_a_failed_training_is_tried_again(page: Page) -> None:
    job = _job(page, "failed", error="ValueError: no")
    again = page.post(f"trainings/{job}/retry")
    assert again["job"] != job
    assert page.get(f"trainings/{again['job']}")["asked_by"] == "user ada on the dashboard"


def test_parked_events_are_listed_and_tried_again(page: Page) -> None:
    job = _job(page, "failed", error="crashed; 1 event is set aside")
    store = page.job_store
    store.queues.park(
        P, [entry.id for entry in store.queues.entries(P)], why="crashed", since="2026-01-01T00:00:00Z"
    )
    listed = page.get("trainings/parked")
    assert (listed["total"], listed["parked"][0]["sets"][0]["why"]) == (1, "crashed")
    assert page.get("trainings/parked?project=1")["total"] == 1
    again = page.post(f"trainings/{job}/retry")["job"]
    assert [event.action for event in store.queues.events(P)] == ["ANNOTATION_CREATED"]
    assert page.get(f"trainings/{again}")["state"] == "queued"
    with pytest.raises(RequestError, match="No events of project 1 are set aside"):
        page.post("trainings/retry-parked", {"project": "1"})


class _SynchronousStandIn:
    """What the view uses of an intake that trains without Redis."""

    immediate = True
    spool = SimpleNamespace(events=0)

    def __init__(self) -> None:
        self.record = {
            "job_status": "finished",
            "job": "20260101-000000-aaaaaa",
            "project": P,
            "model_version": "v",
        }

    def jobs(self, uid: str, most: int) -> list[dict[str, Any]]:
        return [self.record]

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        return self.record if job_id == self.record["job"] else None

    def job_metrics(self, job_id: str) -> dict[str, Any] | None:
        return {"points": [{"loss": 1}]}


def test_without_redis_it_shows_what_there_is(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    projects = Projects(settings.model_dir)
    projects.put(Project(uid=P))
    intake = _SynchronousStandIn()
    part = TrainingsPart(
        settings,
        cast("TrainingIntake", intake),
        cast("ModelRegistry", SimpleNamespace()),
        ProjectRegistry(projects),
        open_store(settings),
    )
    page = Page(part, cast("RedisIntake", intake))
    assert page.get("trainings")["jobs"][0]["version"] == "v"
    assert page.topic("trainings")["counts"]["finished"] == 1
    assert page.get("trainings/parked")["total"] == 0
    assert page.topic("training:20260101-000000-aaaaaa")["points"] == [{"loss": 1}]
    assert page.get("trainings/20260101-000000-aaaaaa/log")["lines"] == []
