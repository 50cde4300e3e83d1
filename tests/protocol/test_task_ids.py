"""Ids of tasks that are JSON bytes."""

import json
from typing import Any

import pytest

from label_studio_ml.protocol.task_ids import task_ids, text_of


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"id": 7, "data": {}}, ["7"]),
        ({"data": {"id": 8}, "id": 10**20}, [str(10**20)]),
        ({"id": "a-1"}, ["a-1"]),
        ({"id": None}, []),
        ({"id": 1.5}, []),
        ({"id": True}, []),
        ({"id": [1]}, []),
        ({"data": {}}, []),
        ({"id": 7, "data": {"text": "x" * (1 << 20)}}, []),
    ],
)
def test_the_id_is_read(task: Any, expected: list[str]) -> None:
    assert task_ids([json.dumps(task).encode()], 5) == expected


@pytest.mark.parametrize("task", [b"", b"{", b"[1]", b'"text"', b'{"id": "\\ud800"}', b'{"id":\xff}'])
def test_what_cannot_be_read_has_no_id(task: bytes) -> None:
    assert task_ids([task], 5) == []


def test_only_the_first_tasks_are_read() -> None:
    assert task_ids([b'{"id": 1}', b"{}", b'{"id": 3}', b'{"id": 4}'], 3) == ["1", "3"]


def test_ids_of_decoded_tasks() -> None:
    assert [text_of(value) for value in (1, "a", True, None, 1.5)] == ["1", "a", "", "", ""]
