"""The table of webhook actions: what follows from a row."""

import ast
import re
from pathlib import Path

import pytest

import label_studio_ml
from label_studio_ml.connect.webhooks import required_actions
from label_studio_ml.model import TRAIN_EVENTS
from label_studio_ml.protocol import webhook_actions
from label_studio_ml.protocol.webhook_actions import (
    ACTIONS,
    NEEDED_ACTIONS,
    SENT_ACTIONS,
    Action,
    Deleted,
    Labelled,
    action_named,
    training_actions,
)
from label_studio_ml.protocol.webhook_payload import counted, labelled, removed
from label_studio_ml.training.process.single_events import single_events
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.untrusted_events import ids_only

NAMES = {action.name for action in ACTIONS}


def test_names_occur_once_and_bulk_actions_name_others_of_the_table() -> None:
    assert len(NAMES) == len(ACTIONS)
    assert {action.single for action in ACTIONS} - {""} <= NAMES
    assert NEEDED_ACTIONS <= SENT_ACTIONS


def test_default_training_events() -> None:
    assert TRAIN_EVENTS == (
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_DELETED",
        "ANNOTATION_DELETED",
        "START_TRAINING",
    )


def test_a_class_that_learns_from_single_events_gets_their_bulk_events() -> None:
    created, deleted = "ANNOTATION_CREATED", "ANNOTATION_DELETED"
    assert training_actions([created]) == {created, "ANNOTATIONS_CREATED", "START_TRAINING"}
    assert training_actions([deleted]) == {deleted, "ANNOTATIONS_DELETED", "START_TRAINING"}
    assert training_actions(["ANNOTATIONS_CREATED", ""]) == {"ANNOTATIONS_CREATED", "", "START_TRAINING"}


def test_the_actions_of_a_webhook() -> None:
    deletions_and_configs = ["ANNOTATIONS_DELETED", "PROJECT_UPDATED", "TASKS_DELETED"]
    assert required_actions(["ANNOTATION_DELETED", "UNKNOWN"], learns=True) == deletions_and_configs


def test_an_unknown_action_has_no_annotations() -> None:
    event = StoredEvent("UNKNOWN", {"task": {"id": 1}, "annotation": {"id": 1}, "tasks": [{"id": 1}]})
    assert (labelled(event), counted(event), removed(event)) == ([], 0, ([], []))


@pytest.fixture
def new_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        webhook_actions._BY_NAME,
        "REVIEWS_CREATED",
        Action("REVIEWS_CREATED", labelled=Labelled.SEVERAL, single="REVIEW_CREATED"),
    )
    monkeypatch.setitem(
        webhook_actions._BY_NAME, "REVIEW_CREATED", Action("REVIEW_CREATED", labelled=Labelled.ONE)
    )
    monkeypatch.setitem(
        webhook_actions._BY_NAME, "REVIEWS_DELETED", Action("REVIEWS_DELETED", deleted=Deleted.ANNOTATIONS)
    )


@pytest.mark.usefixtures("new_rows")
def test_a_new_action_needs_a_row_only() -> None:
    body = {"project": {"id": 1}, "task": [{"id": 5}], "annotation": [{"id": 7, "task": 5}]}
    bulk = StoredEvent("REVIEWS_CREATED", body)
    assert labelled(bulk) == [({"id": 5}, {"id": 7, "task": 5})]
    assert counted(bulk) == 1
    assert ids_only(bulk)["annotations"] == [{"id": 7, "task": 5}]
    assert training_actions(["REVIEW_CREATED"]) == {"REVIEW_CREATED", "REVIEWS_CREATED", "START_TRAINING"}
    ((action, data),) = single_events(bulk, ["REVIEW_CREATED"], lambda task: {}, list)
    assert (action, data["task"], data["annotation"]) == ("REVIEW_CREATED", {"id": 5}, {"id": 7, "task": 5})
    single = StoredEvent("REVIEW_CREATED", {"task": {"id": 5}, "annotation": {"id": 7, "task": 5}})
    assert (labelled(single), counted(single)) == ([({"id": 5}, {"id": 7, "task": 5})], 1)
    deleted = StoredEvent("REVIEWS_DELETED", {"annotations": [{"id": 7}]})
    assert removed(deleted) == ([], [7])
    assert ids_only(deleted)["annotations"] == [{"id": 7}]


def test_every_action_that_the_code_names_is_in_the_table() -> None:
    form = re.compile(
        r"(ANNOTATIONS?|TASKS?|PROJECTS?|LABEL_LINKS?)_(CREATED|UPDATED|DELETED)|START_TRAINING"
    )
    for path in Path(label_studio_ml.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and form.fullmatch(node.value):
                assert action_named(node.value) in ACTIONS, path
