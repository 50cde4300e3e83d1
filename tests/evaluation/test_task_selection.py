"""Which tasks count, and which of their annotations."""

import json
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.evaluation.metrics.results import Selection
from label_studio_ml.evaluation.task_selection import (
    Choice,
    expected,
    new_selection,
    no_task_error,
    select,
    trained_on,
)
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.snapshots import SNAPSHOT
from live import annotation, task


def _rows(*numbers: int) -> list[dict[str, Any]]:
    return [{**task(number), "annotations": [annotation(number)]} for number in numbers]


def _chosen(rows: list[dict[str, Any]], choice: Choice, seen: set[int] | None) -> tuple[list[int], Selection]:
    selection = new_selection(choice, seen)
    found = [one["id"] for one, _ in select(rows, choice, seen, "1.5", selection)]
    return found, selection


def test_what_was_trained_on_is_left_out() -> None:
    found, selection = _chosen(_rows(1, 2, 3, 4), Choice(), {1, 3})
    assert found == [2, 4]
    assert (selection.how, selection.annotated, selection.used, selection.seen) == ("held out", 4, 2, 0)


def test_all_says_how_many_were_trained_on() -> None:
    found, selection = _chosen(_rows(1, 2, 3, 4), Choice(everything=True), {1, 3})
    assert found == [1, 2, 3, 4]
    assert (selection.how, selection.seen) == ("all", 2)


def test_where_it_is_not_known_all_are_used() -> None:
    found, selection = _chosen(_rows(1, 2), Choice(), None)
    assert found == [1, 2]
    assert (selection.how, selection.seen) == ("all", None)


def test_the_test_half_is_the_one_of_split() -> None:
    rows = _rows(*range(1, 101))
    found, selection = _chosen(rows, Choice(test=0.3), set(range(1, 51)))
    half = LabelledTasks(lambda: rows, "a test", project="1.5").split(0.3)[1]
    assert found == [one["id"] for one in half]
    assert selection.seen == sum(number <= 50 for number in found)


@pytest.mark.parametrize(
    ("annotated", "choice", "seen", "count"),
    [
        (100, Choice(), {1, 2, 3}, 97),
        (2, Choice(), {1, 2, 3}, 0),
        (100, Choice(), None, 100),
        (100, Choice(everything=True), {1}, 100),
        (100, Choice(test=0.2), {1}, 20),
        (100, Choice(ground_truth=True), set(), None),
        (None, Choice(), set(), None),
    ],
)
def test_about_how_many_will_be_used(
    annotated: int | None, choice: Choice, seen: set[int] | None, count: int | None
) -> None:
    assert expected(annotated, choice, seen) == count


def test_only_ground_truth() -> None:
    rows = _rows(1, 2, 3)
    rows[1]["annotations"][0]["ground_truth"] = True
    found, selection = _chosen(rows, Choice(ground_truth=True), set())
    assert found == [2]
    assert (selection.annotated, selection.ground_truth_only) == (1, True)


def test_of_several_annotations_the_ground_truth_counts_or_else_the_newest() -> None:
    one = {**annotation(1), "id": 1, "updated_at": "2026-01-02T00:00:00Z"}
    two = {**annotation(1), "id": 2, "updated_at": "2026-01-01T00:00:00Z"}
    rows = [{**task(1), "annotations": [one, two]}]
    assert [
        truth["id"] for _, truth in select(rows, Choice(), set(), "1.5", new_selection(Choice(), set()))
    ] == [1]
    two["ground_truth"] = True
    assert [
        truth["id"] for _, truth in select(rows, Choice(), set(), "1.5", new_selection(Choice(), set()))
    ] == [2]


def test_what_fit_held_out_was_not_seen(tmp_path: Path) -> None:
    assert trained_on(tmp_path) is None
    tasks = LabelledTasks(lambda: _rows(*range(50)), "a test", project="1.5", snapshot=tmp_path / SNAPSHOT)
    train, test = tasks.split()
    list(train)
    assert trained_on(tmp_path) == set(range(50))
    tasks.finish()
    assert trained_on(tmp_path) == {one["id"] for one in train}
    assert len(test)


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(how="all"), "No task has an annotation"),
        (Selection(how="all", ground_truth_only=True), "ground truth annotation"),
        (Selection(how="held out", annotated=3), "trained on all 3 annotated tasks.*--all.*split"),
        (Selection(how="test split", annotated=3), "None of 3 .* test half"),
    ],
)
def test_nothing_to_measure_on(selection: Selection, said: str) -> None:
    with pytest.raises(Exception, match=said):
        raise no_task_error(selection, "v")


def test_the_note_of_a_split_is_plain_json(tmp_path: Path) -> None:
    tasks = LabelledTasks(lambda: _rows(1, 2), "a test", project="1.5", snapshot=tmp_path / SNAPSHOT)
    list(tasks.split(by=lambda one: one["id"])[0])
    tasks.finish()
    assert json.loads((tmp_path / "annotations.split.json").read_text())["by"] == "<lambda>"
