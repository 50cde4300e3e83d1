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
from label_studio_ml.training.records.board_access import shorten_workers
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_board import JobBoard
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
def memory(board: JobBoard, tmp_path: Path) -> PolicyCache:
    (tmp_path / "model.py").write_text("")
    return PolicyCache(board, Settings(backend_dir=tmp_path, script=tmp_path / "model.py"))


def _record(board: JobBoard) -> str:
    """Store an event, and take its wake-up from the queue."""
    job = board.record(P, StoredEvent("ANNOTATION_CREATED", {"annotation": {"id": 1}}))
    board.redis.delete(board.keys.wake_ups)
    return job


def _woken(board: JobBoard) -> bool:
    return bool(board.redis.llen(board.keys.wake_ups))


def test_a_turn_that_lasts_a_day_is_over(board: JobBoard) -> None:
    board.redis.set(board.keys.looked, 1, px=DAY)
    assert board.wake_ups.turn(1000)
    assert board.redis.pttl(board.keys.looked) <= 900_000
    assert not board.wake_ups.turn(1000)


def test_a_lease_that_lives_a_day_lives_as_long_as_others_from_now_on(board: JobBoard) -> None:
    """Its worker was killed before the clock was set back. One that is there renews it."""
    lease = Lease(board.redis, board.keys.lease(P), LEASE)
    assert lease.take()
    board.redis.pexpire(board.keys.lease(P), DAY)
    assert board.leased(P, LEASE)
    left = board.redis.pttl(board.keys.lease(P))
    assert 0 < left <= LEASE * 1000
    assert lease.renew()
    board.redis.pexpire(board.keys.lease(P), 5_000)
    assert board.leased(P, LEASE)
    assert board.redis.pttl(board.keys.lease(P)) <= 5_000
    lease.release()
    assert not board.leased(P, LEASE)


def test_a_lease_of_a_worker_with_a_longer_life_keeps_that(board: JobBoard) -> None:
    lease = Lease(board.redis, board.keys.lease(P), 600)
    assert lease.take()
    assert board.leased(P, 1.0)
    assert 300_000 < board.redis.pttl(board.keys.lease(P)) <= 600_000
    board.redis.pexpire(board.keys.lease(P), DAY)
    assert board.leased(P, 1.0)
    assert 300_000 < board.redis.pttl(board.keys.lease(P)) <= 600_000
    assert lease.renew()
    lease.check()
    lease.release()
    assert not board.leased(P, 1.0)


def test_the_sweeper_wakes_a_project_whose_lease_would_live_a_day(
    board: JobBoard, memory: PolicyCache
) -> None:
    _record(board)
    board.redis.set(board.keys.lease(P), "a worker that was killed", px=DAY)
    sweep(board, memory, 1.0)
    assert not _woken(board)
    wait_until(lambda: sweep(board, memory, 1.0) == math.inf and _woken(board), "it is woken", 60)


@pytest.mark.parametrize("step", [-DAY, DAY])
def test_what_waits_for_a_time_is_looked_at_again_when_the_clock_was_set(
    step: int, board: JobBoard, memory: PolicyCache
) -> None:
    job = _record(board)
    now = board.queues.clock()
    waits = Decision(at=now + 600_000, text="waits")
    assert board.postpone(P, job, waits, board.queues.entries(P), code=memory.code)
    hold = board.postponement(P)
    assert hold is not None
    assert now <= hold.since <= board.queues.clock()
    assert 0 < sweep(board, memory, LEASE) <= 600
    assert not _woken(board)
    for field in ("at", "since"):
        board.redis.hincrby(board.keys.postponement(P), field, -step)
    sweep(board, memory, LEASE)
    assert _woken(board)


def test_a_wait_without_a_time_is_none_of_the_clocks_business() -> None:
    assert Postponement("code", None, since=10).applies("code", 5)
    assert Postponement("code", 20, since=10).applies("code", 10)
    assert not Postponement("code", 20, since=10).applies("code", 9)
    assert not Postponement("code", 20, since=10).applies("code", 20)
    assert not Postponement("code", 20, since=10).applies("other", 15)


def test_a_backend_counts_as_running_no_longer_than_it_should(board: JobBoard) -> None:
    first, second = (Owner(name, "Model", "code", f"host:/{name}") for name in ("one", "two"))
    life = 0.5
    assert Claim(first, life, server="server").take(board.redis, "q") is None
    keys = board.keys.__class__("q")
    ahead = board.queues.clock() + DAY
    board.redis.hset(keys.backend, "until", ahead)
    board.redis.zadd(keys.servers, {"server": ahead, "gone": ahead})
    assert Claim(second, life).take(board.redis, "q") == first
    assert board.redis.zscore(keys.servers, "gone") <= board.queues.clock() + life * 1000
    wait_until(lambda: Claim(second, life).take(board.redis, "q") is None, "it is not heard of any more", 60)
    assert owner_of(board.redis, "q") == second


def test_a_server_with_a_longer_life_counts_as_running_for_that(board: JobBoard) -> None:
    owner = Owner("one", "Model", "code", "host:/one")
    copy = Claim(Owner("two", "Model", "code", "host:/two"))
    slow, quick = Claim(owner, 3600, server="slow"), Claim(owner, 60, server="quick")
    keys = board.keys.__class__("q")

    def left(of: float) -> bool:
        """Tell whether a time is about the slow server's life ahead."""
        return 3_000_000 < of - board.queues.clock() <= 3_600_000

    assert slow.take(board.redis, "q") is None
    for score in (None, board.queues.clock() + DAY):
        if score is not None:  # the clock was set back
            board.redis.zadd(keys.servers, {"slow": score})
            board.redis.hset(keys.backend, "until", score)
        assert quick.take(board.redis, "q") is None
        assert left(board.redis.zscore(keys.servers, "slow"))
        assert left(float(board.redis.hget(keys.backend, "until")))
    assert board.redis.zscore(keys.servers, "quick") - board.queues.clock() <= 60_000
    quick.release(board.redis, "q")
    assert copy.take(board.redis, "q") == owner
    slow.release(board.redis, "q")
    assert not [field for field in board.redis.hkeys(keys.backend) if field.startswith(b"life:")]
    assert copy.take(board.redis, "q") is None


def test_a_worker_is_counted_no_longer_than_rq_counts_it(board: JobBoard) -> None:
    board.redis.sadd(
        f"rq:workers:{board.keys.queue}", "rq:worker:killed", "rq:worker:there", "rq:worker:gone"
    )
    board.redis.hset("rq:worker:killed", "birth", "")
    board.redis.expire("rq:worker:killed", DAY // 1000)
    board.redis.hset("rq:worker:there", "birth", "")
    board.redis.expire("rq:worker:there", 30)
    shorten_workers(board)
    assert 60 < board.redis.ttl("rq:worker:killed") <= 480
    assert 0 < board.redis.ttl("rq:worker:there") <= 30


def test_a_shard_counts_as_worked_on_no_longer_than_its_worker_is_believed(
    board: JobBoard, tmp_path: Path
) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", lease=LEASE, sweep=0.01)
    jobs = PredictionWorker(settings)
    jobs.begin(board, jobs._stopping, lambda job: None)
    started = StartedJobRegistry(queue=Queue(jobs.queue, connection=board.redis))
    board.redis.zadd(started.key, {"shard:1": time.time() + 86_400, "shard:2": time.time() + 1})
    jobs.sweep()
    scores: dict[bytes, Any] = dict(board.redis.zrange(started.key, 0, -1, withscores=True))
    assert scores[b"shard:1"] <= time.time() + jobs.life
    assert scores[b"shard:2"] <= time.time() + 1
    jobs.close()


def test_a_worker_with_a_shorter_lease_leaves_the_shard_of_another_to_it(
    board: JobBoard, url: str, tmp_path: Path
) -> None:
    """How long a shard's worker is believed without being heard is that worker's own setting."""
    quick = _prediction_worker(board, tmp_path, lease=2.0)
    slow = make_worker(url, quick.queue)
    slow.idle_jobs = _prediction_worker(board, tmp_path, lease=600.0)
    queue = OurQueue(quick.queue, connection=board.redis)
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


def _prediction_worker(board: JobBoard, folder: Path, lease: float) -> PredictionWorker:
    settings = Settings(backend_dir=folder, model_dir=folder / "data", lease=lease, sweep=0.01)
    jobs = PredictionWorker(settings)
    jobs.begin(board, jobs._stopping, lambda job: None)
    return jobs


def test_events_that_came_before_the_clock_was_set_back_are_trained_on(launch: Any) -> None:
    """A event queue whose last event is a day ahead gives ids of that day to all events that come later."""
    live: Live = launch()
    live.studio.add(7, 1, 2)
    live.setup(7)
    live.broker()
    board = live.board()
    board.redis.xadd(
        board.keys.mailbox(uid(7)), {"action": "x", "annotations": 0}, f"{board.queues.clock() + DAY}-0"
    )
    board.redis.xtrim(board.keys.mailbox(uid(7)), 0)
    job = live.send(created(7, 1))
    assert live.wait(job)["job_status"] == "finished"
    board.redis.close()
