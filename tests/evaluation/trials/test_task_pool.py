"""The file of a cross-validation's tasks, their strata and groups."""

from pathlib import Path
from typing import Any

import pytest

from evaluation.learning import word_tasks
from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.trials.task_pool import Grouping, TaskPool
from label_studio_ml.training.dataset import LabelledTasks


def _pool(folder: Path, tasks: list[dict[str, Any]], grouping: Grouping | None = None) -> TaskPool:
    return TaskPool(LabelledTasks(lambda: tasks, "a test"), folder, grouping or Grouping())


def test_tasks_are_read_by_position(tmp_path: Path) -> None:
    pool = _pool(tmp_path, word_tasks(10))
    assert [task["id"] for task in pool.read([7, 2])] == [3, 8]
    assert pool.source == "a test"
    assert {entry.stratum for entry in pool.entries} == {"label: good", "label: bad"}
    assert len({entry.group for entry in pool.entries}) == 10


def test_tasks_with_the_same_value_are_a_group(tmp_path: Path) -> None:
    tasks = word_tasks(10)
    del tasks[0]["data"]["source"]
    pool = _pool(tmp_path, tasks, Grouping(by="source"))
    assert [entry.group for entry in pool.entries[:3]] == ["task 0", "group s2", "group s3"]
    assert len({entry.group for entry in pool.entries}) == 6


def test_a_field_that_no_task_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="None of 10 labelled tasks has the field 'page'"):
        _pool(tmp_path, word_tasks(10), Grouping(by="page"))


def test_only_ground_truths(tmp_path: Path) -> None:
    tasks = word_tasks(3)
    tasks[1]["annotations"][0]["ground_truth"] = True
    assert len(_pool(tmp_path, tasks, Grouping(ground_truth=True)).entries) == 1
