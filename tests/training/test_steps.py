"""A worker that is killed at each step of a run, on both kinds of broker; and workers side by side."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.training.scheduling.sweeper import sweep
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from live import CONFIG, MODELS, Control, annotation, created, task, uid

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    folder = tmp_path / "backend"
    folder.mkdir()
    for name in ("behave", "seed_model", "event_model"):
        shutil.copy(MODELS / f"{name}.py", folder)
    return Settings(
        backend_dir=folder,
        script=folder / "seed_model.py",
        model_dir=folder / "data",
        log_dir=folder / "logs",
        redis_url=url,
        queue="test-queue",
        lease=20.0,
        sweep=0.1,
    )


@pytest.fixture
def control(tmp_path: Path) -> Callable[[int], Control]:
    return lambda project: Control(tmp_path / "control" / str(project))


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Start a worker; all of them end with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, script: str = "seed_model.py") -> "subprocess.Popen[bytes]":
        # One that is killed leaves its lease: that shall end soon. The others' shall outlast a busy machine.
        lease = 3.0 if words else settings.lease
        env = replace(settings, script=settings.backend_dir / script, lease=lease).child_env()
        command: Sequence[str] = ["-m", "label_studio_ml.runtime.worker_main"]
        if words:
            # -P: the folder of this file has a `redis` that is not the library
            command = ["-P", str(Path(__file__).with_name("killed_worker.py")), *words]
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**env, "FIT_CONTROL": str(tmp_path / "control")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.terminate()
    for process in running:
        process.wait(60)


def _deliver(settings: Settings, job_store: JobStore, project: int, *numbers: int) -> list[str]:
    """Put events in as a server does; return their jobs."""
    Projects(settings.model_dir).update(uid(project), label_config=CONFIG)
    jobs = []
    for number in numbers:
        job_store.delivered.add(uid(project), [(task(number), annotation(number))])
        event = created(project, number)
        jobs.append(job_store.record(uid(project), StoredEvent(event["action"], event)))
    return jobs


def _at_rest(job_store: JobStore, project: int) -> bool:
    return not job_store.queues.events(uid(project)) and not any(
        job.running for job in job_store.jobs.of(uid(project))
    )


#: The steps at which a worker is killed, with the broker of every run: `make soak` takes both for each.
STEPS = {
    ("before", "taking the job"): "embedded",
    ("after", "taking the job"): "redis-server",
    ("after", "reading the mailbox"): "embedded",
    ("after", "making the folder"): "redis-server",
    ("before", "committing"): "embedded",
    ("after", "committing"): "redis-server",
    ("after", "storing the state"): "embedded",
    ("before", "settling"): "redis-server",
    ("after", "settling"): "embedded",
}


@pytest.mark.parametrize(
    ("url", "when", "step"),
    [
        pytest.param(kind, *step, marks=() if kind == always else pytest.mark.soak)
        for step, always in STEPS.items()
        for kind in ("embedded", "redis-server")
    ],
    indirect=["url"],
)
def test_killed_at_a_step(
    settings: Settings,
    job_store: JobStore,
    start: Start,
    control: Callable[[int], Control],
    when: str,
    step: str,
) -> None:
    jobs = _deliver(settings, job_store, 1, 1, 2)
    assert start(when, step).wait(120) == -9
    start()
    wait_until(lambda: _at_rest(job_store, 1), "every event has an outcome", every=0.05)
    store = VersionStore(settings.model_dir)
    (manifest,) = store.versions(uid(1))
    assert len(manifest.events) == 2
    assert control(1).overlaps == 0
    committed = (when, step) in {("after", "committing"), ("after", "storing the state")} or "settl" in step
    assert len(control(1).fits("end")) == (1 if committed or step != "committing" else 2)
    assert [path.name for path in store.folder(uid(1)).iterdir() if path.is_dir()] == [manifest.id]
    published = [job for job in job_store.jobs.of(uid(1)) if job.version]
    assert [(job.version, job.state) for job in published] == [(manifest.name, "finished")]
    first = job_store.jobs.get(jobs[0])
    assert first is not None
    assert first.state == "finished" if committed else first.state in ("interrupted", "finished")
    assert not job_store.queues.dirty()


@pytest.mark.parametrize(
    "url", ["embedded", pytest.param("redis-server", marks=pytest.mark.soak)], indirect=True
)
def test_state_of_a_version_whose_worker_was_killed_is_stored(
    settings: Settings, job_store: JobStore, start: Start
) -> None:
    _deliver(settings, job_store, 1, 1)
    start("after", "committing", script="event_model.py").wait(120)
    start(script="event_model.py")
    wait_until(lambda: _at_rest(job_store, 1), "the event has an outcome", every=0.05)
    state = StoredState(settings.model_dir, uid(1))
    assert state.get("count") == "1"
    assert state.get("model_version") == "1.0.1"


@pytest.mark.parametrize(
    "url", ["embedded", pytest.param("redis-server", marks=pytest.mark.soak)], indirect=True
)
def test_a_server_that_ends_before_it_wakes_a_worker(
    settings: Settings,
    job_store: JobStore,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    control: Callable[[int], Control],
) -> None:
    class Killed(BaseException):
        pass

    def ends(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(job_store.wake_ups, "enqueue", ends)
        with pytest.raises(Killed):
            _deliver(settings, job_store, 1, 1)
    assert job_store.queues.dirty() == [uid(1)]
    start()
    wait_until(lambda: control(1).fits("end"), "the sweeper wakes a worker", every=0.05)
    wait_until(lambda: _at_rest(job_store, 1), "the event has an outcome", every=0.05)
    (job,) = job_store.jobs.of(uid(1))
    assert job.state == "finished"
    assert job.created


def test_the_sweeper_wakes_for_no_project_that_is_in_the_queue(
    settings: Settings, job_store: JobStore
) -> None:
    _deliver(settings, job_store, 1, 1)
    _deliver(settings, job_store, 2, 1)
    for _ in range(3):
        sweep(job_store, PolicyCache(job_store, settings), settings.lease)
    assert job_store.redis.llen("rq:queue:test-queue") == 2
    job_store.redis.delete("rq:queue:test-queue")  # RQ lost them
    for _ in range(3):
        sweep(job_store, PolicyCache(job_store, settings), settings.lease)
    assert job_store.redis.llen("rq:queue:test-queue") == 2


@pytest.mark.parametrize(
    "url", ["embedded", pytest.param("redis-server", marks=pytest.mark.soak)], indirect=True
)
def test_a_redis_younger_than_the_versions(settings: Settings, job_store: JobStore, start: Start) -> None:
    """Another Redis knows no fences: the next versions are above those on disk all the same."""
    store = VersionStore(settings.model_dir)
    _deliver(settings, job_store, 1, 1)
    start()
    for number in (2, 3):
        wait_until(lambda: _at_rest(job_store, 1), "the event has an outcome", every=0.05)
        job_store.redis.delete(job_store.keys.fence(uid(1)))
        _deliver(settings, job_store, 1, number)
    wait_until(lambda: _at_rest(job_store, 1), "the event has an outcome", every=0.05)
    assert [manifest.fence for manifest in store.versions(uid(1))] == [1, 2, 3]
    assert {job.state for job in job_store.jobs.of(uid(1))} == {"finished"}


@pytest.mark.parametrize(
    "url", ["redis-server", pytest.param("embedded", marks=pytest.mark.soak)], indirect=True
)
def test_two_workers_and_bursts_of_events(
    settings: Settings, job_store: JobStore, start: Start, control: Callable[[int], Control]
) -> None:
    """Serial and in order for each project, every event exactly once; the projects side by side."""
    for _ in range(2):
        start(script="event_model.py")
    projects = range(1, 11)
    for project in projects:
        control(project).close_gate()
        _deliver(settings, job_store, project, 0)

    def begun() -> list[int]:
        return [project for project in projects if control(project).fits()]

    wait_until(lambda: len(begun()) == 2, "two projects are trained at a time", every=0.05)
    for burst in range(10):
        _deliver(settings, job_store, 1, *range(1 + burst * 50, 51 + burst * 50))
        for project in projects[1:]:
            _deliver(settings, job_store, project, 1 + 2 * burst, 2 + 2 * burst)
        if burst == 4:
            assert len(begun()) == 2
            for project in projects:
                control(project).open_gate()
    wait_until(
        lambda: all(_at_rest(job_store, project) for project in projects), "all is trained", 240, every=0.1
    )
    store = VersionStore(settings.model_dir)
    for project in projects:
        count = 501 if project == 1 else 21
        assert [fit["annotation"] for fit in control(project).fits()] == list(range(1000, 1000 + count))
        assert control(project).overlaps == 0
        versions = store.history(uid(project))
        newest = store.newest(uid(project))
        assert newest is not None
        assert newest.name == f"1.0.{count}"
        assert sum(len(version.events) for version in versions) == count
    assert os.path.isdir(settings.log_dir / "jobs")


@pytest.mark.parametrize(
    "url", ["embedded", pytest.param("redis-server", marks=pytest.mark.soak)], indirect=True
)
def test_one_project_of_the_seed_generation_and_bursts(
    settings: Settings, job_store: JobStore, start: Start, control: Callable[[int], Control]
) -> None:
    """Two workers, one project, 1,000 events: no two fits at a time, each event in exactly one outcome."""
    for _ in range(2):
        start()
    ids: list[str] = []
    for burst in range(10):
        _deliver(settings, job_store, 1, *range(burst * 100, 100 + burst * 100))
        ids += [entry.id for entry in job_store.queues.entries(uid(1)) if entry.id not in ids]
        control(1).wait_for_fit(1 + burst // 4)
    wait_until(lambda: _at_rest(job_store, 1), "all is trained", 240, every=0.05)
    assert control(1).overlaps == 0
    versions = VersionStore(settings.model_dir).history(uid(1))
    taken_in = [event for version in versions for event in version.events]
    assert len(taken_in) == len(set(taken_in)) == 1000
    assert set(ids) <= set(taken_in)
    assert len(control(1).fits("end")) == len(versions) < 100
