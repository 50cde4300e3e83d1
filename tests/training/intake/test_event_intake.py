"""Handing events in within a budget, on a real Redis that stops."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StoreError
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.intake import event_intake as module
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.versions.state.project_state import Projects
from redis_server import MakeRedis, RedisServer, make_redis

__all__ = ["make_redis"]


@pytest.fixture
def redis(make_redis: MakeRedis) -> RedisServer:
    return make_redis("--appendonly", "yes")


@pytest.fixture
def intake(redis: RedisServer, tmp_path: Path) -> Iterator[RedisIntake]:
    settings = Settings(
        backend_dir=tmp_path, model_dir=tmp_path / "data", redis_url=redis.url, queue="handed-in"
    )
    made = RedisIntake.of(settings, lambda timeout: redis.url)
    made.start()
    yield made
    made.stop()


def test_a_spool_that_cannot_be_written_to_is_logged_at_the_start(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "data" / "spool"
    spool.parent.mkdir()
    spool.write_text("in the way")
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", redis_url=redis.url)
    intake = RedisIntake.of(settings, lambda timeout: redis.url)
    intake.start()
    intake.stop()
    assert f"while Redis is unavailable: {spool} is a file, not a folder" in caplog.text
    assert intake.spool_problem in caplog.text


def event(number: int, project: str = "1", **data: Any) -> Event:
    return Event(
        action="ANNOTATION_CREATED",
        uid=project,
        label_config="",
        title="",
        data={"annotation": {"id": number, "task": 1}, "task": {"id": 1}, **data},
    )


def hand_in(intake: RedisIntake, number: int, project: str = "1") -> str | None:
    return intake.hand_in(event(number, project), trusted=True, train=True)


def events(redis: RedisServer, project: str = "1") -> list[int]:
    job_store = JobStore(redis.client(), "handed-in")
    return [one.data["annotation"]["id"] for one in job_store.queues.events(project)]


def first(intake: RedisIntake) -> None:
    """Hand the first event in, and wait until it is in Redis, however slow this machine is."""
    hand_in(intake, 0)
    wait_until(lambda: not intake.spool.events, "it is in Redis", every=0.01)


def test_an_event_has_its_job_in_the_answer(intake: RedisIntake, redis: RedisServer) -> None:
    first(intake)
    wait_until(lambda: hand_in(intake, 1), "its job is named", every=0.05)
    assert events(redis)[:2] == [0, 1]


def test_a_redis_that_is_stopped_is_not_waited_for_and_each_event_counts_once(
    intake: RedisIntake, redis: RedisServer
) -> None:
    first(intake)
    assert redis.program is not None
    redis.program.process.send_signal(signal.SIGSTOP)
    for number in range(1, 51):
        assert hand_in(intake, number) is None
    assert intake.spool.events == 50
    redis.program.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not intake.spool.events, "Redis has them", every=0.01)
    assert events(redis) == list(range(51)), "the first one was sent twice, and counts once"
    job_store = JobStore(redis.client(), "handed-in")
    assert len(list(job_store.jobs.of("1"))) == 1


def test_no_answer_waits_as_long_as_label_studio_does(intake: RedisIntake, redis: RedisServer) -> None:
    """The quickest of several: a machine that is busy may be late once, but not each time."""
    first(intake)
    assert redis.program is not None
    took = []
    for number in range(1, 6):
        redis.program.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        hand_in(intake, number)
        took.append(time.monotonic() - began)
        redis.program.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not intake.spool.events, "Redis has it", every=0.01)
    assert min(took) < 0.9
    assert events(redis) == list(range(6))


def test_only_the_first_of_them_waits_for_the_budget(
    intake: RedisIntake, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first(intake)
    monkeypatch.setattr(module, "BUDGET", 3.0)
    assert redis.program is not None
    redis.program.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    hand_in(intake, 1)
    one = time.monotonic() - began
    began = time.monotonic()
    for number in range(2, 12):
        hand_in(intake, number)
    ten = time.monotonic() - began
    redis.program.process.send_signal(signal.SIGCONT)
    assert ten < 5 * one, "those behind it go to the disk at once"
    wait_until(lambda: not intake.spool.events, "Redis has them", every=0.01)
    assert events(redis) == list(range(12))


def test_an_event_that_was_given_up_on_may_arrive_all_the_same(
    intake: RedisIntake, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first(intake)
    monkeypatch.setattr(module, "BUDGET", 0.001)  # Redis takes most of them, but too late
    for number in range(1, 101):
        hand_in(intake, number)
    wait_until(lambda: not intake.spool.events, "Redis has them", every=0.01)
    assert events(redis) == list(range(101))


def test_events_of_a_project_that_come_at_once_keep_their_order_with_those_before(
    intake: RedisIntake, redis: RedisServer
) -> None:
    first(intake)
    projects = [str(number) for number in range(1, 9)]

    def send(project: str) -> None:
        for number in range(1, 41):
            hand_in(intake, number, project)

    with ThreadPoolExecutor(len(projects)) as threads:
        sending = [threads.submit(send, project) for project in projects]
        assert redis.program is not None
        for _ in range(4):
            redis.program.process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            redis.program.process.send_signal(signal.SIGCONT)
        for one in sending:
            one.result(120)
    wait_until(lambda: not intake.spool.events, "Redis has them", every=0.01)
    assert events(redis, "1") == list(range(41))
    for project in projects[1:]:
        assert events(redis, project) == list(range(1, 41))


@pytest.mark.parametrize("before", [0, 3])
def test_a_training_that_somebody_asked_for_has_its_job_where_redis_is_only_slow(
    intake: RedisIntake, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Also where events `before` it are on the disk."""
    first(intake)
    monkeypatch.setattr(module, "BUDGET", 0.0)  # no answer is quick enough
    for number in range(before):
        assert hand_in(intake, number + 2) is None
    monkeypatch.setattr(module, "JOB_ID_TIMEOUT", 120.0)
    asked = msgspec.structs.replace(event(1), action="START_TRAINING")
    job = intake.hand_in(asked, trusted=True, train=True)
    assert [one.id for one in JobStore(redis.client(), "handed-in").jobs.of("1")] == [job]


def test_the_log_names_the_embedded_broker(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has set up a Redis where REDIS_URL is empty."""
    monkeypatch.setattr(module, "BUDGET", 0.0)  # no answer is quick enough
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", queue="handed-in")
    intake = RedisIntake.of(settings, lambda timeout: redis.url)
    intake.start()
    try:
        assert hand_in(intake, 1) is None
    finally:
        intake.stop()
    assert " s (the backend's own Redis, as REDIS_URL is not set); events are kept on the disk" in caplog.text


def test_a_job_is_not_waited_for_in_an_outage(
    intake: RedisIntake, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first(intake)
    redis.stop()
    monkeypatch.setattr(module, "OUTAGE_AFTER", -1.0)
    monkeypatch.setattr(module, "JOB_ID_TIMEOUT", math.inf)
    asked = msgspec.structs.replace(event(1), action="START_TRAINING")
    assert intake.hand_in(asked, trusted=True, train=True) is None
    assert intake.spool.events == 1


def test_after_its_end_events_go_to_the_disk(intake: RedisIntake, redis: RedisServer) -> None:
    first(intake)
    intake.stop()
    assert hand_in(intake, 1) is None
    assert intake.spool.events == 1


def test_an_event_that_still_waits_for_a_thread_at_the_end_goes_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STORE_THREADS", 1)
    monkeypatch.setattr(module, "BUDGET", 60.0)
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", redis_url="redis://127.0.0.1:1")
    intake = RedisIntake.of(settings, lambda timeout: settings.redis_url)
    busy, goes_on = threading.Event(), threading.Event()

    def hold(*_: object) -> str:
        busy.set()
        goes_on.wait(60)
        return "its job"

    monkeypatch.setattr(intake, "_store_with_retries", hold)
    lock = hash("1") % module.PROJECT_LOCKS
    other = next(str(number) for number in range(2, 1000) if hash(str(number)) % module.PROJECT_LOCKS != lock)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(hand_in, intake, 1, "1")
        assert busy.wait(60)
        two = threads.submit(hand_in, intake, 2, other)
        wait_until(lambda: intake._executor._work_queue.qsize(), "the second one waits", every=0.01)
        intake.stop()
        assert two.result(60) is None
        goes_on.set()
        assert one.result(60) == "its job"
    assert intake.spool.events == 1


def test_an_event_counts_also_where_what_is_known_of_its_project_cannot_be_read(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*args: object) -> None:
        raise StoreError("the disk does not answer")

    monkeypatch.setattr(Projects, "get", unreadable)
    settings = Settings(
        backend_dir=tmp_path, model_dir=tmp_path / "data", redis_url=redis.url, queue="handed-in"
    )
    intake = RedisIntake(
        lambda timeout: redis.url, settings, tmp_path / "spool", Projects(settings.model_dir)
    )
    hand_in(intake, 1)
    wait_until(lambda: not intake.spool.events, "it is in Redis", every=0.01)
    intake.stop()
    assert events(redis) == [1]
    assert "what is known of it cannot be read" in caplog.text
