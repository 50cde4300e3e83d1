"""Bad values in the fields of a task: which answers of a class are failures."""

from pathlib import Path

import pytest

from label_studio_ml.test_kit.child.bad_data import BadData

from .tested_models import class_under_test

#: A statement of `predict` that refuses a task without a text, and says so.
REFUSES = """for task in tasks:
            if not isinstance(task["data"].get("text"), str): raise ValueError(f"task {task['id']} has no text")"""
#: A choice that needs a text, and one that depends on the other tasks of the batch.
NEEDS_TEXT = "'ab'[len(task['data']['text']) % 2]"
OF_BATCH = "'b' if any(not other['data'].get('text') for other in tasks) else 'a'"


def messages(folder: Path, check: str, call: str = "pass", choice: str = "'a'") -> list[str]:
    tested = class_under_test(folder, call, choice)
    return [failure.message for failure in BadData(tested).try_values(check)]


@pytest.mark.parametrize(
    "check", ["missing-data", "null-data", "empty-data", "wrong-type-data", "hostile-text"]
)
def test_a_class_that_looks_at_no_value_has_no_failure(check: str, tmp_path: Path) -> None:
    assert messages(tmp_path, check) == []


def test_an_exception_that_says_nothing_about_the_value_is_a_failure(tmp_path: Path) -> None:
    missing, null = (messages(tmp_path, check, choice=NEEDS_TEXT) for check in ("missing-data", "null-data"))
    assert missing == [
        "for a task with no value in 'text', predict raises KeyError: 'text' (model.py, line 8)"
    ]
    assert len(null) == 1
    assert "the value 'null' in 'text', predict raises" in null[0]


def test_a_refusal_that_names_the_cause_is_no_failure(tmp_path: Path) -> None:
    assert messages(tmp_path, "missing-data", REFUSES, NEEDS_TEXT) == []


def test_a_good_task_that_is_predicted_otherwise_beside_a_bad_one_is_a_failure(tmp_path: Path) -> None:
    assert messages(tmp_path, "null-data", choice=OF_BATCH) == [
        "for a task with the value 'null' in 'text', a good task beside it is predicted otherwise"
    ]


def test_neighbours_are_not_looked_at_if_batches_change_predictions_anyway(tmp_path: Path) -> None:
    tested = class_under_test(tmp_path, choice=OF_BATCH, failed=["batch"])
    assert list(BadData(tested).try_values("null-data")) == []


def test_a_wrong_count_is_a_failure(tmp_path: Path) -> None:
    twice = "tasks = tasks if all(task['data']['text'] for task in tasks) else [*tasks, *tasks]"
    (message,) = messages(tmp_path, "null-data", twice)
    assert message.startswith("for a task with the value 'null' in 'text': ")


def test_failures_of_a_check_end_after_three_values(tmp_path: Path) -> None:
    assert len(messages(tmp_path, "hostile-text", choice="task['data']['no such field']")) == 3


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("unreadable-file", "no field of the label config has the address of a file"),
        ("file-formats", "no field of the label config is shown as a picture or sound"),
    ],
)
def test_a_check_that_finds_nothing_to_try_is_skipped_with_the_reason(
    check: str, reason: str, tmp_path: Path
) -> None:
    tested = class_under_test(tmp_path)
    assert list(BadData(tested).try_values(check)) == []
    assert tested.values["skipped"] == reason
