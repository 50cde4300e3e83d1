"""Events that anybody may have sent: what is kept of them, how much of it, and that no true one among them is lost."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BodyTooLarge, BrokerError, SpoolFull
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.intake import event_storage, spool_capacity
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.intake.spool import Spool
from label_studio_ml.training.intake.spool_capacity import Spooled
from label_studio_ml.training.process.single_events import single_events
from label_studio_ml.training.records import untrusted_events
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.untrusted_events import beyond, digest, ids_only, is_beyond, is_too_long
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.scheduling.cancellation import request_cancel, settle_cancelled
from live import Live, annotation, created, created_in_bulk, task, uid
from redis_server import MakeRedis, RedisServer, make_redis

__all__ = ["make_redis"]

P = "5.1700000000"
AUTH = ("somebody", "CANARY-backend-password")


def forged(number: int, action: str = "ANNOTATION_UPDATED") -> StoredEvent:
    """Return what is kept of an event without login."""
    return StoredEvent(
        action, {"project": {"id": 5}, "task": number, "annotation": 1000 + number}, trusted=False
    )


def waiting(job_store: JobStore) -> list[tuple[str, int | None]]:
    """Return the action and the task of each event that waits."""
    return [(event.action, event.data.get("task")) for event in job_store.queues.events(P)]


class TestIds:
    def test_only_ids_that_a_database_may_have_are_kept(self) -> None:
        odd: list[Any] = [-1, 1 << 63, True, 1.5, "1", None, [1], {}]
        for value in odd:
            event = StoredEvent("ANNOTATION_CREATED", {"task": {"id": value}, "annotation": {"id": value}})
            assert ids_only(event) == {"project": {"id": None}}
            many = StoredEvent("ANNOTATIONS_DELETED", {"annotations": [{"id": value}, {"id": 7}]})
            assert ids_only(many)["annotations"] == [{"id": 7}]

    def test_an_event_with_too_many_ids_is_too_long(self) -> None:
        def deleted(count: int) -> dict[str, Any]:
            ids = [{"id": number} for number in range(count)]
            return ids_only(StoredEvent("ANNOTATIONS_DELETED", {"annotations": ids}))

        assert not is_too_long(deleted(untrusted_events.MAX_IDS))
        assert is_too_long(deleted(untrusted_events.MAX_IDS + 1))

    def test_the_digest_tells_events_apart_by_what_they_say(self) -> None:
        events = [forged(1), forged(2), forged(1, "ANNOTATION_CREATED")]
        assert len({digest(event) for event in events}) == 3
        turned = StoredEvent(
            "ANNOTATION_UPDATED", dict(reversed(forged(1).data.items())), trusted=False, id="1-1"
        )
        assert digest(turned) == digest(forged(1))


class TestMailbox:
    """In Redis."""

    def test_an_event_that_says_what_one_says_that_waits_is_folded_into_it(self, job_store: JobStore) -> None:
        for _ in range(3):
            first = job_store.record(P, forged(1))
            assert job_store.record(P, forged(2)) == first
        assert waiting(job_store) == [("ANNOTATION_UPDATED", 1), ("ANNOTATION_UPDATED", 2)]

    def test_what_came_with_the_login_is_never_folded(self, job_store: JobStore) -> None:
        same = StoredEvent("ANNOTATION_UPDATED", forged(1).data)
        for _ in range(3):
            job_store.record(P, same)
        job_store.record(P, forged(1))
        assert len(job_store.queues.events(P)) == 4

    def test_none_is_folded_into_one_that_a_run_has_read(self, job_store: JobStore) -> None:
        job_store.record(P, forged(1))
        job_store.take_waiting(P)
        job_store.record(P, forged(1))  # between the job and the event queue: read by the same run
        job_store.queues.begin(P)
        later = job_store.record(P, forged(1))
        assert job_store.record(P, forged(1)) == later
        assert len(job_store.queues.events(P)) == 3

    def test_none_is_folded_into_one_that_a_cancelled_job_took_with_it(self, job_store: JobStore) -> None:
        cancelled = job_store.record(P, forged(1))
        request_cancel(job_store, cancelled)
        assert job_store.take_waiting(P) == cancelled
        assert settle_cancelled(job_store, P, cancelled, job_store.queues.entries(P)) == ([], None)
        assert waiting(job_store) == []
        job_store.record(P, forged(2))
        job_store.record(P, forged(1))
        assert waiting(job_store) == [("ANNOTATION_UPDATED", 2), ("ANNOTATION_UPDATED", 1)]

    def test_none_is_folded_into_one_that_was_set_aside(self, job_store: JobStore) -> None:
        job_store.record(P, forged(1))
        job_store.queues.park(
            P, [event.id for event in job_store.queues.events(P)], why="it crashes", since="now"
        )
        job_store.record(P, forged(1))
        assert waiting(job_store) == [("ANNOTATION_UPDATED", 1)]

    def test_none_is_folded_while_no_job_is_named_for_it(self, job_store: JobStore) -> None:
        one = job_store.record(P, forged(1))
        job_store.take_waiting(P)
        two = job_store.record(P, forged(1))
        assert two != one
        assert len(job_store.queues.events(P)) == 2

    def test_past_the_limit_one_event_stands_for_all_others(
        self, job_store: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(untrusted_events, "MAX_EVENTS", 3)
        before = datetime.now(UTC)
        for number in range(10):
            job_store.record(P, forged(number))
        *kept, rest = job_store.queues.events(P)
        assert [event.data["task"] for event in kept] == [0, 1, 2], "the oldest stay"
        assert is_beyond(rest.data)
        assert datetime.fromisoformat(rest.data["since"]) <= before
        entry = job_store.queues.entries(P)[-1]
        assert (entry.action, entry.annotations) == ("ANNOTATIONS_CREATED", 7), "each counts for train_every"
        job_store.record(P, StoredEvent("ANNOTATION_CREATED", {"of": "somebody with the login"}))
        assert len(job_store.queues.events(P)) == 5, "what is trusted knows no limit"

    def test_the_limit_holds_for_what_waits(
        self, job_store: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(untrusted_events, "MAX_EVENTS", 2)
        for number in range(2):
            job_store.record(P, forged(number))
        first, _ = job_store.queues.events(P)
        job_store.queues.acknowledge(P, [first.id])
        job_store.record(P, forged(2))
        job_store.record(P, forged(3))
        assert [task for _, task in waiting(job_store)] == [1, 2, None]
        job_store.queues.acknowledge(P, [event.id for event in job_store.queues.events(P)])
        assert not job_store.redis.exists(job_store.keys.untrusted(P))

    def test_bytes_are_limited_too(self, job_store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        size = len(json.dumps({"action": "ANNOTATION_UPDATED", "data": forged(1).data}))
        monkeypatch.setattr(untrusted_events, "MAX_BYTES", 3 * size)
        for number in range(1, 30):
            job_store.record(P, forged(number))
        assert 3 <= len(job_store.queues.events(P)) <= 4

    def test_an_event_with_too_many_ids_is_not_kept_whole(self, job_store: JobStore) -> None:
        ids = [{"id": number} for number in range(untrusted_events.MAX_IDS + 1)]
        job_store.record(P, StoredEvent("ANNOTATIONS_DELETED", {"annotations": ids}, trusted=False))
        (event,) = job_store.queues.events(P)
        assert is_beyond(event.data)
        assert "annotations" not in event.data

    def test_a_run_that_begins_ends_the_time_that_one_event_stands_for(
        self, job_store: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(untrusted_events, "MAX_EVENTS", 1)
        job_store.record(P, forged(1))
        job_store.record(P, forged(2))
        read = job_store.queues.events(P)
        job_store.take_waiting(P)
        job_store.queues.begin(P)
        job_store.record(P, forged(3))  # while that run trains
        job_store.queues.acknowledge(P, [event.id for event in read])
        (rest,) = job_store.queues.events(P)
        assert is_beyond(rest.data)

    def test_all_of_it_goes_with_its_project(self, job_store: JobStore) -> None:
        job_store.record(P, forged(1))
        job_store.forget(P)
        assert list(job_store.redis.keys("*untrusted*") + job_store.redis.keys("*folds*")) == []

    def test_what_was_set_aside_comes_back_whole(
        self, job_store: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(5):
            job_store.record(P, forged(number))
        job_store.queues.park(
            P, [event.id for event in job_store.queues.events(P)], why="it crashes", since="now"
        )
        monkeypatch.setattr(untrusted_events, "MAX_EVENTS", 2)
        job_store.unpark(P)
        assert [task for _, task in waiting(job_store)] == [0, 1, 2, 3, 4]


class TestSingles:
    """For `fit(event, data)`."""

    SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def singles(self, wanted: set[str], *annotations: dict[str, Any]) -> list[tuple[str, int]]:
        data = {"project": {"id": 5}, "since": self.SINCE.isoformat()}
        event = StoredEvent("ANNOTATIONS_CREATED", data, trusted=False)
        read = {**task(1), "annotations": list(annotations)}
        found = single_events(event, wanted, lambda number: read, lambda: [read])
        assert all(said["task"] == read for action, said in found if not action.startswith("ANNOTATIONS"))
        return [
            (action, one["id"])
            for action, said in found
            for one in (said["annotation"] if isinstance(said["annotation"], list) else [said["annotation"]])
        ]

    def made(self, number: int, created: int, updated: int) -> dict[str, Any]:
        """Return an annotation that was made and changed so many minutes after `SINCE`."""
        times = {
            name: (self.SINCE + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
            for name, minutes in (("created_at", created), ("updated_at", updated))
        }
        return {**annotation(number), **times}

    def test_what_stands_for_many_is_read_from_label_studio(self) -> None:
        annotations = [self.made(1, -9, -9), self.made(2, -9, 1), self.made(3, 2, 2), annotation(4)]
        both = {"ANNOTATION_CREATED", "ANNOTATION_UPDATED"}
        assert self.singles(both, *annotations) == [
            ("ANNOTATION_UPDATED", 1002),
            ("ANNOTATION_CREATED", 1003),
        ]
        assert self.singles({"ANNOTATION_UPDATED"}, *annotations) == [("ANNOTATION_UPDATED", 1002)]
        assert self.singles({"ANNOTATIONS_CREATED"}, *annotations) == [("ANNOTATIONS_CREATED", 1003)]
        assert self.singles({"ANNOTATION_DELETED"}, *annotations) == []

    def test_a_task_of_another_project_is_not_trained_on(self) -> None:
        """Ids of tasks are Label Studio's, not the project's."""
        read = {**task(1), "annotations": [annotation(1)], "project": 6}
        event, wanted = forged(1, "ANNOTATION_CREATED"), {"ANNOTATION_CREATED"}
        assert single_events(event, wanted, lambda number: read, list) == []
        read["project"] = 5
        assert len(single_events(event, wanted, lambda number: read, list)) == 1


@pytest.fixture
def away(tmp_path: Path) -> Iterator[RedisIntake]:
    """A desk whose Redis is away, with little room on the disk."""
    settings = Settings(
        backend_dir=tmp_path,
        model_dir=tmp_path / "data",
        redis_url="redis://127.0.0.1:1",
        spool_events=40,
        spool_bytes=1 << 20,
    )
    intake = RedisIntake.of(settings, lambda timeout: settings.redis_url)
    yield intake
    intake.stop()


def came(event: dict[str, Any], project: int = 5) -> Event:
    about = event["project"]
    return Event(
        event["action"], uid(project), about["label_config"], about["title"], event, len(json.dumps(event))
    )


def texts(intake: RedisIntake) -> list[str]:
    return [path.read_text() for path in intake._spool.waiting()]


def test_an_event_of_which_only_ids_were_read_is_kept_as_such(away: RedisIntake) -> None:
    event = {**created_in_bulk(5, 1, 2), "task": [{"id": 1}, {"id": 2}]}
    event["annotation"] = [{"id": 1001, "task": 1}, {"id": 1002, "task": 2}]
    small = msgspec.structs.replace(came(event), ids_only=True)
    away.hand_in(small, trusted=True, train=True)
    (text,) = texts(away)
    spooled = msgspec.json.decode(text, type=Spooled)
    assert (spooled.event.ids_only, spooled.trusted) == (True, True)

    class Delivered:
        added: ClassVar[list[Any]] = []
        removed: ClassVar[list[Any]] = []

        def add(self, uid: str, pairs: list[Any]) -> None:
            self.added.append(pairs)

        def remove(self, uid: str, *, annotations: list[Any]) -> None:
            self.removed.extend(annotations)

    class FakeJobStore:
        delivered = Delivered()
        recorded: ClassVar[list[StoredEvent]] = []

        def record(self, uid: str, stored: StoredEvent, token: str, *, bounded: bool) -> str:
            assert not bounded
            self.recorded.append(stored)
            return "job"

    job_store = FakeJobStore()
    assert away._store(spooled, SimpleNamespace(get=lambda: job_store)) == "job"  # type: ignore[arg-type]
    (stored,) = job_store.recorded
    assert not stored.trusted
    assert stored.data["annotations"] == [{"id": 1001, "task": 1}, {"id": 1002, "task": 2}]
    assert (job_store.delivered.added, job_store.delivered.removed) == ([], [1001, 1002])


class TestSpool:
    """On the disk, while Redis is away."""

    def test_what_would_be_thrown_away_is_not_kept(self, away: RedisIntake) -> None:
        config = {**created(5, 1)["project"], "label_config": "x" * (20 << 20)}
        for action in ("PROJECT_UPDATED", "TASKS_CREATED", "ANNOTATION_CREATED"):
            event = {**created(5, 1), "action": action, "project": config}
            assert away.hand_in(came(event), trusted=False, train=False) is None
        for action in ("PROJECT_UPDATED", "TASKS_CREATED"):
            event = {"action": action, "project": config}
            assert away.hand_in(came(event), trusted=True, train=False) is None
        away.simulate_hand_in(came(created(6, 1)))
        assert texts(away) == []
        assert away.hand_in(came(created(5, 1)), trusted=True, train=False) is None
        assert len(texts(away)) == 1, "the annotation is what a later training may need"

    def test_a_redis_that_does_not_answer_is_not_asked_for_each_event_without_login(
        self, away: RedisIntake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Thousands of them would each take a thread for 0.2 s, which Label Studio's own events wait for."""
        asked: list[bool] = []

        def within(spooled: Spooled, deadline: float, call: Any) -> None:
            asked.append(spooled.trusted)
            raise BrokerError("Redis has not answered")

        monkeypatch.setattr(away, "_call_within", within)
        monkeypatch.setattr("label_studio_ml.training.intake.event_intake.UNTRUSTED_PAUSE", 1e6)
        for number in range(3):
            away.simulate_hand_in(came(created(6, number), 6))
        assert asked == [False]
        away.hand_in(came(created(5, 1)), trusted=True, train=False)
        assert asked == [False, True], "those with login always are"
        assert len(texts(away)) == 1
        monkeypatch.setattr(away._spool, "empty", lambda: True)
        away.hand_in(came(created(5, 2)), trusted=False, train=True)
        assert len(texts(away)) == 2
        assert asked == [False, True]
        monkeypatch.setattr("label_studio_ml.training.intake.event_intake.UNTRUSTED_PAUSE", -1.0)
        away.simulate_hand_in(came(created(6, 9), 6))
        assert asked == [False, True, False]

    def test_neither_label_config_nor_title_of_an_event_without_login_is_written(
        self, away: RedisIntake
    ) -> None:
        event = created(5, 1)
        event["project"] |= {"label_config": "CANARY-config", "title": "CANARY-title"}
        away.hand_in(came(event), trusted=False, train=True)
        (text,) = texts(away)
        assert "CANARY" not in text

    def test_identical_events_are_folded_there_too(self, away: RedisIntake) -> None:
        for _ in range(5):
            for number in (1, 2):
                away.hand_in(came(created(5, number)), trusted=False, train=True)
        assert 2 <= len(texts(away)) == away.spool.events <= 3, (
            "the first one may have been on its way to Redis"
        )

    def test_those_without_login_have_a_share_and_one_event_for_the_rest(self, away: RedisIntake) -> None:
        for number in range(60):
            away.hand_in(came(created(5, number)), trusted=False, train=True)
            away.hand_in(came(created(6, number), 6), trusted=False, train=True)
        kept = [json.loads(text)["event"] for text in texts(away)]
        rest = [event["uid"] for event in kept if is_beyond(event["data"])]
        assert sorted(rest) == [uid(5), uid(6)], "one of each project"
        assert len(kept) == 40 * spool_capacity.UNTRUSTED_SHARE + 2
        for number in range(40 - len(kept)):
            away.hand_in(came(created(5, number)), trusted=True, train=True)
        assert away.spool.refused == 0

    def test_a_full_spool_is_said(self, away: RedisIntake) -> None:
        for number in range(40):
            away.hand_in(came(created(5, number)), trusted=True, train=True)
        assert "SPOOL_EVENTS=40" in away.spool_problem
        calls: list[Callable[[], object]] = [
            lambda: away.hand_in(came(created(5, 41)), trusted=True, train=True),
            lambda: away.hand_in(came(created(5, 41)), trusted=False, train=True),
            lambda: away.simulate_hand_in(came(created(6, 41), 6)),
        ]
        for call in calls:
            with pytest.raises(SpoolFull, match=r"40 events wait .* raise SPOOL_EVENTS"):
                call()
        assert (len(texts(away)), away.spool.events, away.spool.refused) == (40, 40, 3)

    def test_a_spool_full_of_bytes_is_said(self, away: RedisIntake) -> None:
        large = created(5, 1)
        large["task"]["data"]["text"] = "x" * 400_000
        for _ in range(2):
            away.hand_in(came(large), trusted=True, train=True)
        with pytest.raises(BrokerError, match=r"SPOOL_MB=1"):
            away.hand_in(came(large), trusted=True, train=True)
        assert 800_000 < away.spool.size < 1 << 20
        away.hand_in(came(created(5, 2)), trusted=True, train=True)
        assert away.spool.events == 3, "a small one still fits"

    def test_what_an_earlier_server_kept_counts(self, away: RedisIntake, tmp_path: Path) -> None:
        for number in range(39):
            away.hand_in(came(created(5, number)), trusted=True, train=True)
        away.stop()
        settings = Settings(
            backend_dir=tmp_path,
            model_dir=tmp_path / "data",
            redis_url="redis://127.0.0.1:1",
            spool_events=40,
        )
        later = RedisIntake.of(settings, lambda timeout: settings.redis_url)
        later.start()
        assert later.spool.events == 39
        assert later.spool.size > 39 * 100
        later.hand_in(came(created(5, 40)), trusted=True, train=True)
        with pytest.raises(SpoolFull):
            later.hand_in(came(created(5, 41)), trusted=True, train=True)
        later.stop()

    def test_an_event_is_kept_without_a_look_at_the_others(
        self, away: RedisIntake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        away.hand_in(came(created(5, 0)), trusted=True, train=True)
        looked: list[Any] = []
        scan = os.scandir

        def seen(path: Any) -> Any:
            looked.append(path)
            return scan(path)

        monkeypatch.setattr(os, "scandir", seen)
        monkeypatch.setattr(Path, "iterdir", lambda path: looked.append(path))
        monkeypatch.setattr("label_studio_ml.training.intake.spool.RECOUNT_INTERVAL", 1000.0)
        monkeypatch.setattr("label_studio_ml.training.intake.spool.RETRY_INTERVAL", 1000.0)
        wait_until(lambda: away._spool._queue, "what waits is known", every=0.01)
        looked.clear()
        for number in range(1, 30):
            away.hand_in(came(created(5, number)), trusted=True, train=True)
        assert looked == []
        assert away.spool.events == 30

    def test_a_folded_event_is_not_folded_into_one_that_is_being_handed_over(self, tmp_path: Path) -> None:
        taken: list[str] = []

        def take(spooled: Spooled) -> None:
            if not taken:  # while the first one is being handed over, the same comes again
                taken.append(spooled.token)
                spool.keep(Spooled(spooled.event, False, True, "again"))
                return
            taken.append(spooled.token)

        spool = Spool(tmp_path / "spool", take)
        spool.keep(Spooled(came(created(5, 1)), False, True, "first"))
        wait_until(lambda: len(taken) == 2, "both are handed over", every=0.01)
        spool.stop()
        assert taken == ["first", "again"]


@pytest.fixture
def redis(make_redis: MakeRedis) -> RedisServer:
    return make_redis()


class TestLarge:
    @pytest.mark.parametrize("train", [True, False])
    def test_what_an_earlier_event_brought_goes_when_a_later_one_is_read_by_its_ids_only(
        self, redis: RedisServer, tmp_path: Path, *, train: bool
    ) -> None:
        """A run while Label Studio is away is not to see an annotation as it was before it was changed."""
        settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", queue="q", redis_url=redis.url)
        intake = RedisIntake.of(settings, lambda timeout: redis.url)
        job_store = JobStore(redis.client(), "q")

        def delivered() -> list[int]:
            return [one["id"] for task in job_store.delivered.tasks(uid(5)) for one in task["annotations"]]

        for number in (1, 2):
            intake.hand_in(came(created(5, number)), trusted=True, train=False)
        wait_until(
            lambda: delivered() == [1001, 1002], "both are kept for a run without Label Studio", every=0.01
        )
        changed = {**created(5, 2), "action": "ANNOTATION_UPDATED"}
        changed |= {"task": {"id": 2}, "annotation": {"id": 1002, "task": 2}}
        intake.hand_in(msgspec.structs.replace(came(changed), ids_only=True), trusted=True, train=train)
        wait_until(lambda: delivered() == [1001], "the one that was changed is gone", every=0.01)
        intake.stop()

    def test_a_large_event_with_login_is_kept_by_its_ids(
        self, redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_storage, "MAX_WHOLE_EVENT", 10_000)
        settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", queue="q", redis_url=redis.url)
        intake = RedisIntake.of(settings, lambda timeout: redis.url)
        ids = [{"id": number} for number in range(5000)]
        event = {"action": "ANNOTATIONS_DELETED", "annotations": ids, "project": created(5, 1)["project"]}
        intake.hand_in(came(event), trusted=True, train=True)
        wait_until(lambda: not intake.spool.events, "it is in Redis", every=0.01)
        (kept,) = JobStore(redis.client(), "q").queues.events(uid(5))
        assert kept.data == {"project": {"id": 5}, "annotations": ids}, "all of them: it came with the login"
        asked = {"action": "START_TRAINING", "annotations": ["x" * 20_000], "project": event["project"]}
        with pytest.raises(BodyTooLarge, match="The training request"):
            intake.hand_in(came(asked), trusted=True, train=True)
        intake.stop()


class TestProcesses:
    """Real servers and workers."""

    def job_store(self, live: Live) -> JobStore:
        return JobStore(connect((live.model_dir / "broker" / "address").read_text()), DEFAULT_QUEUE)

    def test_a_flood_of_forged_events_fills_nothing_and_hides_nothing(
        self, launch: Callable[..., Live]
    ) -> None:
        live = launch(auth=AUTH)
        live.studio.add(2, 21)
        live.setup(2)
        live.wait_for_broker()
        control = live.control(2)
        control.close_gate()
        live.send(created(2, 21), login=False)
        control.wait_for_fit()
        live.studio.add(2, 22)

        def flood(number: int) -> set[int]:
            project = 2 if number % 2 else 7
            return {
                live.post("/webhook", created(project, one % 3), login=False).status_code
                for one in range(100)
            }

        with ThreadPoolExecutor(8) as threads:
            assert set().union(*threads.map(flood, range(8))) == {202}
        live.send(created(2, 22), login=False)
        job_store = self.job_store(live)
        assert len(job_store.queues.entries(uid(2))) <= 5, (
            "three that differ, the one that trains, the true one"
        )
        assert job_store.queues.entries(uid(7)) == []
        control.open_gate()
        wait_until(lambda: not job_store.queues.entries(uid(2)), "all have been trained on")
        assert control.fits()[-1]["tasks"] == [21, 22]

    def test_what_came_beyond_the_limit_is_read_from_label_studio(
        self, launch: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live = launch("event_model", auth=AUTH)
        live.studio.add(2, 21, 22, 23)
        live.setup(2)
        live.wait_for_broker()
        control = live.control(2)
        control.close_gate()
        live.send(created(2, 21))
        control.wait_for_fit()
        monkeypatch.setattr(untrusted_events, "MAX_EVENTS", 1)
        job_store = self.job_store(live)
        for number in (22, 23, 24, 25):
            event = Event("ANNOTATION_CREATED", uid(2), "", "", created(2, number))
            job_store.record(uid(2), StoredEvent(event.action, ids_only(event), trusted=False))
        now = datetime.now(UTC).isoformat()
        live.studio.tasks[2][23]["annotations"][0] |= {"created_at": now, "updated_at": now}
        control.open_gate()
        wait_until(lambda: not job_store.queues.entries(uid(2)), "all have been trained on")
        assert [fit["annotation"] for fit in control.fits()] == [1021, 1022, 1023]
        assert beyond(Event("X", "", "", "", {}))["project"] == {"id": None}

    def test_events_too_large_to_be_kept_are_trained_on_as_label_studio_has_them(
        self, launch: Callable[..., Live]
    ) -> None:
        live = launch("event_model", auth=AUTH)
        live.studio.add(2, 21, 22, 23)
        live.setup(2)
        live.wait_for_broker()
        many: list[list[int]] = [[]] * 1_100_000
        assert live.post("/webhook", created(2, 21, more=many)).status_code == 201
        assert live.post("/webhook", created(2, 22, more=many), login=False).status_code == 202
        assert live.post("/webhook", created(2, 23)).status_code == 201
        job_store, control = self.job_store(live), live.control(2)
        wait_until(lambda: not job_store.queues.entries(uid(2)), "all have been trained on")
        assert [fit["annotation"] for fit in control.fits()] == [1021, 1022, 1023]
