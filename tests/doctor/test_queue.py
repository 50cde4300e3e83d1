"""What `doctor` says of the queue, around a real Redis."""

from dataclasses import replace
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import view
from label_studio_ml.doctor import server
from label_studio_ml.doctor.context import Context
from label_studio_ml.training.records import job_store_access
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_store_access import open_job_store, worker_count
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.queue_owner import Claim, Owner
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.worker.rq_worker import make_worker
from redis_server import MakeRedis, RedisServer, make_redis

__all__ = ["make_redis"]


@pytest.fixture
def redis(make_redis: MakeRedis) -> RedisServer:
    return make_redis()


def context(folder: Path, **settings: str) -> Context:
    made = replace(Settings(backend_dir=folder, model_dir=folder / "data", class_name="Mine"), **settings)  # type: ignore[arg-type]
    url = "http://localhost:1"
    return Context(settings=made, folder=folder, port=1, view=view(made, url, 1), url=url, name="")


def looked(found: Context) -> tuple[str, str, str]:
    (check,) = server.queue(found)
    assert check.name == "queue"
    return check.status, check.what, check.fix


def test_its_own_with_its_workers(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WORKER_START", 0.0)
    found = context(tmp_path, redis_url=redis.url)
    name = open_job_store(connect(redis.url), found.settings, embedded=False).keys.queue
    assert looked(found) == ("skip", f"{name} has no worker, because the backend is not running", "")
    found.about = {}
    status, what, fix = looked(found)
    assert (status, what) == ("warn", f"{name} has no worker, so nothing is trained")
    assert f"label-studio-ml worker {tmp_path}" in fix
    worker = make_worker(redis.url, name)
    worker.register_birth()
    assert looked(found) == ("ok", f"{name}, 1 worker", "")


def test_it_waits_for_workers_that_start(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WORKER_START", 60.0)
    found = context(tmp_path, redis_url=redis.url)
    found.about = {}
    name = open_job_store(connect(redis.url), found.settings, embedded=False).keys.queue
    worker = make_worker(redis.url, name)
    counts: list[int] = []

    def counted(job_store: JobStore) -> int:
        counts.append(worker_count(job_store))
        if len(counts) == 3:
            worker.register_birth()
        return counts[-1]

    monkeypatch.setattr(job_store_access, "worker_count", counted)
    assert looked(found) == ("ok", f"{name}, 1 worker", "")
    assert counts == [0, 0, 0, 1]


def test_another_backends(redis: RedisServer, tmp_path: Path) -> None:
    found = context(tmp_path, redis_url=redis.url, queue="default")
    Claim(Owner("1", "Other", "c", "host:/other")).take(connect(redis.url), "default")
    before = sorted(connect(redis.url).keys("*"))
    status, what, fix = looked(found)
    assert status == "warn"
    assert what.startswith("RQ_QUEUE_NAME=default is the queue of another backend (Other in host:/other)")
    assert "RQ_QUEUE_NAME" in fix
    assert sorted(connect(redis.url).keys("*")) == before, "it only looks"


def test_events_under_the_former_default_name(redis: RedisServer, tmp_path: Path) -> None:
    JobStore(connect(redis.url), DEFAULT_QUEUE).record("1", StoredEvent("START_TRAINING", {}))
    status, what, fix = looked(context(tmp_path, redis_url=redis.url))
    assert (status, what.partition(" waits on")[0]) == ("warn", "1 event")
    assert fix == f"To train on them, start it with RQ_QUEUE_NAME={DEFAULT_QUEUE}"


def test_a_redis_that_is_away(tmp_path: Path) -> None:
    status, what, _ = looked(context(tmp_path, redis_url="unix:///nowhere/redis.sock"))
    assert status == "skip"
    assert "Redis cannot be reached" in what


def test_the_broker_of_its_own_has_none(tmp_path: Path) -> None:
    assert list(server.queue(context(tmp_path))) == []


@pytest.mark.parametrize(("redis_url", "says"), [("redis://there", "worker"), ("", "start")])
def test_where_no_worker_trains_the_command_that_starts_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str, says: str
) -> None:
    found = context(tmp_path, redis_url=redis_url)
    found.about = {}
    monkeypatch.setattr(type(found.view), "ready", lambda view: {"training": "1 event waits"})
    (check,) = server.trainings(found)
    assert (check.status, check.what) == ("fail", "1 event waits")
    assert f"label-studio-ml {says} {tmp_path}" in check.fix
