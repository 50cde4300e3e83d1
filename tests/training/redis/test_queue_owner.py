"""Whose queue it is, on a real Redis."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.training.intake import job_store_connection
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_store_access import (
    Holder,
    log_leftover_events,
    log_servers_elsewhere,
    open_job_store,
    worker_name,
)
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE, Keys
from label_studio_ml.training.redis.queue_owner import Claim, ForeignQueue, Owner, owner_of
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.worker.rq_worker import make_worker
from label_studio_ml.versions.backend_id import backend_id

EVENT = StoredEvent("START_TRAINING", {})
A, B = Owner("a1", "Reader", "c0de", "host:/a"), Owner("b2", "Writer", "beef", "host:/b")


def settings_of(
    folder: Path, model_class: str = "Reader", queue: str = "", url: str = "redis://x"
) -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(f"class {model_class}: ...")
    return Settings(
        backend_dir=folder,
        model_dir=folder / "data",
        script=Path("model.py"),
        class_name=model_class,
        queue=queue,
        redis_url=url,
    )


def opened(url: str, settings: Settings) -> JobStore:
    return open_job_store(connect(url), settings, embedded=False, server="server")


def test_without_a_name_it_carries_the_id(url: str, tmp_path: Path) -> None:
    one, two = settings_of(tmp_path / "one"), settings_of(tmp_path / "two", "Writer")
    assert opened(url, one).keys.queue == f"{DEFAULT_QUEUE}-{backend_id(one)}"
    assert opened(url, one).keys.queue != opened(url, two).keys.queue


def test_the_broker_of_its_own_has_a_constant_name(url: str, tmp_path: Path) -> None:
    job_store = open_job_store(connect(url), settings_of(tmp_path / "one"), embedded=True)
    assert (job_store.keys.queue, job_store.owner) == (DEFAULT_QUEUE, None)


def test_the_second_backend_with_a_name_is_kept_apart_for_good(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = settings_of(tmp_path / "one", queue="default")
    two = settings_of(tmp_path / "two", "Writer", queue="default")
    assert opened(url, one).keys.queue == "default"
    apart = f"default.{backend_id(two)}"
    for claiming in (False, True):
        job_store = open_job_store(connect(url), two, embedded=False, claiming=claiming)
        assert job_store.keys.queue == apart
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "RQ_QUEUE_NAME=default is the queue of another backend (Reader in" in record.message
    assert opened(url, one).keys.queue == "default"
    connect(url).delete(opened(url, one).keys.backend)
    assert opened(url, two).keys.queue == apart, "what waits there is not left behind"


def test_one_that_only_looks_claims_nothing(url: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "one", queue="default")
    job_store = open_job_store(connect(url), settings, embedded=False, claiming=False)
    assert job_store.keys.queue == "default"
    assert owner_of(job_store.redis, "default") is None
    assert not job_store.redis.keys("*")


class TestAClaim:
    def test_holds_while_its_backend_is_heard_of_and_longer_against_another_model(self, url: str) -> None:
        redis = connect(url)
        assert Claim(A).take(redis, "q") is None
        assert Claim(A).take(redis, "q") is None
        again = replace(A, id="a2", place="host:/new")
        assert Claim(again).take(redis, "q") == A
        Claim(A).release(redis, "q")
        assert Claim(B).take(redis, "q") == A, "whatever becomes of its backend, its events are not for B"
        assert Claim(replace(again, code="new")).take(redis, "q") == A

    def test_goes_to_the_same_model_with_a_new_folder(self, url: str) -> None:
        redis = connect(url)
        assert Claim(A).take(redis, "q") is None
        Claim(B).release(redis, "q")
        again = replace(A, id="a2", place="host:/new")
        assert Claim(again).take(redis, "q") == A, "only its own backend releases it"
        Claim(A).release(redis, "q")
        assert Claim(again).take(redis, "q") is None
        assert owner_of(redis, "q") == again
        assert Claim(A).take(redis, "q") == again

    def test_ends_by_itself(self, url: str) -> None:
        redis = connect(url)
        assert Claim(A, life=0.0).take(redis, "q") is None
        assert Claim(replace(A, id="a2")).take(redis, "q") is None


def test_an_event_for_a_queue_that_changed_hands_is_refused_whole(url: str) -> None:
    redis = connect(url)
    mine = JobStore(redis, "q", A)
    assert mine.record("1", EVENT)
    redis.flushall()
    assert Claim(B).take(redis, "q") is None
    before = sorted(redis.keys("*"))
    with pytest.raises(ForeignQueue, match="another backend"):
        mine.record("1", EVENT, token="t")
    assert sorted(redis.keys("*")) == before
    assert JobStore(redis, "q", B).record("1", EVENT, token="t")


def test_a_job_names_its_backend(url: str) -> None:
    redis = connect(url)
    job_store = JobStore(redis, "q", A)
    job = job_store.record("1", EVENT)
    fields = redis.hgetall(job_store.keys.job(job))
    assert (fields[b"backend"], fields[b"class"], fields[b"code"]) == (b"a1", b"Reader", b"c0de")
    found = job_store.jobs.get(job)
    assert found is not None
    assert found.model_class == "Reader"


class TestAWorkerWithAnotherClass:
    """A copy of a backend's folder on another machine has its id, and so its queue."""

    def holder(self, redis: object, model_class: str) -> Holder:
        owner = replace(A, model_class=model_class)
        return Holder(JobStore(redis, "q", owner), Settings(backend_dir=Path()))

    def test_refuses_the_job_and_says_so(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        redis = connect(url)
        assert Claim(A, server="one").take(redis, "q") is None
        job_store = JobStore(redis, "q", A)
        job = job_store.record("1", EVENT)
        other = self.holder(redis, "Writer")
        assert not other.accepts("1")
        assert not other.accepts("1")
        assert self.holder(redis, "Reader").accepts("1")
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "for a worker with the class Reader; this one has Writer" in record.message
        found = job_store.jobs.get(job)
        assert found is not None
        assert found.message == "waits: it is for a worker with the class Reader; this one has Writer"
        assert len(job_store.queues.events("1")) == 1

    def test_takes_over_what_waits_for_a_class_that_was_renamed(self, url: str) -> None:
        redis = connect(url)
        assert Claim(A, server="one").take(redis, "q") is None
        JobStore(redis, "q", A).record("1", EVENT)
        renamed = replace(A, model_class="Writer")
        worker = make_worker(url, "q", name=worker_name(A, "1"))
        worker.register_birth()
        assert Claim(renamed, server="one").take(redis, "q") is None
        assert not self.holder(redis, "Writer").accepts("1"), "a worker with the former class is there"
        worker.register_death()
        assert self.holder(redis, "Writer").accepts("1")

    def test_ends_when_the_queue_is_another_backends(self, url: str) -> None:
        redis = connect(url)
        holder = self.holder(redis, "Reader")
        holder.check()
        assert owner_of(redis, "q") == A
        redis.flushall()
        assert Claim(B).take(redis, "q") is None
        with pytest.raises(ForeignQueue, match="Writer in host:/b") as error:
            holder.check()
        assert "RQ_QUEUE_NAME" in error.value.fix
        holder.release()
        assert Claim(replace(B, id="b3")).take(redis, "q") == B, "it released nothing of another's"

    def test_keeps_the_queue_while_another_worker_is_there(self, url: str) -> None:
        redis = connect(url)
        Claim(A).take(redis, "q")
        holder = Holder(JobStore(redis, "q", A), Settings(backend_dir=Path()))
        other = make_worker(url, "q", name=worker_name(A, "2"))
        other.register_birth()
        again = replace(A, id="a2", place="host:/copy")
        holder.release()
        assert Claim(again).take(redis, "q") == A
        other.register_death()
        holder.release()
        assert Claim(again).take(redis, "q") is None


class TestAServer:
    def test_that_runs_keeps_the_queue_when_the_last_worker_ends(self, url: str) -> None:
        redis = connect(url)
        server, second = Claim(A, server="one"), Claim(A, server="two")
        assert server.take(redis, "q") is None
        assert second.take(redis, "q") is None
        holder = Holder(JobStore(redis, "q", A), Settings(backend_dir=Path()))
        holder.check()
        holder.release()
        again = Claim(replace(A, id="a2", place="host:/copy"))
        assert again.take(redis, "q") == A
        server.release(redis, "q")
        assert again.take(redis, "q") == A, "the other server runs still"
        second.release(redis, "q", workers=1)
        assert again.take(redis, "q") == A, "a worker runs still"
        holder.release()
        assert again.take(redis, "q") is None

    def test_that_was_killed_counts_no_longer_than_its_claim(self, url: str) -> None:
        redis = connect(url)
        assert Claim(A, life=0.0, server="killed").take(redis, "q") is None
        assert Claim(A).take(redis, "q") is None
        again = Claim(replace(A, id="a2", place="host:/copy"))
        assert again.take(redis, "q") == A
        Claim(A).release(redis, "q")
        assert again.take(redis, "q") is None

    def test_without_work_says_that_it_runs_until_it_ends(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job_store_connection, "CHECK_INTERVAL", 0.02)
        monkeypatch.setattr(job_store_connection, "CLAIM_RENEWAL", 0.02)
        redis = connect(url)
        settings = settings_of(tmp_path / "one", queue="q")
        servers = [RedisIntake(lambda _: url, settings, tmp_path / f"spool{number}") for number in range(2)]
        for server in servers:
            server.start()
        keys = Keys("q")
        wait_until(lambda: redis.zcard(keys.servers) == 2, "both servers have said so")
        redis.delete(keys.servers)
        redis.hset(keys.backend, "until", 1)
        wait_until(lambda: redis.zcard(keys.servers) == 2, "both servers have said so again")
        servers[0].stop()
        wait_until(lambda: redis.zcard(keys.servers) == 1, "the first one has said that it ends")
        assert redis.hget(keys.backend, "until") != b"0"
        servers[1].stop()
        wait_until(lambda: redis.hget(keys.backend, "until") == b"0", "nobody uses the queue")
        assert redis.zcard(keys.servers) == 0
        for way in (servers[1]._webhooks, servers[1]._background):
            with pytest.raises(BrokerError, match="shutting down"):
                way.get()

    def test_that_ends_while_it_takes_the_queue_gives_it_free(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job_store_connection, "CLAIM_RENEWAL", -1.0)
        redis = connect(url)
        server = RedisIntake(lambda _: url, settings_of(tmp_path / "one", queue="q"), tmp_path / "spool")
        server._webhooks.get()
        server._background.get()
        take = Claim.take

        def take_late(claim: Claim, connection: Any, queue: str) -> Owner | None:
            """Have the server end while the queue is being taken again."""
            monkeypatch.setattr(Claim, "take", take)
            server.stop()
            return claim.take(connection, queue)

        monkeypatch.setattr(Claim, "take", take_late)
        with pytest.raises(BrokerError, match="shutting down"):
            server._background.get()
        assert redis.zcard(Keys("q").servers) == 0
        assert redis.hget(Keys("q").backend, "until") == b"0"


def test_queues_that_are_left_behind_are_said(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    named = opened(url, settings_of(tmp_path / "one", queue="before"))
    named.record("1", EVENT)
    other = opened(url, settings_of(tmp_path / "two", queue="others"))
    other.record("1", EVENT)
    former = JobStore(connect(url), DEFAULT_QUEUE)
    former.record("1", EVENT)
    former.record("2", EVENT)
    job_store = opened(url, settings_of(tmp_path / "one"))
    log_leftover_events(job_store)
    before, default = (record.message for record in caplog.records)
    assert before.startswith(
        "1 event waits in this Redis on the queue before, which this backend used before: "
    )
    assert before.endswith(": to train on them, start with RQ_QUEUE_NAME=before")
    assert default.startswith(
        f"2 events wait in this Redis on the queue {DEFAULT_QUEUE}, the former default name: "
    )
    assert default.endswith(f": to train on them, start with RQ_QUEUE_NAME={DEFAULT_QUEUE}")
    caplog.clear()
    opened(url, settings_of(tmp_path / "two", queue=DEFAULT_QUEUE))
    log_leftover_events(opened(url, settings_of(tmp_path / "one", queue="before")))
    assert not caplog.records


def test_a_worker_with_another_model_dir_than_its_servers_is_told(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = settings_of(tmp_path / "one")
    elsewhere = replace(served, model_dir=tmp_path / "other")
    queue = opened(url, served).keys.queue
    opened(url, settings_of(tmp_path / "two", "Writer"))
    worker = open_job_store(connect(url), elsewhere, embedded=False)
    log_servers_elsewhere(worker)
    (record,) = caplog.records
    assert f"a server of the same class uses the queue {queue} (Reader in " in record.message
    assert "need the same MODEL_DIR" in record.message
    caplog.clear()
    log_servers_elsewhere(open_job_store(connect(url), served, embedded=False))
    opened(url, elsewhere)  # with servers of its own it is a backend of its own
    log_servers_elsewhere(worker)
    assert not caplog.records


def test_backends_with_a_project_of_one_number_both_predict_afresh(url: str) -> None:
    redis = connect(url)
    job_stores = [JobStore(redis, "one", A), JobStore(redis, "two", B)]
    for job_store in job_stores:
        Repredictions(job_store).wake("1.5")
    assert [redis.llen(f"rq:queue:{job_store.keys.predictions}") for job_store in job_stores] == [1, 1]
    Repredictions(job_stores[0]).wake("1.5")
    assert redis.llen(f"rq:queue:{job_stores[0].keys.predictions}") == 1
