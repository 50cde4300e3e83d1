"""Requests of which only ids are read, or whose tasks stay JSON."""

import json
import tracemalloc
from typing import Any

import msgspec
import pytest

from label_studio_ml.errors import BodyTooLarge, RequestError
from label_studio_ml.protocol import large_requests
from label_studio_ml.protocol.large_requests import parse_event_ids, parse_train_request
from label_studio_ml.protocol.requests import parse_event
from label_studio_ml.protocol.webhook_payload import counted, removed
from label_studio_ml.training.records.untrusted_events import digest, ids_only
from live import annotation, created, created_in_bulk

MIB = 1 << 20

EVENTS: list[dict[str, Any]] = [
    created(3, 5),
    {**created(3, 5), "action": "ANNOTATION_UPDATED"},
    created(3, 5, was_cancelled=True),
    created_in_bulk(3, 5, 6, 7),
    {
        "action": "ANNOTATIONS_DELETED",
        "annotations": [{"id": 1, "x": "y"}, {"id": "*"}],
        "project": {"id": 3},
    },
    {
        "action": "TASKS_DELETED",
        "tasks": [{"id": 4}],
        "project": {"id": 3, "created_at": "2026-01-01T00:00:00Z"},
    },
    {
        "action": "PROJECT_UPDATED",
        "project": {"id": 3, "title": "a \U0001f600 title", "label_config": "<View/>"},
    },
    {"action": "ANNOTATION_CREATED", "task": {"id": "x"}, "annotation": {"id": {"y": 1}, "task": [[]]}},
    {"action": "ANNOTATION_CREATED", "task": {"id": 10**200}, "annotation": "odd", "project": None},
]


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("event", EVENTS)
def test_it_says_the_same_as_the_whole_event(event: dict[str, Any], trusted: bool) -> None:
    body = json.dumps(event).encode()
    whole, small = parse_event(body), parse_event_ids(body, trusted=trusted)
    assert (small.action, small.uid, small.size, small.ids_only) == (whole.action, whole.uid, len(body), True)
    if trusted:
        assert (small.label_config, small.title) == (whole.label_config, whole.title)
    else:
        assert (small.label_config, small.title) == ("", "")
    assert ids_only(small) == ids_only(whole)
    assert counted(small) == counted(whole)
    assert removed(small) == removed(whole)
    assert digest(msgspec.structs.replace(small, data=ids_only(small))) == digest(
        msgspec.structs.replace(whole, data=ids_only(whole))
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "body"),
        (b"{", "body"),
        (b'{"action": 5}', "action"),
        (b'{"action": ["x"]}', "action"),
        (b'{"action": "A", "project": 5}', "project"),
        (b'{"action": "A", "project": {}}', "project.id"),
        (b'{"action": "A", "project": {"id": [1]}}', "project.id"),
        (b'{"action": "A", "project": {"id": %b}}' % (b"1" * 10_000), "project.id"),
        (b'{"action": "A", "project": {"id": 1, "created_at": {}}}', "project.created_at"),
        (b'{"action": "A", "project": {"id": 1, "label_config": 5}}', "project.label_config"),
        (b'{"action": "A", "project": {"id": 1}, "annotations": [1, 2]}', "annotations"),
        (b'{"action": "A", "deep": %b}' % (b"[" * 100_000), "body"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, field: str) -> None:
    with pytest.raises(RequestError) as error:
        parse_event_ids(body, trusted=True)
    assert error.value.field == field


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("text", [rb"\ud800", rb"\\ud800", rb"\uD83D\uDE00", rb"\udfff\ud800"])
def test_halves_of_characters_do_not_matter(text: bytes, trusted: bool) -> None:
    body = b'{"action": "A", "task": {"id": 7, "data": "%b"}, "project": {"id": 1, "title": "%b"}}' % (
        text,
        text,
    )
    small = parse_event_ids(body, trusted=trusted)
    assert ids_only(small) == {"project": {"id": 1}, "task": 7}
    assert small.title == (parse_event(body).title if trusted else "")


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'"a",', rb'"\ud800",'])
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("name", ["result", "task"])
def test_the_values_take_no_memory(unit: bytes, trusted: bool, name: str) -> None:
    values = unit * (16 * MIB // len(unit)) + unit[:-1]
    body = b'{"action": "ANNOTATION_CREATED", "annotation": {"id": 7, "%b": [%b]}, "x": [%b], "project": {"id": 1}}'
    body %= (name.encode(), values, values)
    if trusted and b"ud800" in unit:
        return  # these are replaced: callers with the login may have texts
    tracemalloc.start()
    try:
        small = parse_event_ids(body, trusted=trusted)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * len(body)
    finally:
        tracemalloc.stop()
    assert ids_only(small) == {"project": {"id": 1}, "annotation": 7}


def test_how_many_tasks_one_request_may_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_requests, "MAX_ITEMS", 6)
    monkeypatch.setattr(large_requests, "MAX_UNTRUSTED_ITEMS", 4)
    body = json.dumps(created_in_bulk(3, 5, 6, 7)).encode()
    for _ in range(2):  # each is counted anew
        assert len(parse_event_ids(body, trusted=True).data["annotation"]) == 3
    with pytest.raises(BodyTooLarge, match="names too many tasks and annotations"):
        parse_event_ids(body, trusted=False)
    tasks = b'{"project": "1.1", "annotations": [%b{}]}'
    assert len(parse_train_request(tasks % (b"{}," * 5)).tasks) == 6
    with pytest.raises(BodyTooLarge):
        parse_train_request(tasks % (b"{}," * 6))


def test_the_tasks_of_a_training_request_stay_json() -> None:
    tasks = [{"id": 1, "annotations": [annotation(1)]}, {"id": 2}]
    body = {"project": "1.1", "label_config": "<View/>", "annotations": tasks}
    request = parse_train_request(json.dumps(body).encode())
    assert (request.uid, request.label_config) == ("1.1", "<View/>")
    assert json.loads(msgspec.json.encode({"annotations": request.tasks})) == {"annotations": tasks}
    assert parse_train_request(b'{"project": 7}').tasks == []
    for wrong in (b'{"project": 7, "annotations": [1]}', b'{"project": 7, "annotations": {}}'):
        with pytest.raises(RequestError, match="must be an array of tasks"):
            parse_train_request(wrong)
    with pytest.raises(RequestError, match="project"):
        parse_train_request(b"{}")
