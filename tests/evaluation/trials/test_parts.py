"""Folds and growing parts: sizes, labels, groups, repeatability."""

from collections import Counter

from label_studio_ml.evaluation.trials.parts import PoolTask, folds, growing_order


def _tasks(*strata: str, groups: int = 0) -> list[PoolTask]:
    return [
        PoolTask(number, stratum, f"group {number % groups}" if groups else f"task {number}")
        for number, stratum in enumerate(strata)
    ]


def test_folds_have_all_tasks_once_and_the_same_labels() -> None:
    tasks = _tasks(*["cat"] * 60, *["dog"] * 30, *["eel"] * 10)
    parts = folds(tasks, 5, seed=0)
    assert sorted(position for part in parts for position in part) == list(range(100))
    for part in parts:
        assert Counter(tasks[position].stratum for position in part) == {"cat": 12, "dog": 6, "eel": 2}


def test_a_group_is_in_one_fold() -> None:
    tasks = _tasks(*["cat", "dog"] * 50, groups=12)
    parts = folds(tasks, 4, seed=0)
    found = [{tasks[position].group for position in part} for part in parts]
    assert sum(map(len, found)) == 12
    assert len(set.union(*found)) == 12
    assert max(map(len, parts)) - min(map(len, parts)) <= 10


def test_fewer_groups_than_folds_leave_folds_empty() -> None:
    assert [len(part) for part in folds(_tasks(*["cat"] * 6, groups=2), 3, seed=0)] == [3, 3, 0]


def test_each_beginning_of_the_order_has_the_labels_of_all() -> None:
    tasks = _tasks(*["cat"] * 80, *["dog"] * 20)
    order = growing_order(tasks, seed=3)
    assert sorted(order) == list(range(100))
    for size in (10, 20, 50):
        dogs = sum(tasks[position].stratum == "dog" for position in order[:size])
        assert abs(dogs - size / 5) <= 1


def test_the_same_seed_gives_the_same_parts() -> None:
    tasks = _tasks(*["cat", "dog"] * 20)
    assert folds(tasks, 4, seed=1) == folds(tasks, 4, seed=1) != folds(tasks, 4, seed=2)
    assert growing_order(tasks, seed=1) == growing_order(tasks, seed=1) != growing_order(tasks, seed=2)
