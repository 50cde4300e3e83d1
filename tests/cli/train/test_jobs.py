"""`jobs --follow` and `cancel` on a Redis whose workers are away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.cli.shared.open_job_store import OpenJobStore, opened_job_store
from label_studio_ml.cli.train import cancel, follow, jobs
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import UnknownProject
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.training.records import job_store_access
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_record import Job
from label_studio_ml.versions.state.project_state import Projects

UID = "7.1767225600"


@pytest.fixture
def open_jobs(tmp_path: Path) -> Iterator[OpenJobStore]:
    broker = Broker(tmp_path / "broker")
    settings = Settings(
        backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path, redis_url=broker.start()
    )
    with opened_job_store(settings) as open_jobs:
        yield open_jobs
    broker.stop()


@pytest.fixture
def job(open_jobs: OpenJobStore) -> str:
    return open_jobs.job_store.record(UID, StoredEvent("START_TRAINING", {}))


def test_follow_says_that_no_worker_is_running_and_waits(
    open_jobs: OpenJobStore, job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(job_store: object, job_id: str, **_: object) -> Job | None:
        open_jobs.job_store.update_job(job_id, state="finished")
        return open_jobs.job_store.jobs.get(job_id)

    monkeypatch.setattr(jobs, "follow", ended)
    assert jobs._follow(open_jobs, job, Path("be")) == 0
    assert capsys.readouterr().err == "No worker is running. The job continues once one is running\n"
    assert jobs._follow(open_jobs, job, Path("be")) == 0
    assert capsys.readouterr().err == "", "it has ended"


@pytest.mark.parametrize("state", ["queued", "started"])
def test_cancel_says_that_no_worker_is_running(
    open_jobs: OpenJobStore, job: str, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    open_jobs.job_store.update_job(job, state=state)
    assert cancel.cancel(open_jobs, job, Path("be")) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "No worker is running. The job is closed once one is running"
    )


@pytest.fixture
def leaving(open_jobs: OpenJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is there at the first check, and at no later one, such as one whose machine was switched off."""
    workers = iter([1])
    monkeypatch.setattr(job_store_access, "worker_count", lambda _: next(workers, 0))
    monkeypatch.setattr(follow, "CHECK_INTERVAL", 0.0)


@pytest.mark.usefixtures("leaving")
def test_follow_says_that_the_worker_has_left_once(
    open_jobs: OpenJobStore, job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks: list[int] = []
    has_left = follow.WorkerCheck.has_left

    def counted(self: follow.WorkerCheck) -> bool:
        checks.append(1)
        if len(checks) == 3:
            open_jobs.job_store.update_job(job, state="finished")
        return has_left(self)

    monkeypatch.setattr(follow.WorkerCheck, "has_left", counted)
    assert jobs._follow(open_jobs, job, Path("be")) == 0
    assert len(checks) == 3
    assert capsys.readouterr().err == "No worker is running. The job continues once one is running\n"


@pytest.mark.usefixtures("leaving")
def test_cancel_does_not_wait_for_a_worker_that_has_left(
    open_jobs: OpenJobStore, job: str, capsys: pytest.CaptureFixture[str]
) -> None:
    open_jobs.job_store.update_job(job, state="started")
    assert cancel.cancel(open_jobs, job, Path("be")) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Job {job}: cancellation requested"
    assert said[-1] == "No worker is running. The job is closed once one is running"


def test_a_project_that_the_backend_does_not_know(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")
    with pytest.raises(UnknownProject) as raised:
        jobs._project_uids(settings, "9")
    assert raised.value.message == "This backend does not know project 9"
    assert raised.value.fix == "Known: none yet"
    Projects(settings.model_dir).update(uid=UID, label_config="<View/>")
    with pytest.raises(UnknownProject) as raised:
        jobs._project_uids(settings, "9")
    assert raised.value.fix == f"Known: {UID}"
    for name in ("7", UID, None):
        assert jobs._project_uids(settings, name) == [UID]
