"""What of an event is stored, and when."""

import time
from typing import Any

import msgspec
import pytest

from label_studio_ml.errors import BodyTooLarge, BrokerError
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.intake.event_storage import MAX_WHOLE_EVENT, EventStorage, storable
from label_studio_ml.training.records.job_store import JobStore
from live import annotation, created, start_training, task

P = "1.1767225600"


def _event(data: dict[str, Any], **fields: Any) -> Event:
    return Event(data["action"], P, "<View/>", "title", data, **fields)


def test_an_event_that_changes_nothing_is_not_stored() -> None:
    updated = _event({"action": "PROJECT_UPDATED", "project": {"id": 1}})
    assert storable(updated, trusted=True, train=False) is None
    assert storable(_event(created(1, 1)), trusted=False, train=False) is None


def test_the_label_config_is_not_stored_and_only_ids_without_login() -> None:
    trusted = storable(_event(created(1, 1)), trusted=True, train=False)
    assert trusted is not None
    assert (trusted.event.label_config, trusted.event.title) == ("", "")
    assert trusted.event.data["annotation"]["id"] == 1001
    untrusted = storable(_event(created(1, 1)), trusted=False, train=True)
    assert untrusted is not None
    assert untrusted.event.data["annotation"] == 1001


def test_a_training_request_that_is_too_large_is_refused() -> None:
    with pytest.raises(BodyTooLarge, match="training request has 65 MiB; at most 64 are kept"):
        storable(_event(start_training(1), size=MAX_WHOLE_EVENT + (1 << 20)), trusted=True, train=True)


def test_nothing_is_stored_after_the_deadline(job_store: JobStore) -> None:
    spooled = storable(_event(created(1, 1)), trusted=True, train=True)
    assert spooled is not None
    with pytest.raises(BrokerError, match=r"not taken an event within 0\.2 s"):
        EventStorage(None).store(job_store, spooled, time.monotonic() - 1)
    assert not job_store.queues.dirty()
    assert not list(job_store.delivered.tasks(P))


def test_the_delivered_annotations_follow_the_events(job_store: JobStore) -> None:
    storage = EventStorage(None)
    whole = storable(_event(created(1, 1)), trusted=True, train=False)
    assert whole is not None
    assert storage.store(job_store, whole) is None
    assert [one["id"] for one in job_store.delivered.tasks(P)] == [1]
    storage.store(
        job_store, msgspec.structs.replace(whole, event=msgspec.structs.replace(whole.event, ids_only=True))
    )
    assert not list(job_store.delivered.tasks(P)), "its stored state was out of date"
    job_store.delivered.add(P, [(task(2), annotation(2))])
    deleted = storable(_event({"action": "TASKS_DELETED", "tasks": [{"id": 2}]}), trusted=True, train=False)
    assert deleted is not None
    storage.store(job_store, deleted)
    assert not list(job_store.delivered.tasks(P))
