"""A thousand webhooks to a real server while its Redis is killed, stopped and full in turn: each counts once, in order.

How long the answers take is measured in benchmarks/cases/outages.py: here it may depend on no machine's speed.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.training.records.job_store import JobStore
from live import FakeStudio, Live, created, make_live, uid
from redis_server import MakeRedis, RedisServer, make_redis

__all__ = ["make_redis"]

#: Projects, each of them with a thread of its own that sends its events one after the other.
PROJECTS = range(1, 11)
#: Events of each project in each phase, and how many all of them have sent when the fault begins.
EACH, BEFORE = 25, 50

Fault = Callable[[RedisServer], AbstractContextManager[None]]


@contextmanager
def calm(redis: RedisServer) -> Iterator[None]:
    yield


@contextmanager
def killed(redis: RedisServer) -> Iterator[None]:
    redis.kill()
    yield
    redis.start()


@contextmanager
def stopped(redis: RedisServer) -> Iterator[None]:
    assert redis.program is not None
    redis.program.process.send_signal(signal.SIGSTOP)
    yield
    redis.program.process.send_signal(signal.SIGCONT)


@contextmanager
def full(redis: RedisServer) -> Iterator[None]:
    redis.client().config_set("maxmemory", 1)
    yield
    redis.client().config_set("maxmemory", 0)


def deliver(live: Live, phase: int, fault: Callable[[], AbstractContextManager[None]]) -> list[bool]:
    """Send every project's events of a phase; return for each answer whether it named a job.

    The fault begins among them, and ends when all are answered.
    """
    sent = threading.Semaphore(0)

    def project(number: int) -> list[bool]:
        named = []
        with requests.Session() as session:
            for one in range(phase * EACH, (phase + 1) * EACH):
                answer = session.post(f"{live.backend.url}/webhook", json=created(number, one), timeout=120)
                assert answer.status_code == 201, answer.text
                named.append(bool(answer.json()["job"]))
                sent.release()
        return named

    with ThreadPoolExecutor(len(PROJECTS)) as threads:
        answers = [threads.submit(project, number) for number in PROJECTS]
        for _ in range(BEFORE):
            assert sent.acquire(timeout=120)
        with fault():
            return [named for one in answers for named in one.result(300)]


def test_a_thousand_webhooks_while_redis_fails_in_every_way(
    tmp_path: Path, make_redis: MakeRedis, studio: FakeStudio
) -> None:
    redis = make_redis("--appendonly", "yes", "--appendfsync", "always")
    env = {"REDIS_URL": redis.url, "RQ_QUEUE_NAME": "outages"}
    live = make_live(tmp_path / "backend", studio, "seed_model", env=env)
    live.backend.command = "serve"
    live.backend.start()
    spool = live.model_dir / "spool"
    try:
        for project in PROJECTS:
            live.setup(project)
        live.wait_for_broker()
        faults: list[Fault] = [calm, killed, stopped, full]
        for phase, fault in enumerate(faults):
            named = deliver(live, phase, lambda fault=fault: fault(redis))  # type: ignore[misc]
            assert len(named) == len(PROJECTS) * EACH
            if fault is not calm:
                assert not all(named), "what Redis did not take is answered, too"
            wait_until(lambda: not list(spool.glob("*.json")), "Redis has what the disk kept")
        job_store = JobStore(redis.client(), "outages")
        for project in PROJECTS:
            found = [event.data["annotation"]["id"] for event in job_store.queues.events(uid(project))]
            assert found == [1000 + one for one in range(len(faults) * EACH)], "each once, in order"
        said = [line for line in live.backend.output().splitlines() if "kept on the disk" in line]
        assert 3 <= len(said) < 100, "an outage is said, and not with every event"
    finally:
        assert not live.backend.stop()


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    fake = FakeStudio()
    yield fake
    fake.stop()
