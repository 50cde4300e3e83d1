"""What follows from the end of a run: one notice for each failed job, and a record that says all there is to say."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.training.policy import Policy
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.run_request import Outcome
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_record import JobFailure
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.worker.child_process import Crashed, RunProcess, TrainingInterrupted
from label_studio_ml.training.worker.run_end import RULES, EndKind, Fate
from label_studio_ml.training.worker.trainer import Trainer
from label_studio_ml.versions.store.local_store import VersionStore

P = "5.1700000000"


@pytest.fixture
def job_store(embedded_url: str) -> JobStore:
    connection = connect(embedded_url)
    connection.flushall()
    return JobStore(connection, "test-queue")


def _ends_after(error: Exception, last: str, current: str = "") -> Callable[[RunProcess], Outcome]:
    """Return a run that completes the event `last`, begins the event `current` and then ends with `error`."""

    def run(process: RunProcess) -> Outcome:
        request = process._request
        (Path(request.workdir) / "weights").write_text("12")
        progress = progress_file.Progress(
            job=request.job,
            parent="",
            workdir=request.workdir,
            last=last,
            current=current,
            result=Outcome(changed=True, generation="event"),
        )
        progress_file.write(Path(request.progress), progress)
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [
        Crashed("the training process was killed"),
        TrainingInterrupted("the worker was stopped; it will run again"),
    ],
    ids=["crashed", "interrupted"],
)
def test_a_run_that_ends_after_a_completed_event_is_reported_once(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BackendError
) -> None:
    """The completed event is in a version; record and notice name the cause and what became of the event."""
    job_id, _ = [job_store.record(P, StoredEvent("ANNOTATION_CREATED", {})) for _ in range(2)]
    first, second = job_store.queues.entries(P)
    notices: list[JobFailure] = []
    job_store.on_failure = notices.append
    monkeypatch.setattr(RunProcess, "run", _ends_after(error, last=first.id, current=second.id))
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    Trainer(settings, job_store, threading.Event()).train(P)
    assert job_store.queues.entries(P) == [second]
    (manifest,) = VersionStore(tmp_path / "models").history(P)
    job = job_store.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.version) == ("interrupted", manifest.name)
    assert job.error == f"{error}; 1 event before that went into a version"
    assert job.error_code == error.code
    assert notices == [JobFailure(P, job_id, job.error, error.code, is_interrupted=True)]


def test_a_run_that_ends_after_its_last_event_is_finished(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its events are in the version, so no later job has any of them."""
    job_id = job_store.record(P, StoredEvent("ANNOTATION_CREATED", {}))
    (entry,) = job_store.queues.entries(P)
    error = TrainingInterrupted("the worker was stopped; it will run again")
    monkeypatch.setattr(RunProcess, "run", _ends_after(error, last=entry.id))
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    Trainer(settings, job_store, threading.Event()).train(P)
    job = job_store.jobs.get(job_id)
    assert job is not None
    (manifest,) = VersionStore(tmp_path / "models").history(P)
    assert (job.state, job.version, job.error, job.retried_by) == ("finished", manifest.name, "", "")
    assert job_store.queues.entries(P) == []


def test_a_run_that_is_not_due_counts_as_no_run_that_ended_with_its_worker(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = job_store.record(P, StoredEvent("ANNOTATION_CREATED", {}))
    refused = Outcome(postponed="waits", policy=Policy(train_every=2))
    monkeypatch.setattr(RunProcess, "run", lambda process: refused)
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    Trainer(settings, job_store, threading.Event()).train(P)
    job = job_store.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.message) == ("queued", "waits for new annotations: 1 of 2 (train_every)")
    assert not job_store.redis.exists(job_store.keys.attempts(P))


def test_each_end_of_a_run_has_a_rule() -> None:
    assert set(RULES) == set(EndKind)


def test_events_stay_queued_only_if_a_later_run_may_differ() -> None:
    kept = {kind for kind, rule in RULES.items() if rule.fate in (Fate.KEPT, Fate.POSTPONED)}
    assert kept == {
        EndKind.NOT_DUE,
        EndKind.MAY_PASS,
        EndKind.CRASHED,
        EndKind.INTERRUPTED,
        EndKind.LEASE_LOST,
        EndKind.OVERTAKEN,
    }
