"""The labelled tasks that a fit iterates over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import StudioError
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.training.dataset import LabelledTasks, from_delivered, from_studio
from live import TOKEN, FakeStudio, annotation, task


def _tasks(*tasks: dict[str, Any]) -> LabelledTasks:
    return LabelledTasks(lambda: iter(tasks), "a test")


def test_it_can_be_iterated_as_often_as_you_like() -> None:
    tasks = _tasks(*({**task(number), "annotations": [annotation(number)]} for number in range(3)))
    assert [one["id"] for one in tasks] == [one["id"] for one in tasks] == [0, 1, 2]
    assert len(tasks) == 3
    assert tasks


def test_skipped_annotations_and_tasks_without_any_are_left_out() -> None:
    skipped = {**annotation(1), "was_cancelled": True}
    tasks = _tasks(
        {**task(1), "annotations": [skipped]},
        {**task(2), "annotations": [skipped, annotation(2)]},
        {**task(3), "annotations": None},
        task(4),
    )
    assert [(one["id"], len(one["annotations"])) for one in tasks] == [(2, 1)]
    assert len(tasks) == 1
    assert not _tasks()


def test_the_oldest_name_of_annotations() -> None:
    (one,) = _tasks({**task(1), "annotations": [annotation(1)]})
    assert one["completions"] == one["annotations"]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    def read() -> Iterator[dict[str, Any]]:
        raise AssertionError("read")
        yield {}

    tasks = LabelledTasks(read, "a test", count=4)
    assert len(tasks) == 4


def test_from_delivered(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    rows = [{**task(number), "annotations": [annotation(number)]} for number in (1, 2)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    tasks = from_delivered(file)
    assert [one["id"] for one in tasks] == [1, 2]
    assert len(tasks) == 2


def test_from_studio_page_by_page(studio: FakeStudio) -> None:
    studio.add(9, *range(1, 251))
    tasks = from_studio(StudioClient(studio.url, TOKEN), "9.123")
    asked = len(studio.asked)
    iterator = iter(tasks)
    assert next(iterator)["id"] == 1
    assert len([path for path in studio.paths()[asked:] if path == "/api/tasks/"]) == 1
    assert [one["id"] for one in tasks] == list(range(1, 251))
    assert len(tasks) == 250


def test_a_label_studio_that_says_no(studio: FakeStudio) -> None:
    studio.add(10, 1)
    with pytest.raises(StudioError):
        from_studio(StudioClient(studio.url, "wrong"), "10")
