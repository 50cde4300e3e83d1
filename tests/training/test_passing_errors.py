"""What the system refuses before a fit, and when its version is written: the events stay, and the job says why."""

import argparse
import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.cli.shared.open_job_store import OpenJobStore
from label_studio_ml.cli.train import train
from label_studio_ml.cli.train.follow import follow
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StoreError, VersionError
from label_studio_ml.monitoring import logs
from label_studio_ml.storage import atomic_files
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.run_request import Outcome
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_record import Job
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.worker.child_process import Crashed, RunProcess
from label_studio_ml.training.worker.trainer import Trainer
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.local_store import VersionStore

P = "5.1700000000"


@pytest.fixture
def job_store(embedded_url: str) -> JobStore:
    connection = connect(embedded_url)
    connection.flushall()
    return JobStore(connection, "test-queue")


def _raises(error: Exception) -> Callable[..., Any]:
    def method(*args: object, **kwargs: object) -> Any:
        raise error

    return method


def _refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _train(job_store: JobStore, tmp_path: Path) -> str:
    """Train on one event; return its job."""
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    job = job_store.record(P, StoredEvent("START_TRAINING", {"project": {"id": 5}}))
    Trainer(settings, job_store, threading.Event()).train(P)
    return job


def _waits(job_store: JobStore, job_id: str, cause: str) -> None:
    assert len(job_store.queues.events(P)) == 1
    (job,) = job_store.jobs.of(P)
    assert (job.id, job.state) == (job_id, "queued")
    assert cause in job.message
    assert not job_store.wakeable(P), "it is tried at its time, not at once"


@pytest.mark.parametrize("name", ["clear_unfinished", "new_id"])
@pytest.mark.parametrize(
    "error", [_refused(errno.EACCES), VersionError("The versions cannot be read")], ids=["system", "store"]
)
def test_before_the_run(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    monkeypatch.setattr(VersionStore, name, _raises(error))
    _waits(job_store, _train(job_store, tmp_path), str(error))


def test_what_an_earlier_run_left_cannot_be_read(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_file, "read", _raises(_refused(errno.EACCES)))
    _train(job_store, tmp_path)
    assert len(job_store.queues.events(P)) == 1
    assert not job_store.wakeable(P)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EMFILE, errno.EAGAIN])
def test_a_process_that_cannot_be_started(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(RunProcess, "run", _raises(_refused(number)))
    _waits(job_store, _train(job_store, tmp_path), os.strerror(number))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO])
def test_a_folder_that_cannot_be_made(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(
        "label_studio_ml.versions.store.project_folders.make_folder", _raises(_refused(number))
    )
    _waits(job_store, _train(job_store, tmp_path), os.strerror(number))


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOSPC])
@pytest.mark.parametrize("function", [(version_files, "sha256"), (atomic_files, "replace_file")])
def test_a_version_that_cannot_be_written(
    job_store: JobStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: tuple[Any, str],
    number: int,
) -> None:
    monkeypatch.setattr(RunProcess, "run", _trains)
    with monkeypatch.context() as patch:
        patch.setattr(*function, _raises(_refused(number)))
        job_id = _train(job_store, tmp_path)
    _waits(job_store, job_id, os.strerror(number))
    assert VersionStore(tmp_path / "models").history(P) == []
    _is_trained_once(job_store, tmp_path, job_id)


def test_a_committed_version_whose_pairs_cannot_be_written(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event stays until the pairs are stored, and is not trained on again."""
    monkeypatch.setattr(RunProcess, "run", _trains)
    with monkeypatch.context() as patch:
        patch.setattr(
            atomic_files, "flush_folder", _raises(_refused(errno.EIO))
        )  # the manifest is there all the same
        job_id = _train(job_store, tmp_path)
    _waits(job_store, job_id, os.strerror(errno.EIO))
    monkeypatch.setattr(RunProcess, "run", _raises(AssertionError("it is trained on again")))
    _is_trained_once(job_store, tmp_path, job_id)
    assert StoredState(tmp_path / "models", P).get("key") == "value"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_an_error_of_the_disk_that_the_store_does_not_name(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(RunProcess, "run", _trains)
    with monkeypatch.context() as patch:
        patch.setattr(VersionStore, "publish", _raises(_refused(number)))
        job_id = _train(job_store, tmp_path)
    _waits(job_store, job_id, "Check the disk")
    _is_trained_once(job_store, tmp_path, job_id)


def test_the_job_that_goes_on_after_a_crash_names_who_asked(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a later event, which somebody else sent, has made that job already."""
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    first = job_store.record(P, StoredEvent("START_TRAINING", {}, caller="token ci"))
    later: list[str] = []

    def crashes(child: RunProcess) -> Outcome:
        later.append(job_store.record(P, StoredEvent("ANNOTATION_CREATED", {}, caller="user second")))
        raise Crashed("signal 9")

    monkeypatch.setattr(RunProcess, "run", crashes)
    Trainer(settings, job_store, threading.Event()).train(P)
    monkeypatch.setattr(RunProcess, "run", _trains)
    Trainer(settings, job_store, threading.Event()).train(P)
    found = {job.id: (job.state, job.asked_by) for job in job_store.jobs.of(P)}
    assert found == {first: ("interrupted", "token ci"), later[0]: ("finished", "token ci")}
    interrupted, repeat = job_store.jobs.get(first), job_store.jobs.get(later[0])
    assert interrupted is not None
    assert repeat is not None
    assert (interrupted.retried_by, interrupted.error_code) == (later[0], "LSML-E650")
    assert (repeat.retry_of, repeat.error_code) == (first, "")


def test_what_was_through_before_a_crash_waits_for_the_disk(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again at its time, not at once, though later events wait behind it."""
    jobs = [job_store.record(P, StoredEvent("ANNOTATION_CREATED", {})) for _ in range(2)]
    first, second = job_store.queues.entries(P)

    def crashes(child: RunProcess) -> Outcome:
        request = child._request
        got = progress_file.Progress(
            job=request.job,
            parent="",
            workdir=request.workdir,
            last=first.id,
            current=second.id,
            result=Outcome(changed=True, last=first.id),
        )
        progress_file.write(Path(request.progress), got)
        raise Crashed("signal 9")

    monkeypatch.setattr(RunProcess, "run", crashes)
    replace_file = atomic_files.replace_file

    def refuses(path: Path, data: Any, **options: Any) -> None:
        if path.suffix != ".progress":
            raise _refused(errno.EIO)
        replace_file(path, data, **options)

    monkeypatch.setattr(atomic_files, "replace_file", refuses)
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    Trainer(settings, job_store, threading.Event()).train(P)
    assert jobs[0] == jobs[1]
    assert job_store.queues.entries(P) == [first, second]
    assert not job_store.wakeable(P), "it is tried at its time, not at once"


def _trains(child: RunProcess) -> Outcome:
    Path(child._request.workdir, "weights").write_text("12")
    return Outcome(changed=True, state={"key": "value"}, generation="event")


def _is_trained_once(job_store: JobStore, tmp_path: Path, job_id: str) -> None:
    """Train once the time has come: the event is in one version, and no other is there."""
    job_store.redis.delete(job_store.keys.postponement(P))
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    Trainer(settings, job_store, threading.Event()).train(P)
    assert not job_store.queues.events(P)
    (manifest,) = VersionStore(tmp_path / "models").history(P)
    (job,) = job_store.jobs.of(P)
    assert (job.id, job.state, job.version) == (job_id, "finished", manifest.name)


def test_a_fit_that_fails_takes_its_event_with_it(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunProcess, "run", lambda self: Outcome(error="a bug"))
    job_id = _train(job_store, tmp_path)
    assert not job_store.queues.events(P)
    (job,) = job_store.jobs.of(P)
    assert (job.id, job.state, job.error) == (job_id, "failed", "a bug")
    assert logs.run_id.get() == "", "what is logged from now on is not about it"


def test_a_store_that_goes_away_leaves_no_job_that_seems_to_run(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = StoreError("The store is away")
    error.passing = True
    monkeypatch.setattr(RunProcess, "run", _raises(error))
    _waits(job_store, _train(job_store, tmp_path), "The store is away")


def test_the_command_ends_when_its_training_is_held_back(
    job_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not for what the events before it were held back for."""
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "models", log_dir=tmp_path / "logs")
    monkeypatch.setattr(RunProcess, "run", _raises(_refused(errno.EIO)))
    _train(job_store, tmp_path)
    monkeypatch.setattr(RunProcess, "run", _raises(_refused(errno.EROFS)))

    def train_then_follow(
        job_store: JobStore, job_id: str, *, is_postponed: Callable[[], bool]
    ) -> Job | None:
        assert not is_postponed()
        Trainer(settings, job_store, threading.Event()).train(P)
        return follow(job_store, job_id, is_postponed=is_postponed)

    @contextlib.contextmanager
    def opened_job_store(settings: Settings, *, work: bool = False) -> Iterator[OpenJobStore]:
        yield OpenJobStore(job_store, alone=False)

    monkeypatch.setattr(train, "settings_from", lambda args: settings)
    monkeypatch.setattr(train, "known_project", lambda settings, name: Project(uid=P))
    monkeypatch.setattr(train, "folder_of", lambda args: tmp_path)
    monkeypatch.setattr(train, "opened_job_store", opened_job_store)
    monkeypatch.setattr(train, "follow", train_then_follow)
    monkeypatch.setattr(logs, "configure", lambda level: None)
    assert train.run(argparse.Namespace(project=None, from_version=None, no_wait=False)) == 1
    assert "the training waits: [Errno 30] Read-only file system" in capsys.readouterr().err
