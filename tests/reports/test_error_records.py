"""Errors in Redis: what two servers publish is one list for both, with limits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import redis

from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring.error_groups import ErrorGroup, ErrorGroups
from label_studio_ml.reports.error_records import ErrorRecords
from label_studio_ml.reports.error_reporter import ErrorReporter
from label_studio_ml.reports.worker_errors import WorkerErrors
from label_studio_ml.training.records.job_record import JobFailure
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.keys import Keys
from redis_server import MakeRedis, make_redis

__all__ = ["make_redis"]

HOSTILE = ["\0", "\x1b[31mred", "<b>", "\ud800", "\u202e", "5", "1e999", "x" * 100_000]


class Server:
    """A server of the backend, as far as its errors go."""

    def __init__(self, name: str, job_store: Any) -> None:
        self.groups = ErrorGroups(name)
        self.reporter = ErrorReporter(self.groups, job_store, lambda text: text.replace("secret", "[secret]"))


@pytest.fixture
def connection(make_redis: MakeRedis) -> redis.Redis:
    client: redis.Redis = make_redis().client()
    return client


def test_each_of_two_servers_shows_the_errors_of_both(connection: redis.Redis) -> None:
    one, two = (Server(name, lambda: JobStore(connection, "queue")) for name in ("one", "two"))
    one.groups.add("prediction", "no secret 1", project="1.5", tasks=["1", "2"], version="v1", count=2)
    one.groups.add("training", "out of memory", project="2.5", job="j1")
    two.groups.add("prediction", "no secret 2", project="1.5", tasks=["3", "1"], version="v2")

    async def both() -> tuple[list[ErrorGroup], list[ErrorGroup]]:
        await one.reporter.publish()
        first, problem = await two.reporter.all()
        assert problem == ""
        return first, (await one.reporter.all())[0]

    shown, other = asyncio.run(both())
    assert shown == other
    group = next(group for group in shown if group.kind == "prediction")
    assert (group.message, group.count, group.tasks) == ("no [secret] 2", 3, ["3", "1", "2"])
    assert (group.version, group.server) == ("v2", "two")
    asyncio.run(one.reporter.remove([group.id]))
    assert [group.kind for group in asyncio.run(two.reporter.all())[0]] == ["training"]
    asyncio.run(one.reporter.forget("2.5"))
    assert asyncio.run(two.reporter.all()) == ([], "")
    assert connection.keys("lsml:queue:*") == []


def test_nothing_is_written_without_errors() -> None:
    def job_store() -> JobStore:
        raise AssertionError("Redis was used")

    asyncio.run(Server("one", job_store).reporter.publish())


def test_errors_are_kept_while_redis_cannot_be_reached(connection: redis.Redis) -> None:
    reachable = False

    def job_store() -> JobStore:
        if not reachable:
            raise BrokerError("Redis cannot be reached")
        return JobStore(connection, "queue")

    server = Server("one", job_store)
    server.groups.add("overload", "the queue is full")
    shown, problem = asyncio.run(server.reporter.all())
    assert ([group.count for group in shown], problem) == ([1], "Redis cannot be reached")
    server.groups.add("overload", "the queue is full")
    reachable = True
    shown, problem = asyncio.run(server.reporter.all())
    assert ([group.count for group in shown], problem) == ([2], "")
    assert len(server.groups) == 0


def test_without_redis_a_server_shows_its_own_errors() -> None:
    server = Server("one", None)
    server.groups.add("request", "a secret")
    shown, problem = asyncio.run(server.reporter.all())
    assert ([group.message for group in shown], problem) == (["a [secret]"], "")
    asyncio.run(server.reporter.remove([shown[0].id]))
    assert asyncio.run(server.reporter.all()) == ([], "")


def test_the_oldest_groups_are_removed(connection: redis.Redis) -> None:
    records = ErrorRecords(connection, Keys("queue"), limit=60)
    names = [f"{one}{two}" for one in "abcdefghij" for two in "abcdefghij"]
    made = [
        ErrorGroup(id=name, kind="prediction", message=name, first=t, last=t)
        for t, name in enumerate(names, 1)
    ]
    records.merge(made)
    assert [group.id for group in records.all()] == names[:-61:-1]
    assert connection.hlen(Keys("queue").errors) == 60


def test_hostile_texts_survive(connection: redis.Redis) -> None:
    groups = ErrorGroups()
    for text in HOSTILE:
        groups.add("prediction", f"text {text}", fix=text, tasks=[text])
    records = ErrorRecords(connection, Keys("queue"))
    taken = groups.take()
    records.merge(taken)
    records.merge(taken)
    expected = {group.id: (group.message, group.tasks, 2 * group.count) for group in taken}
    assert {group.id: (group.message, group.tasks, group.count) for group in records.all()} == expected


def test_what_another_release_wrote_is_left_out(connection: redis.Redis) -> None:
    connection.hset(Keys("queue").errors, mapping={"a": "{}", "b": "no JSON"})
    assert ErrorRecords(connection, Keys("queue")).all() == []


def test_a_worker_reports_failed_trainings_and_tasks(connection: redis.Redis, tmp_path: Path) -> None:
    job_store = JobStore(connection, "queue")
    noticed: list[JobFailure] = []
    job_store.on_failure = noticed.append
    errors = WorkerErrors(job_store)
    job_store.on_failure = errors.after(job_store.on_failure)
    job_store.jobs.create("1.5", "j1", asked_by="", woken=False)
    cause = "ValueError: too few (model.py, line 3)"
    job_store.update_job("j1", state="failed", error=cause, error_code="LSML-E340")
    assert noticed == [JobFailure("1.5", "j1", cause, "LSML-E340")]
    errors.tasks("1.5", "v1", {"no text": 7}, {"no text": ["4", "5"]})
    errors.job("1.5", "v1", BrokerError("It ended", fix="Begin again"))
    shown = {group.message: group for group in ErrorRecords(connection, Keys("queue")).all()}
    assert (shown[cause].kind, shown[cause].job, shown[cause].code) == ("training", "j1", "LSML-E340")
    assert (shown["no text"].count, shown["no text"].tasks) == (7, ["4", "5"])
    assert shown["It ended"].fix == "Begin again"


def test_a_training_that_broke_off_is_no_failed_one(connection: redis.Redis) -> None:
    job_store = JobStore(connection, "queue")
    job_store.on_failure = WorkerErrors(job_store).after(lambda failure: None)
    job_store.jobs.create("1.5", "j1", asked_by="", woken=False)
    job_store.update_job("j1", state="interrupted", error="it crashed", error_code="LSML-E650")
    (shown,) = ErrorRecords(connection, Keys("queue")).all()
    assert (shown.kind, shown.code) == ("interrupted_training", "LSML-E650")
    assert shown.fix.startswith("A later training has its events")


def test_a_label_studio_that_refuses_is_reported_until_a_run_can_read_it(connection: redis.Redis) -> None:
    job_store = JobStore(connection, "queue")
    calls: list[str] = []
    ended = WorkerErrors(job_store).after_login(lambda project, job, refused, trained: calls.append(refused))
    records = ErrorRecords(job_store.redis, job_store.keys)
    ended("7.1", "job-1", "401: the token is refused", True)
    ended("8.1", "job-2", "401: the token is refused", True)
    assert {(group.kind, group.project) for group in records.all()} == {("studio", "7.1"), ("studio", "8.1")}
    ended("7.1", "job-3", "", True)
    assert [group.project for group in records.all()] == ["8.1"]
    assert calls == ["401: the token is refused", "401: the token is refused", ""]
