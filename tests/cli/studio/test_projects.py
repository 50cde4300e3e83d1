"""Projects that a backend knows: of several with one number, which one is meant; listing and forgetting them."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.cache import SqliteCache
from label_studio_ml.cli.main import main
from label_studio_ml.cli.shared.open_job_store import opened_job_store
from label_studio_ml.cli.shared.project_arguments import known_project
from label_studio_ml.cli.shared.units import moment
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.monitoring.error_groups import ErrorGroups
from label_studio_ml.reports.error_records import ErrorRecords
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.redis.rq_jobs import Queue, started
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.known_projects import EVENTS_DB, known_projects
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from live import TOKEN, FakeStudio
from studio.fake import Reply

#: Two projects with the number 7: the first was made, and heard, before the second.
OLD, NEW, OTHER = "7.1700000000", "7.1767225600", "8.1700000001"


def _hear(folder: Path, uid: str, at: float) -> None:
    SqliteCache(str(folder), db_name=EVENTS_DB).set(
        uid, "PROJECT_UPDATED", json.dumps({"at": at, "authorized": True})
    )


def _version(folder: Path, uid: str, name: str) -> None:
    store = VersionStore(folder)
    store.begin(uid, name)
    store.publish(Manifest(id=name, name=name, project=uid, fence=1, created="2026-01-01T00:00:00+00:00"))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MODEL_DIR", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "be" / "data"
    data.mkdir(parents=True)
    for uid, title, at in ((OLD, "staging", 1_750_000_000.0), (NEW, "production", 1_770_000_000.0)):
        Projects(data).put(Project(uid=uid, title=title, hostname=f"http://{title}.example"))
        _hear(data, uid, at)
        _version(data, uid, f"of-{title}")
    return data


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    fake = FakeStudio()
    yield fake
    fake.stop()


def _settings(data: Path, **fields: Any) -> Settings:
    return Settings(backend_dir=data.parent, model_dir=data, log_dir=data / "logs", **fields)


def test_what_is_known_of_them(data: Path) -> None:
    Projects(data).put(Project(uid=OTHER))
    found = known_projects(data, VersionStore(data))
    assert [(one.uid, one.current, one.versions, one.served) for one in found] == [
        (NEW, True, 1, "of-production"),
        (OLD, False, 1, "of-staging"),
        (OTHER, True, 0, ""),
    ]
    assert found[0].created == "2026-01-01T00:00:00+00:00"
    assert found[0].heard_at == "2026-02-02T02:40:00+00:00"
    assert found[2].heard is None


@pytest.mark.parametrize("made", ["²", "9" * 30])
def test_a_time_that_is_none_says_nothing(data: Path, made: str) -> None:
    Projects(data).put(Project(uid=f"9.{made}"))
    assert [one.created for one in known_projects(data, VersionStore(data)) if one.number == "9"] == [""]


def test_a_command_that_reads_takes_the_one_with_the_last_event(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ((), ("--project", "7")):
        assert main(["versions", "be", "--json", *words]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["project"] == NEW
        assert f"there are 2 projects with the number 7; this is {NEW}" in said.err
        assert f"--project: {OLD}" in said.err
    assert main(["versions", "be", "--json", "--project", OLD]) == 0
    said = capsys.readouterr()
    assert (json.loads(said.out)["project"], said.err) == (OLD, "")


def test_a_command_that_changes_something_asks_for_the_exact_one(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback", "be", "--project", "7"]) == 1
    said = capsys.readouterr().err
    assert "knows 2 projects with the number 7" in said
    assert (
        f"--project {NEW} ('production', of http://production.example, created 2026-01-01, last event 2026-"
        in said
    )
    assert f"--project {OLD} ('staging'" in said
    with pytest.raises(SettingsError, match=f"--project {OLD}"):
        known_project(_settings(data), "7")


def test_label_studio_tells_which_one_it_has(data: Path, studio: FakeStudio) -> None:
    settings = _settings(data, studio_url=studio.url, studio_api_key=TOKEN)
    studio.on("/api/projects/7/", Reply.of({"id": 7, "created_at": "2023-11-14T22:13:20.5Z"}))
    assert known_project(settings, "7").uid == OLD
    assert known_project(settings, None).uid == OLD
    # It has none of the two: the newer one is no better than the other.
    studio.on("/api/projects/7/", Reply.of({"id": 7, "created_at": "2020-01-01T00:00:00Z"}))
    with pytest.raises(SettingsError, match="2 projects with the number 7"):
        known_project(settings, "7")


def test_projects_of_other_numbers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Projects(data).put(Project(uid=OTHER))
    assert known_project(_settings(data), "8").uid == OTHER
    assert main(["versions", "be"]) == 1
    said = capsys.readouterr().err
    assert f"several projects: {OLD}, {NEW}, {OTHER}" in said
    assert f"such as --project {OLD}\n" in said, "another one has the same number"


def test_requests_without_a_project_do_not_count(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for uid in ("default", OTHER):
        Projects(data).put(Project(uid=uid))
    assert known_project(_settings(data), None).uid == OTHER
    assert known_project(_settings(data), "default").uid == "default"


def test_they_are_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "be"]) == 0
    head, first, second = (re.split("  +", line) for line in capsys.readouterr().out.splitlines())
    assert head == [
        "PROJECT",
        "TITLE",
        "LABEL STUDIO",
        "CREATED",
        "LAST EVENT",
        "VERSIONS",
        "SERVED",
        "STATE",
    ]
    made, heard = moment("2026-01-01T00:00:00+00:00"), moment("2026-02-02T02:40:00+00:00")
    there = "http://production.example"
    assert first == [NEW, "production", there, made, heard, "1", "of-production", "current"]
    assert second[:2] == [OLD, "staging"]
    assert second[-1] == "older: another project has its number"
    assert main(["projects", "be", "--json"]) == 0
    assert [one["uid"] for one in json.loads(capsys.readouterr().out)] == [NEW, OLD]


def test_an_old_one_is_forgotten(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    StoredState(data, OLD).set("key", "value")
    assert main(["projects", "forget", "be", OLD, "--yes"]) == 0
    assert f"Forgot {OLD}" in capsys.readouterr().out
    assert Projects(data).uids() == [NEW]
    assert SqliteCache(str(data), db_name=EVENTS_DB).projects() == [NEW]
    assert [one.name for one in VersionStore(data).versions(OLD)] == ["of-staging"], "they stay"
    # The number means the other one now, also where something is changed.
    assert known_project(_settings(data), "7").uid == NEW
    assert main(["versions", "be", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["project"] == NEW
    assert main(["projects", "be"]) == 0
    (forgotten,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(OLD))
    assert forgotten.endswith("forgotten: only its versions are left")

    assert main(["projects", "forget", "be", OLD, "--yes", "--with-versions"]) == 0
    assert VersionStore(data).versions(OLD) == []
    assert StoredState(data, OLD).items() == {}
    assert [one.uid for one in known_projects(data, VersionStore(data))] == [NEW]


def test_what_forget_does_not_do(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (("forget", "be"), "needs the uid of a project"),
        (("forget", "be", "7", "--yes"), f"Give one of: {NEW} ('production'"),
        (("forget", "be", "9", "--yes"), "The backend knows no project 9"),
        (("forget", "be", OLD), "Give --yes"),
        (("be", OLD), f"label-studio-ml projects forget be {OLD}"),
        (("nowhere",), "There is no folder"),
    ):
        assert main(["projects", *words]) == 1
        assert said in capsys.readouterr().err
    assert len(Projects(data).uids()) == 2


def test_it_asks_first(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    questions: list[str] = []
    answers = ["n", "yes"]

    def answer(question: str) -> str:
        questions.append(question)
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    assert [main(["projects", "forget", "be", OLD]) for _ in range(2)] == [1, 0]
    assert questions[0] == "Forget 1 project (events, jobs and keys; the versions stay)? [y/N] "
    assert "No project was forgotten" in capsys.readouterr().out
    assert Projects(data).uids() == [NEW]


def test_a_project_that_is_being_trained_is_not_forgotten(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened_job_store(_settings(data)) as open_jobs:
        job_store = open_jobs.job_store
        job = job_store.record(OLD, StoredEvent("START_TRAINING", {}))
        job_store.update_job(job, state="started")
        job_store.redis.set(job_store.keys.lease(OLD), "somebody", px=60_000)
        assert main(["projects", "forget", "be", OLD, "--yes"]) == 1
        said = capsys.readouterr().err
        assert f"Project {OLD} is being trained by job {job}" in said
        assert f"cancel be {job}" in said or f"cancel {data.parent} {job}" in said
        job_store.redis.delete(job_store.keys.lease(OLD))
        groups, errors = ErrorGroups("host"), ErrorRecords(job_store.redis, job_store.keys)
        groups.add("training", "it failed", project=OLD)
        errors.merge(groups.take())
        assert main(["projects", "forget", "be", OLD, "--yes"]) == 0
        assert "with 1 event that waited for a training" in capsys.readouterr().out
        assert errors.all() == []
        assert job_store.queues.entries(OLD) == []
        assert list(job_store.jobs.of(OLD)) == []


@pytest.mark.parametrize("content", [OLD, {"uid": OLD}])
def test_a_project_that_is_being_predicted_is_not_forgotten(
    data: Path, capsys: pytest.CaptureFixture[str], content: object
) -> None:
    """Its journals say which predictions Label Studio may have stored. `content` is that of the two kinds of jobs."""
    with opened_job_store(_settings(data)) as open_jobs:
        job_store = open_jobs.job_store
        queue = Queue(job_store.keys.predictions, job_store.redis)
        for job_id, project in (("other", OTHER), ("predict-1", content)):
            queue.enqueue("function", args=(project,), job_id=job_id)
        job_store.redis.zadd(
            started(queue).key, {"other:1": time.time() + 60, "predict-1:2": time.time() + 60}
        )
        job_store.redis.hset(job_store.keys.journals(OLD), "version", "tasks in doubt")
        assert main(["projects", "forget", "be", OLD, "--yes"]) == 1
        said = capsys.readouterr().err
        assert f"Tasks of project {OLD} are being predicted by a worker (job predict-1)" in said
        assert job_store.redis.exists(job_store.keys.journals(OLD))
        assert OLD in Projects(data).uids()
        job_store.redis.zadd(started(queue).key, {"predict-1:2": time.time() - 1})  # its worker was killed
        assert main(["projects", "forget", "be", OLD, "--yes"]) == 0
        assert not job_store.redis.exists(job_store.keys.journals(OLD))


def test_what_a_terminal_would_act_on_is_shown_as_an_escape(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A title and an address are what /setup and events say."""
    Projects(data).put(Project(uid=OTHER, title="x\x1b[2J\ny", hostname="http://h\x9b"))
    assert main(["projects", str(data.parent)]) == 0
    printed = capsys.readouterr().out
    assert r"x\x1b[2J" in printed
    assert "\x1b" not in printed
    assert "\x9b" not in printed
