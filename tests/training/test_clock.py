"""Redis's clock is set: what was stored with the former one holds nothing up.

Redis's own clock cannot be set here. What it had stored a day ahead is written instead: it is the same afterwards.
"""

import math
import time
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.registry import StartedJobRegistry

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.projects.jobs.prediction_worker import PredictionWorker
from label_studio_ml.projects.jobs.shards import FUNCTION as SHARD
from label_studio_ml.training.policy import Decision
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_store_access import limit_worker_ttls
from label_studio_ml.training.records.postponement import Postponement
from label_studio_ml.training.redis.queue_owner import Claim, Owner, owner_of
from label_studio_ml.training.redis.rq_jobs import Queue as OurQueue
from label_studio_ml.training.redis.rq_jobs import Runnable, started
from label_studio_ml.training.scheduling.lease import Lease
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.training.scheduling.sweeper import sweep
from label_studio_ml.training.worker.rq_worker import make_worker
from live import Live, created, uid

P = "7.1767225600"
DAY = 86_400_000
LEASE = 20.0


@pytest.fixture
def memory(job_store: JobStore, tmp_path: Path) -> PolicyCache:
    (tmp_path / "model.py").write_text("")
    return PolicyCache(job_store, Settings(backend_dir=tmp_path, script=tmp_path / "model.py"))


def _record(job_store: JobStore) -> str:
    """Store an event, and take its wake-up from the queue."""
    job = job_store.record(P, StoredEvent("ANNOTATION_CREATED", {"annotation": {"id": 1}}))
    job_store.redis.delete(job_store.keys.wake_ups)
    return job


def _woken(job_store: JobStore) -> bool:
    return bool(job_store.redis.llen(job_store.keys.wake_ups))


def test_a_turn_that_lasts_a_day_is_over(job_store: JobStore) -> None:
    job_store.redis.set(job_store.keys.looked, 1, px=DAY)
    assert job_store.wake_ups.take_sweep_turn(1000)
    assert job_store.redis.pttl(job_store.keys.looked) <= 900_000
    assert not job_store.wake_ups.take_sweep_turn(1000)


def test_a_lease_that_lives_a_day_lives_as_long_as_others_from_now_on(job_store: JobStore) -> None:
    """Its worker was killed before the clock was set back. One that is there renews it."""
    lease = Lease(job_store.redis, job_store.keys.lease(P), LEASE)
    assert lease.acquire()
    job_store.redis.pexpire(job_store.keys.lease(P), DAY)
    assert job_store.leased(P, LEASE)
    left = job_store.redis.pttl(job_store.keys.lease(P))
    assert 0 < left <= LEASE * 1000
    assert lease.renew()
    job_store.redis.pexpire(job_store.keys.lease(P), 5_000)
    assert job_store.leased(P, LEASE)
    assert job_store.redis.pttl(job_store.keys.lease(P)) <= 5_000
    lease.release()
    assert not job_store.leased(P, LEASE)


def test_a_lease_of_a_worker_with_a_longer_life_keeps_that(job_store: JobStore) -> None:
    lease = Lease(job_store.redis, job_store.keys.lease(P), 600)
    assert lease.acquire()
    assert job_store.leased(P, 1.0)
    assert 300_000 < job_store.redis.pttl(job_store.keys.lease(P)) <= 600_000
    job_store.redis.pexpire(job_store.keys.lease(P), DAY)
    assert job_store.leased(P, 1.0)
    assert 300_000 < job_store.redis.pttl(job_store.keys.lease(P)) <= 600_000
    assert lease.renew()
    lease.check()
    lease.release()
    assert not job_store.leased(P, 1.0)


def test_the_sweeper_wakes_a_project_whose_lease_would_live_a_day(
    job_store: JobStore, memory: PolicyCache
) -> None:
    _record(job_store)
    job_store.redis.set(job_store.keys.lease(P), "a worker that was killed", px=DAY)
    sweep(job_store, memory, 1.0)
    assert not _woken(job_store)
    wait_until(lambda: sweep(job_store, memory, 1.0) == math.inf and _woken(job_store), "it is woken", 60)


@pytest.mark.parametrize("step", [-DAY, DAY])
def test_what_waits_for_a_time_is_looked_at_again_when_the_clock_was_set(
    step: int, job_store: JobStore, memory: PolicyCache
) -> None:
    job = _record(job_store)
    now = job_store.queues.clock()
    waits = Decision(at=now + 600_000, text="waits")
    assert job_store.postpone(P, job, waits, job_store.queues.entries(P), code=memory.code)
    hold = job_store.postponement(P)
    assert hold is not None
    assert now <= hold.since <= job_store.queues.clock()
    assert 0 < sweep(job_store, memory, LEASE) <= 600
    assert not _woken(job_store)
    for field in ("at", "since"):
        job_store.redis.hincrby(job_store.keys.postponement(P), field, -step)
    sweep(job_store, memory, LEASE)
    assert _woken(job_store)


def test_a_wait_without_a_time_is_none_of_the_clocks_business() -> None:
    assert Postponement("code", None, since=10).applies("code", 5)
    assert Postponement("code", 20, since=10).applies("code", 10)
    assert not Postponement("code", 20, since=10).applies("code", 9)
    assert not Postponement("code", 20, since=10).applies("code", 20)
    assert not Postponement("code", 20, since=10).applies("other", 15)


def test_a_backend_counts_as_running_no_longer_than_it_should(job_store: JobStore) -> None:
    first, second = (Owner(name, "Model", "code", f"host:/{name}") for name in ("one", "two"))
    life = 0.5
    assert Claim(first, life, server="server").take(job_store.redis, "q") is None
    keys = job_store.keys.__class__("q")
    ahead = job_store.queues.clock() + DAY
    job_store.redis.hset(keys.backend, "until", ahead)
    job_store.redis.zadd(keys.servers, {"server": ahead, "gone": ahead})
    assert Claim(second, life).take(job_store.redis, "q") == first
    assert job_store.redis.zscore(keys.servers, "gone") <= job_store.queues.clock() + life * 1000
    wait_until(
        lambda: Claim(second, life).take(job_store.redis, "q") is None, "it is not heard of any more", 60
    )
    assert owner_of(job_store.redis, "q") == second


def test_a_server_with_a_longer_life_counts_as_running_for_that(job_store: JobStore) -> None:
    owner = Owner("one", "Model", "code", "host:/one")
    copy = Claim(Owner("two", "Model", "code", "host:/two"))
    slow, quick = Claim(owner, 3600, server="slow"), Claim(owner, 60, server="quick")
    keys = job_store.keys.__class__("q")

    def left(of: float) -> bool:
        """Tell whether a time is about the slow server's life ahead."""
        return 3_000_000 < of - job_store.queues.clock() <= 3_600_000

    assert slow.take(job_store.redis, "q") is None
    for score in (None, job_store.queues.clock() + DAY):
        if score is not None:  # the clock was set back
            job_store.redis.zadd(keys.servers, {"slow": score})
            job_store.redis.hset(keys.backend, "until", score)
        assert quick.take(job_store.redis, "q") is None
        assert left(job_store.redis.zscore(keys.servers, "slow"))
        assert left(float(job_store.redis.hget(keys.backend, "until")))
    assert job_store.redis.zscore(keys.servers, "quick") - job_store.queues.clock() <= 60_000
    quick.release(job_store.redis, "q")
    assert copy.take(job_store.redis, "q") == owner
    slow.release(job_store.redis, "q")
    assert not [field for field in job_store.redis.hkeys(keys.backend) if field.startswith(b"life:")]
    assert copy.take(job_store.redis, "q") is None


def test_a_worker_is_counted_no_longer_than_rq_counts_it(job_store: JobStore) -> None:
    job_store.redis.sadd(
        f"rq:workers:{job_store.keys.queue}", "rq:worker:killed", "rq:worker:there", "rq:worker:gone"
    )
    job_store.redis.hset("rq:worker:killed", "birth", "")
    job_store.redis.expire("rq:worker:killed", DAY // 1000)
    job_store.redis.hset("rq:worker:there", "birth", "")
    job_store.redis.expire("rq:worker:there", 30)
    limit_worker_ttls(job_store)
    assert 60 < job_store.redis.ttl("rq:worker:killed") <= 480
    assert 0 < job_store.redis.ttl("rq:worker:there") <= 30


def test_a_shard_counts_as_worked_on_no_longer_than_its_worker_is_believed(
    job_store: JobStore, tmp_path: Path
) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", lease=LEASE, sweep=0.01)
    jobs = PredictionWorker(settings)
    jobs.begin(job_store, jobs._stopping, lambda job: None)
    started = StartedJobRegistry(queue=Queue(jobs.queue, connection=job_store.redis))
    job_store.redis.zadd(started.key, {"shard:1": time.time() + 86_400, "shard:2": time.time() + 1})
    jobs.sweep()
    scores: dict[bytes, Any] = dict(job_store.redis.zrange(started.key, 0, -1, withscores=True))
    assert scores[b"shard:1"] <= time.time() + jobs.life
    assert scores[b"shard:2"] <= time.time() + 1
    jobs.close()


def test_a_worker_with_a_shorter_lease_leaves_the_shard_of_another_to_it(
    job_store: JobStore, url: str, tmp_path: Path
) -> None:
    """How long a shard's worker is believed without being heard is that worker's own setting."""
    quick = _prediction_worker(job_store, tmp_path, lease=2.0)
    slow = make_worker(url, quick.queue)
    slow.idle_jobs = _prediction_worker(job_store, tmp_path, lease=600.0)
    queue = OurQueue(quick.queue, connection=job_store.redis)
    registry = started(queue)
    scores = []

    def during() -> None:
        quick.sweep()
        scores.append(registry.connection.zrange(registry.key, 0, -1, withscores=True)[0][1])

    slow.idle_jobs.functions = {SHARD: Runnable(during, lambda args: not args)}
    queue.enqueue(SHARD)
    slow.work(burst=True)
    assert scores[0] > time.time() + 300
    quick.close()
    slow.idle_jobs.close()


def _prediction_worker(job_store: JobStore, folder: Path, lease: float) -> PredictionWorker:
    settings = Settings(backend_dir=folder, model_dir=folder / "data", lease=lease, sweep=0.01)
    jobs = PredictionWorker(settings)
    jobs.begin(job_store, jobs._stopping, lambda job: None)
    return jobs


def test_events_that_came_before_the_clock_was_set_back_are_trained_on(launch: Any) -> None:
    """A event queue whose last event is a day ahead gives ids of that day to all events that come later."""
    live: Live = launch()
    live.studio.add(7, 1, 2)
    live.setup(7)
    live.broker()
    job_store = live.job_store()
    job_store.redis.xadd(
        job_store.keys.mailbox(uid(7)),
        {"action": "x", "annotations": 0},
        f"{job_store.queues.clock() + DAY}-0",
    )
    job_store.redis.xtrim(job_store.keys.mailbox(uid(7)), 0)
    job = live.send(created(7, 1))
    assert live.wait(job)["job_status"] == "finished"
    job_store.redis.close()
