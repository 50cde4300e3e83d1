"""What is kept of tasks that are due for predictions after a training."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.projects.jobs import repredict
from label_studio_ml.projects.jobs.journal_copy import JournalCopy, versions_with_entries
from label_studio_ml.projects.jobs.preemption import Preemption
from label_studio_ml.projects.jobs.repredict import Repredictor, paced
from label_studio_ml.projects.journal import Journal, unfinished
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.studio.transport.api_client import Interrupted
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Reprediction, Repredictions
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.versions.store.local_store import VersionStore


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = Broker(tmp_path_factory.mktemp("afresh") / "broker")
    yield broker.start()
    broker.stop()


@pytest.fixture
def job_store(broker: str) -> Iterator[JobStore]:
    connection = connect(broker)
    connection.flushall()
    yield JobStore(connection, "test-queue")
    connection.close()


class Served:
    """A store whose served version a test names."""

    def __init__(self) -> None:
        self.version = ""

    def served(self, uid: str) -> Any:
        manifest = SimpleNamespace(id=self.version, name=self.version, project=uid)
        return manifest if self.version else None

    def synchronise(self, uid: str) -> None:
        """Nothing is elsewhere."""

    def hint(self, uid: str) -> str:
        return self.version


@pytest.fixture
def store() -> Served:
    return Served()


def waiting(job_store: JobStore) -> list[bytes]:
    return list(job_store.redis.lrange(f"rq:queue:{job_store.keys.predictions}", 0, -1))


def after(repredictions: Repredictions, store: Served, version: str) -> None:
    repredictions.note_served(cast("VersionStore", store), "1.1")
    store.version = version
    repredictions.compare_served(cast("VersionStore", store), "1.1")


def test_a_new_version_makes_a_project_due_once(job_store: JobStore, store: Served) -> None:
    repredictions = Repredictions(job_store)
    after(repredictions, store, "")
    assert repredictions.projects() == []
    after(repredictions, store, "a")
    assert (repredictions.projects(), repredictions.due("1.1")) == (["1.1"], "a")
    assert len(waiting(job_store)) == 1
    after(repredictions, store, "b")
    assert repredictions.due("1.1") == "b"
    assert len(waiting(job_store)) == 1, "one job does for both"
    assert not repredictions.finish("1.1", "a"), "the newer one is still due"
    assert repredictions.finish("1.1", "b")
    assert repredictions.projects() == []
    after(repredictions, store, "b")
    assert repredictions.projects() == [], "a training that publishes nothing"


def test_what_was_served_before_the_first_training_makes_nothing_due(
    job_store: JobStore, store: Served
) -> None:
    store.version = "old"
    after(Repredictions(job_store), store, "old")
    assert Repredictions(job_store).projects() == []


def test_a_worker_that_is_killed_after_the_publication_loses_nothing(
    job_store: JobStore, store: Served
) -> None:
    Repredictions(job_store).note_served(cast("VersionStore", store), "1.1")
    store.version = "a"  # published; here it is killed
    after(Repredictions(job_store), store, "a")
    assert Repredictions(job_store).due("1.1") == "a"


def test_a_job_that_got_lost_is_made_again(job_store: JobStore, store: Served) -> None:
    repredictions = Repredictions(job_store)
    after(repredictions, store, "a")
    job_store.redis.delete(f"rq:queue:{job_store.keys.predictions}")
    repredictions.wake("1.1")
    repredictions.wake("1.1")
    assert len(waiting(job_store)) == 1


@pytest.mark.parametrize("error", [Interrupted("Interrupted"), BrokerError("Redis is away")], ids=type)
def test_a_job_that_is_pre_empted_or_loses_redis_stays_due(
    job_store: JobStore, store: Served, error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    after(Repredictions(job_store), store, "a")
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path)
    repredictor = Repredictor(settings, cast("VersionStore", store), job_store, cast("Any", None))

    async def broken_off(*_: object) -> None:
        raise error

    monkeypatch.setattr(repredictor, "_predict", broken_off)
    monkeypatch.setattr(repredict, "START_PAUSE", 0.0)
    with pytest.raises(type(error)):
        asyncio.run(repredictor.work("1.1", Preemption(job_store, threading.Event())))
    renewal = Repredictions(job_store).get("1.1")
    assert renewal is not None
    assert (renewal.state, renewal.error) == ("started", "")
    assert Repredictions(job_store).due("1.1") == "a"


def test_how_far_it_is(job_store: JobStore, store: Served) -> None:
    repredictions = Repredictions(job_store)
    after(repredictions, store, "a")
    assert repredictions.unpredicted() == 0
    repredictions.store("1.1", Reprediction("name", "a", total=10, written=3, failed=1))
    assert repredictions.unpredicted() == 6
    assert Repredictions(job_store).get("1.1") == Reprediction("name", "a", total=10, written=3, failed=1)


def test_no_more_tasks_in_a_second_than_asked_for() -> None:
    tasks = iter([{"id": number} for number in range(20)])
    began = time.monotonic()
    found = list(paced(tasks, 100, lambda: False))
    assert len(found) == 20
    assert time.monotonic() - began >= 0.19
    endless = iter({"id": number} for number in itertools.count())
    assert len(list(paced(endless, 0.001, lambda: True))) == 1, "it does not wait when it is over"


def test_a_journal_whose_copy_cannot_be_read_is_not_held(job_store: JobStore, tmp_path: Path) -> None:
    class Away(JournalCopy):
        def read(self) -> list[str]:
            raise BrokerError("Redis is away")

    with pytest.raises(BrokerError) as raised:
        Journal(tmp_path, "1.1", "v", copy=Away(job_store, "1.1", "v"))
    Journal(tmp_path, "1.1", "v").close()
    assert raised.value.message == "Redis is away"  # until here the error keeps the first journal alive


def test_a_journal_is_read_where_its_folder_is_not(job_store: JobStore, tmp_path: Path) -> None:
    """A run is killed on one machine; the next one is on another, which has a folder of its own."""
    first = Journal(tmp_path / "a", "1.1", "v", part="0", copy=JournalCopy(job_store, "1.1", "v", "0"))
    first.begin([1, 2])
    other = Journal(tmp_path / "a", "1.1", "v10", copy=JournalCopy(job_store, "1.1", "v10", "afresh"))
    other.begin([9])
    assert unfinished(tmp_path / "a", "1.1") == ["v", "v10"]
    assert unfinished(tmp_path / "b", "1.1") == []
    assert versions_with_entries(job_store, "1.1") == ["v", "v10"]

    again = Journal(tmp_path / "b", "1.1", "v", part="0", copy=JournalCopy(job_store, "1.1", "v", "0"))
    assert again.sending == [1, 2]
    again.close()
    whole = Journal(tmp_path / "c", "1.1", "v", copy=JournalCopy(job_store, "1.1", "v"))
    assert whole.sending == [1, 2]
    whole.settle()
    assert versions_with_entries(job_store, "1.1") == ["v10"]
    for journal in (first, other, whole):
        journal.close()
