"""A worker that is told to stop ends, whatever it was about to do, and takes no job meanwhile."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq.exceptions import StopRequested

from label_studio_ml.config.settings import Settings
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.worker import rq_worker
from label_studio_ml.training.worker.worker_stop import WorkerStop
from training.signalled_worker import STEPS

P = "7.1767225600"
EVENT = StoredEvent("START_TRAINING", {})


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    connect(redis_url).flushall()
    (tmp_path / "model.py").write_text("")
    return Settings(
        backend_dir=tmp_path,
        script=tmp_path / "model.py",
        model_dir=tmp_path / "data",
        log_dir=tmp_path / "logs",
        redis_url=redis_url,
        queue="test-queue",
    )


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> WorkerStop:
    """What stands for the state of a worker's process."""
    mine = WorkerStop()
    monkeypatch.setattr(rq_worker, "stopping", mine)
    return mine


@pytest.fixture
def job_store(redis_url: str) -> Iterator[JobStore]:
    connection = connect(redis_url)
    connection.flushall()
    yield JobStore(connection, "test-queue")
    connection.close()


@pytest.mark.parametrize("step", STEPS)
def test_sigterm_ends_a_worker_at_each_step_of_its_start(step: str, settings: Settings) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).parents[1] / "signalled_worker.py"), step],
        env=settings.child_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail(f"SIGTERM while {step} was lost")
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said


def test_a_signal_that_comes_in_the_handler_of_another_does_not_hang() -> None:
    """The handler takes no lock: it may interrupt itself, and a thread's start."""
    code = """
import os, signal, threading, time
from label_studio_ml.training.worker.worker_stop import WorkerStop
stopping = WorkerStop()
stopping.grace = 600.0
stopping.install()
end = time.monotonic() + 2
def send():
    while time.monotonic() < end:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=send).start()
while time.monotonic() < end:
    threading.Thread(target=int).start()
    stopping.begun.wait(0.001)
assert stopping.requested
assert stopping.begun.wait(30)
assert stopping.interrupting.wait(30)
os._exit(7)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, capture_output=True)
    assert done.returncode == 7, done.stderr


def test_sigterm_gives_a_training_its_grace_and_sigint_takes_it_away() -> None:
    stopping = WorkerStop()
    stopping.grace = 600.0
    stopping._handle(signal.SIGTERM, None)
    assert stopping.requested
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stopping.install()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert stopping.begun.wait(60)
    assert not stopping.interrupting.wait(0.5), "SIGTERM alone leaves the training its grace"
    stopping._handle(signal.SIGINT, None)
    assert stopping.interrupting.wait(60)


def test_a_worker_that_is_told_to_stop_takes_nothing_from_its_queue(
    job_store: JobStore, redis_url: str, stopping: WorkerStop
) -> None:
    job_store.record(P, EVENT)
    mine = rq_worker.make_worker(redis_url, "test-queue")
    stopping.begin(0)
    assert mine.dequeue_job_and_maintain_ttl(1) is None
    assert mine.work(logging_level="WARNING") is False
    assert job_store.redis.llen(job_store.keys.wake_ups) == 1


def test_a_worker_whose_server_is_gone_takes_nothing_from_its_queue(
    job_store: JobStore, redis_url: str, stopping: WorkerStop
) -> None:
    job_store.record(P, EVENT)
    mine = rq_worker.make_worker(redis_url, "test-queue")
    mine.abandoned = lambda: True
    assert mine.dequeue_job_and_maintain_ttl(1) is None
    assert job_store.redis.llen(job_store.keys.wake_ups) == 1


def test_a_job_that_was_taken_when_the_worker_is_to_stop_goes_back_in_front(
    job_store: JobStore, redis_url: str, stopping: WorkerStop
) -> None:
    job_store.record(P, EVENT)
    job_store.record("8.1", EVENT)
    first = job_store.redis.lindex(job_store.keys.wake_ups, 0)
    mine = rq_worker.make_worker(redis_url, "test-queue")
    job, queue = mine.dequeue_job_and_maintain_ttl(1)
    stopping.begin(0)
    with pytest.raises(StopRequested):
        mine.execute_job(job, queue)
    assert job_store.redis.lindex(job_store.keys.wake_ups, 0) == first
    assert job_store.redis.llen(job_store.keys.wake_ups) == 2


def test_a_worker_that_is_killed_when_a_job_begins_is_listed_for_a_minute_at_most(
    job_store: JobStore, redis_url: str, settings: Settings, stopping: WorkerStop
) -> None:
    """RQ itself would list it for 420 s, for as long as the job itself counts as running."""
    job_store.record(P, EVENT)
    process = rq_worker.WorkerProcess(
        settings, job_store, None, reports_failures=False, abandoned=lambda: False
    )
    killed = process._worker
    killed.register_birth()
    job, _ = killed.dequeue_job_and_maintain_ttl(1)
    assert 0 < job_store.redis.ttl(killed.key) <= 60
    killed.prepare_execution(job)
    killed.prepare_job_execution(job)
    assert job.get_status() == "started"
    assert 0 < job_store.redis.ttl(killed.key) <= 60
    assert killed.get_heartbeat_ttl(job) == 420


def test_a_wake_up_that_a_killed_worker_had_begun_is_sent_again(
    job_store: JobStore, redis_url: str, stopping: WorkerStop
) -> None:
    """RQ still lists the job as started: neither that nor its maintenance keeps another worker from it."""
    job_id = job_store.record(P, EVENT)
    killed = rq_worker.make_worker(redis_url, "test-queue")
    job, _ = killed.dequeue_job_and_maintain_ttl(1)
    killed.prepare_execution(job)
    killed.prepare_job_execution(job)
    assert job.get_status() == "started"
    assert job_store.redis.llen(job_store.keys.wake_ups) == 0
    job_store.wake(P)
    job_store.wake(P)
    assert job_store.redis.lrange(job_store.keys.wake_ups, 0, -1) == [f"train-{job_id}".encode()]
    later = rq_worker.make_worker(redis_url, "test-queue")
    again, _ = later.dequeue_job_and_maintain_ttl(1)
    assert again.id == job.id
    assert list(again.args) == [P]


def test_a_worker_waits_for_a_redis_that_is_away_only_until_it_is_told_to_stop(
    redis_url: str, stopping: WorkerStop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = rq_worker.make_worker(redis_url, "test-queue")
    tries = 0

    def away(*args: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            stopping.begin(0)
        raise redis.exceptions.ConnectionError("away")

    monkeypatch.setattr(rq_worker, "_MIN_PAUSE", 0.01)
    monkeypatch.setattr(mine, "heartbeat", away)
    assert mine.dequeue_job_and_maintain_ttl(1) is None
    assert tries == 3
