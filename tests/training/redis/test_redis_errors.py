"""Errors of Redis leave the classes that use it as BrokerError."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.projects.jobs.journal_copy import JournalCopy, versions_with_entries
from label_studio_ml.training.policy import Decision, Entry, Policy
from label_studio_ml.training.records import job_pages, job_store_access, training_figures
from label_studio_ml.training.records.event_queue import EventQueues, StoredEvent
from label_studio_ml.training.records.job_record import JobRecords
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Reprediction, Repredictions
from label_studio_ml.training.records.run_inputs import DeliveredAnnotations, ProjectDescriptions
from label_studio_ml.training.redis import queue_owner
from label_studio_ml.training.redis.queue_owner import Claim, Owner
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.redis.redis_errors import broker_errors, raises_broker_errors
from label_studio_ml.training.redis.wake_ups import WakeUps
from label_studio_ml.training.scheduling import cancellation, stalled
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.versions.state.project_state import Project

CONNECTION = connect("unix:///nowhere/broker.sock", tries=1)
OWNER = Owner("id")
JOB_STORE = JobStore(CONNECTION, "q", OWNER)
SETTINGS = Settings(backend_dir=Path("/nowhere"), model_dir=Path("/nowhere"))
OBJECTS = (
    JOB_STORE,
    JOB_STORE.queues,
    JOB_STORE.jobs,
    JOB_STORE.wake_ups,
    JOB_STORE.descriptions,
    JOB_STORE.delivered,
    Repredictions(JOB_STORE),
    PolicyCache(JOB_STORE, SETTINGS),
    Claim(OWNER),
    JournalCopy(JOB_STORE, "1", "version", "part"),
)
CLASSES = (
    *(JobStore, EventQueues, JobRecords, WakeUps, ProjectDescriptions, DeliveredAnnotations),
    *(Repredictions, PolicyCache, Claim, JournalCopy),
)
FUNCTIONS = (
    *(
        job_store_access.limit_worker_ttls,
        job_store_access.worker_classes,
        job_store_access.worker_count,
        training_figures.figures,
    ),
    *(job_pages.write_progress, job_pages.read_log, job_pages.read_points),
    *(queue_owner.own_queue, queue_owner.owner_of, queue_owner.leftover_queues),
    *(cancellation.request_cancel, cancellation.settle_cancelled, stalled.waiting, versions_with_entries),
)
#: Public methods that do not call Redis, and those that ignore its errors, as their docstrings say.
NO_CALLS = {"JobStore.on_failure", "EventQueues.remove_in"}
BEST_EFFORT = {"Repredictions.store", "PolicyCache.learn"}


#: A value for each parameter of these methods and functions, by its name.
VALUES: dict[str, Any] = {
    **dict.fromkeys(("project", "uid", "job_id", "event_id", "token", "version_id", "queue", "key"), "1"),
    **dict.fromkeys(("code", "generation", "why", "since", "last", "asked_by"), "1"),
    "ids": ["1-1"],
    "event_ids": ["1-1"],
    **dict.fromkeys(("pause", "life", "count", "at", "now", "first", "after", "limit", "workers"), 1),
    "tasks": [1],
    "annotations": [1],
    **dict.fromkeys(("bounded", "setup", "claiming", "woken"), True),
    "entries": [Entry("1-1", "START_TRAINING", 1)],
    "events": [Entry("1-1", "START_TRAINING", 1)],
    "event": StoredEvent("START_TRAINING", {}),
    "pairs": [({"id": 1}, {"id": 1})],
    "current": None,
    "decision": Decision(),
    "policy": Policy(),
    "reprediction": Reprediction("name", "id"),
    "store": SimpleNamespace(served=lambda uid: None),
    "connection": CONNECTION,
    "job_store": JOB_STORE,
    "claim": Claim(OWNER),
    "owner": OWNER,
    "settings": SETTINGS,
    "fields": {"state": "failed"},
    "points": [],
    "lines": ["line"],
    "text": "text",
}


def _calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    for owner in OBJECTS:
        for name, _ in inspect.getmembers(type(owner), inspect.isfunction):
            if not name.startswith("_"):
                yield f"{type(owner).__name__}.{name}", getattr(owner, name)
    yield from ((function.__name__, function) for function in FUNCTIONS)


def _call(function: Callable[..., Any]) -> None:
    values: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            values["state"] = "failed"
        else:
            values[name] = (
                Project(uid="1") if (name, parameter.annotation) == ("project", Project) else VALUES[name]
            )
    answer = function(**values)
    if inspect.isgenerator(answer):
        list(answer)


def test_all_classes_are_tried() -> None:
    assert {type(owner) for owner in OBJECTS} == set(CLASSES)


@pytest.mark.parametrize(
    "function", [pytest.param(call, id=name) for name, call in _calls() if name not in NO_CALLS]
)
def test_an_unreachable_redis_is_a_broker_error(
    function: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.id in BEST_EFFORT:
        _call(function)
        return
    with pytest.raises(BrokerError, match="Redis cannot be reached: ") as caught:
        _call(function)
    assert caught.value.fix == "Check REDIS_URL and that the server runs"
    assert isinstance(caught.value.__cause__, redis.RedisError)


@raises_broker_errors
class _Reader:
    def pages(self) -> Iterator[int]:
        yield 1
        raise redis.ReadOnlyError("READONLY")

    async def later(self) -> None:
        raise redis.ReadOnlyError("READONLY")

    def _inner(self) -> None:
        raise redis.ReadOnlyError("READONLY")


def test_an_error_in_the_middle_of_a_generator_is_a_broker_error() -> None:
    pages = _Reader().pages()
    assert next(pages) == 1
    with pytest.raises(BrokerError, match="replica"):
        next(pages)


def test_an_error_in_a_coroutine_is_a_broker_error() -> None:
    with pytest.raises(BrokerError, match="replica"):
        asyncio.run(_Reader().later())


def test_private_methods_raise_the_error_of_redis() -> None:
    with pytest.raises(redis.ReadOnlyError):
        _Reader()._inner()


def test_a_broker_error_stays_itself() -> None:
    error = BrokerError("no")
    with pytest.raises(BrokerError) as caught, broker_errors():
        raise error
    assert caught.value is error
