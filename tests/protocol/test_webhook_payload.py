"""What events say of tasks and annotations."""

from typing import Any

import pytest

from helpers import captured
from label_studio_ml.protocol.webhook_payload import counted, grouped, labelled, removed
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.untrusted_events import ids_only
from live import annotation, created, created_in_bulk, start_training, task


def _stored(data: dict[str, Any]) -> StoredEvent:
    return StoredEvent(data["action"], data)


def test_one_annotation() -> None:
    ((found_task, found),) = labelled(_stored(created(1, 5)))
    assert (found_task["id"], found["id"]) == (5, 1005)


def test_many_annotations_find_their_tasks() -> None:
    event = created_in_bulk(1, 5, 6)
    event["task"].reverse()
    event["annotation"].append({"id": 9, "task": 77})
    assert [(one["id"], found["id"]) for one, found in labelled(_stored(event))] == [
        (5, 1005),
        (6, 1006),
        (77, 9),
    ]


@pytest.mark.parametrize(
    "event",
    [
        start_training(1),
        {"action": "ANNOTATION_CREATED"},
        {"action": "ANNOTATION_CREATED", "task": None, "annotation": [1]},
        {"action": "ANNOTATIONS_CREATED", "task": 3, "annotation": {"id": 1}},
        {"action": "ANNOTATIONS_CREATED", "task": [3], "annotation": ["x", None]},
    ],
)
def test_nothing_to_learn_from(event: dict[str, Any]) -> None:
    assert labelled(_stored(event)) == []


def test_what_a_real_label_studio_sends() -> None:
    for name in ("webhook_ANNOTATION_CREATED", "webhook_ANNOTATION_UPDATED"):
        ((found_task, found),) = labelled(_stored(captured(name).json))
        assert found["task"] == found_task["id"]
    assert removed(_stored(captured("webhook_ANNOTATIONS_DELETED").json))[1]
    assert removed(_stored(captured("webhook_TASKS_DELETED").json))[0]


def test_the_last_word_on_an_annotation_counts() -> None:
    pairs = [(task(1), annotation(1, "good")), (task(2), annotation(2)), (task(1), annotation(1, "bad"))]
    tasks = grouped([*pairs, (task(1), {**annotation(1), "id": 7})])
    assert list(tasks) == [1, 2]
    assert [one["id"] for one in tasks[1]["annotations"]] == [1001, 7]
    assert tasks[1]["annotations"][0]["result"][0]["value"]["choices"] == ["bad"]


def test_removed_takes_whole_numbers_only() -> None:
    event = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}, {"id": "*"}, {}, 3, {"id": 2}]}
    assert removed(_stored(event)) == ([], [1, 2])
    assert removed(_stored({"action": "TASKS_DELETED", "tasks": [{"id": 4}]})) == ([4], [])
    assert removed(_stored({**event, "action": "ANNOTATION_CREATED"})) == ([], [])


def test_only_ids_are_kept_of_what_comes_without_login() -> None:
    assert ids_only(_stored(created(3, 5))) == {"project": {"id": 3}, "task": 5, "annotation": 1005}
    assert ids_only(_stored(created_in_bulk(3, 5, 6))) == {
        "project": {"id": 3},
        "annotations": [{"id": 1005, "task": 5}, {"id": 1006, "task": 6}],
    }
    lie = {"action": "ANNOTATION_CREATED", "task": {"id": "x"}, "annotation": {"id": {"y": 1}}, "more": "z"}
    assert ids_only(_stored(lie)) == {"project": {"id": None}}


def test_new_annotations_are_counted() -> None:
    for event, count in (
        (created(1, 5), 1),
        ({**created(1, 5), "action": "ANNOTATION_UPDATED"}, 1),
        (created(1, 5, was_cancelled=True), 0),
        (created_in_bulk(1, 5, 6, 7), 3),
        ({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}]}, 0),
        (start_training(1), 0),
        ({"action": "ANNOTATION_CREATED", "annotation": "odd"}, 1),
        ({"action": "ANNOTATIONS_CREATED", "annotation": []}, 1),
    ):
        assert counted(_stored(event)) == count, event
    for event in (created(1, 5), created_in_bulk(1, 5, 6)):
        kept = {"action": event["action"], **ids_only(_stored(event))}
        assert counted(_stored(kept)) == counted(_stored(event))


def test_ids_of_deleted_annotations_are_kept_without_login() -> None:
    event = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1, "x": "y"}, {"id": "*"}]}
    assert ids_only(_stored({**event, "project": {"id": 3}})) == {
        "project": {"id": 3},
        "annotations": [{"id": 1}],
    }
