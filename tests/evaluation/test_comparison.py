"""Two versions on the same tasks: which tasks, which numbers, and what is said where there are none."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.metric_gate import Comparison
from label_studio_ml.config.settings import Settings
from label_studio_ml.evaluation import comparison
from label_studio_ml.evaluation.comparison import Candidate, Request, compare, metrics_of
from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG, MODELS, annotation, uid

PROJECT = Project(uid=uid(7), label_config=CONFIG)
NUMBERS = range(1, 41)


def _rows(numbers: Iterable[int], *, word: str = "a", label: str = "good") -> list[dict[str, Any]]:
    return [
        {"id": number, "data": {"text": f"{word} {number}"}, "annotations": [annotation(number, label)]}
        for number in numbers
    ]


def _test_half(numbers: Iterable[int], share: float = 0.5) -> list[int]:
    tasks = LabelledTasks(lambda: _rows(numbers), "a test", project=PROJECT.uid)
    return [task["id"] for task in tasks.split(share)[1]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "backend"
    folder.mkdir()
    shutil.copy(MODELS / "table_model.py", folder)
    return Settings(backend_dir=folder, model_dir=folder / "data", log_dir=folder / "logs")


class Versions:
    """Folders of versions as their fits leave them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, name: str, rows: list[dict[str, Any]], table: dict[str, str], *, split: float | None = 0.5
    ) -> Candidate:
        folder = self._folder / name
        folder.mkdir()
        tasks = LabelledTasks(lambda: rows, "a test", project=PROJECT.uid, snapshot=folder / SNAPSHOT)
        list(tasks if split is None else tasks.split(split)[0])
        tasks.finish()
        spec = ModelSpec(project=PROJECT, version=name, train_output={"table": table})
        return Candidate(spec, str(folder), {})


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def _compare(settings: Settings, previous: Candidate, new: Candidate, *metrics: str) -> Comparison | None:
    return compare(Request(new, previous, list(metrics or ("accuracy",))), settings)


def test_both_predict_what_the_new_version_held_out(settings: Settings, versions: Versions) -> None:
    held_out = _test_half(NUMBERS)
    first, later = NUMBERS[:10], NUMBERS[10:]
    # The words of the first ten tasks are known to both; the other thirty to the new version alone, half of them wrong.
    half = [number for number in later if number % 2]
    other = [number for number in later if not number % 2]
    rows = [*_rows(first), *_rows(half, word="b"), *_rows(other, word="b", label="bad")]
    rows.sort(key=lambda row: row["id"])
    found = _compare(
        settings,
        versions("old", _rows(first), {"a": "good"}),
        versions("new", rows, {"a": "good", "b": "good"}),
    )
    known = len([number for number in held_out if number in first])
    right = len([number for number in held_out if number in half])
    assert 0 < known < len(held_out)
    assert right > 0
    assert found is not None
    assert (found.version, found.tasks, found.unfair) == ("old", len(held_out), "")
    assert found.new == {"accuracy": pytest.approx((known + right) / len(held_out))}
    assert found.previous == {"accuracy": pytest.approx(known / len(held_out))}


def test_what_the_version_before_has_learned_from_is_left_out(settings: Settings, versions: Versions) -> None:
    old = versions("old", _rows(NUMBERS), {"a": "good"}, split=0.2)
    new = versions("new", _rows(NUMBERS), {"a": "bad"})
    found = _compare(settings, old, new)
    both = set(_test_half(NUMBERS, 0.2)) & set(_test_half(NUMBERS))
    assert found == Comparison(
        version="old", tasks=len(both), new={"accuracy": 0.0}, previous={"accuracy": 1.0}
    )


def test_nothing_is_left_to_compare_on(settings: Settings, versions: Versions) -> None:
    old = versions("old", _rows(NUMBERS), {"a": "good"}, split=None)
    new = versions("new", _rows(NUMBERS), {"a": "good"})
    found = _compare(settings, old, new)
    held_out = len(_test_half(NUMBERS))
    assert found is not None
    assert found.unfair == (
        f"they were measured on {held_out} tasks now, and on tasks that are not known before, "
        "and the version before was trained on all that the new one held out"
    )
    assert (found.tasks, found.new, found.previous) == (0, {}, {})


def test_fits_that_were_measured_on_the_same_tasks_are_not_measured_again(
    settings: Settings, versions: Versions
) -> None:
    old = versions("old", _rows(NUMBERS), {"broken": "yes"})
    assert _compare(settings, old, versions("same", _rows(NUMBERS), {"broken": "yes"})) is None
    # Another annotation makes another test: nine in ten must be the same, and two in about twenty are not.
    changed = _test_half(NUMBERS)[0]
    one = [*_rows(set(NUMBERS) - {changed}), *_rows([changed], label="bad")]
    assert _compare(settings, old, versions("one", one, {"broken": "yes"})) is None
    bad = [*_rows(NUMBERS[:30]), *_rows(NUMBERS[30:], label="bad")]
    found = _compare(settings, old, versions("new", bad, {"broken": "yes"}))
    assert found is not None
    assert found.unfair


def test_it_is_not_known_what_they_were_measured_on(settings: Settings, versions: Versions) -> None:
    old = versions("old", _rows(NUMBERS[:9]), {}, split=None)
    assert _compare(settings, old, versions("new", _rows(NUMBERS), {}, split=None)) is None
    (Path(old.folder) / SNAPSHOT).unlink()
    assert _compare(settings, old, versions("newer", _rows(NUMBERS), {})) is None


def test_a_metric_that_evaluate_does_not_know(settings: Settings, versions: Versions) -> None:
    first, held_out = NUMBERS[:10], _test_half(NUMBERS)
    old = versions("old", _rows(first), {"a": "good"})
    found = _compare(settings, old, versions("new", _rows(NUMBERS), {"a": "good"}), "loss", "f1")
    assert found is not None
    assert found.new == {"f1": 1.0}
    assert found.unfair == (
        f"they were measured on {len(held_out)} tasks now and on {len(_test_half(first))} before, "
        f"{len(_test_half(first))} of them the same, and `evaluate` has no loss of them"
    )


def test_a_version_that_cannot_be_measured(settings: Settings, versions: Versions) -> None:
    old = versions("old", _rows(NUMBERS[:10]), {"broken": "yes"})
    found = _compare(settings, old, versions("new", _rows(NUMBERS), {"a": "good"}))
    assert found is not None
    assert "version old cannot be measured" in found.unfair
    assert "this table is broken" in found.unfair


def test_of_very_many_tasks_some_are_measured(
    settings: Settings, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MAX_TASKS", 7)
    old = versions("old", _rows(NUMBERS[:10]), {"a": "good"})
    found = _compare(settings, old, versions("new", _rows(NUMBERS), {"a": "good"}))
    assert found is not None
    assert (found.tasks, found.new["accuracy"]) == (7, 1.0)


def _region(control: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": control, "to_name": "x", "type": kind, "value": value}


def test_metrics_by_the_names_that_fits_give_them() -> None:
    observations = Observations()
    good, bad = ([_region("c", "choices", {"choices": [label]})] for label in ("good", "bad"))
    text = [_region("t", "textarea", {"text": ["x"]})]
    observations.add([*good, *text], [*good, *text])
    observations.add([*bad, *text], good)
    found = metrics_of(observations)
    assert found["c.accuracy"] == found["t.accuracy"] == found["accuracy"] == 0.5
    # good: 1 of 2 right, found whole; bad: never said. Precision 1/2 and 0, recall 1 and 0, F1 2/3 and 0.
    assert found["f1"] == found["c.macro_f1"] == pytest.approx(1 / 3)
    assert found["precision"] == pytest.approx(1 / 4)
    assert found["recall"] == pytest.approx(1 / 2)
    span = [_region("s", "labels", {"start": 0, "end": 4, "labels": ["L"]})]
    observations = Observations()
    observations.add(span, span)
    assert metrics_of(observations)["f1"] == 1.0


def test_accuracy_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    observations = Observations()
    said = [[_region("c", "choices", {"choices": labels})] for labels in (["a", "b"], ["b", "a"], ["a"])]
    observations.add(said[0], said[1])
    observations.add(said[0], said[2])
    observations.add(said[2], [])
    with_library = metrics_of(observations)

    def missing(self: Observations) -> Any:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr(Observations, "measure", missing)
    assert metrics_of(observations) == {
        "accuracy": with_library["accuracy"],
        "c.accuracy": pytest.approx(1 / 3),
        "without scikit-learn": None,
    }
