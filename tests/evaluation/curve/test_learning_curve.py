"""Learning curves of a class that learns words: sizes, failures, interruption, too few tasks."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from evaluation.learning import PROJECT, FakeTrials, word_tasks
from label_studio_ml.errors import ModelLoadError, ModelProcessDied, SettingsError
from label_studio_ml.evaluation.curve.forecast import Verdict
from label_studio_ml.evaluation.curve.learning_curve import (
    CurvePlan,
    LearningCurve,
    Report,
    measure_curve,
    require_tasks,
)
from label_studio_ml.evaluation.trials.task_pool import Grouping, TaskPool
from label_studio_ml.evaluation.trials.trials import Trial, TrialFailed, Trials
from label_studio_ml.training.dataset import LabelledTasks

#: Three folds of two sizes each: few trainings, which take most of the time of these tests.
PLAN = CurvePlan(shares=(0.25, 1.0), folds=3)


def _measure(
    folder: Path,
    tasks: list[dict[str, Any]],
    plan: CurvePlan = PLAN,
    *,
    trials: Trials | None = None,
    report: Report = lambda done, total, seconds: None,
    grouping: Grouping | None = None,
) -> LearningCurve:
    pool = TaskPool(LabelledTasks(lambda: tasks, "a test"), folder, grouping or Grouping())
    return measure_curve(trials or FakeTrials.of(folder), pool, PROJECT, plan, report)


def test_a_curve_of_words(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    curve = _measure(tmp_path, word_tasks(90), report=lambda done, total, _: reported.append((done, total)))
    assert reported == [(done, 6) for done in range(7)]
    assert [(each.fold, each.tasks, each.test) for each in curve.measurements[:3]] == [
        (0, 15, 30),
        (0, 60, 30),
        (1, 15, 30),
    ]
    assert (curve.tasks, curve.complete, curve.notes) == (90, True, [])
    (forecast,) = curve.forecasts
    first, last = forecast.points
    assert last.mean > first.mean + 0.2, "with more words learned, more are known"
    assert len(first.values) == 3
    assert (forecast.control, forecast.metric, forecast.verdict) == ("label", "accuracy", Verdict.UNKNOWN)


def test_trainings_that_fail_are_noted(tmp_path: Path) -> None:
    curve = _measure(tmp_path, word_tasks(90), trials=FakeTrials.of(tmp_path, fails_below=20))
    assert [bool(each.error) for each in curve.measurements] == [True, False] * 3
    assert curve.notes == ["3 trainings could not be measured (on 15 tasks): " + curve.measurements[0].error]
    assert "told to fail with 15 tasks" in curve.notes[0]


def test_a_process_that_dies_or_a_model_that_does_not_load_is_one_failed_measurement(tmp_path: Path) -> None:
    trials = FakeTrials(tmp_path)
    trials.errors = {1: ModelProcessDied("killed"), 2: ModelLoadError("no file"), 4: ModelProcessDied("gone")}
    trials.predicts = frozenset({4})
    curve = _measure(tmp_path, word_tasks(90), trials=cast("Trials", trials))
    assert [each.error for each in curve.measurements] == ["", "killed", "no file", "", "gone", ""]
    assert curve.complete
    assert curve.notes == ["3 trainings could not be measured (on 15, 60 tasks): killed"]


def test_no_training_succeeds(tmp_path: Path) -> None:
    plan = CurvePlan(shares=(1.0,), folds=2)
    with pytest.raises(
        TrialFailed, match=r"None of 2 trainings could be measured: .*told to fail with 20 tasks"
    ):
        _measure(tmp_path, word_tasks(40), plan, trials=FakeTrials.of(tmp_path, fails_below=50))


def _interrupt_before(training: int) -> Callable[[int, int, float], None]:
    def report(done: int, total: int, seconds: float) -> None:
        if done == training:
            raise KeyboardInterrupt

    return report


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    curve = _measure(tmp_path, word_tasks(90), report=_interrupt_before(3))
    assert (curve.complete, len(curve.measurements)) == (False, 3)
    assert [len(point.values) for point in curve.forecasts[0].points] == [2, 1]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(KeyboardInterrupt):
        _measure(tmp_path / "nothing", word_tasks(90), report=_interrupt_before(0))


def test_a_wrong_metric_ends_it_after_the_first_training(tmp_path: Path) -> None:
    plan = CurvePlan(shares=(0.5, 1.0), folds=2, metric="accuray")
    trials = FakeTrials(tmp_path)
    with pytest.raises(SettingsError, match="No control has the metric 'accuray'"):
        _measure(tmp_path, word_tasks(60), plan, trials=cast("Trials", trials))
    assert trials.trained_on == [15]


def test_a_fit_that_learns_nothing_from_more_tasks_is_noted(tmp_path: Path) -> None:
    curve = _measure(tmp_path, word_tasks(60, words=1), CurvePlan(shares=(0.5, 1.0), folds=2))
    assert any("fit may learn nothing" in note for note in curve.notes)


class _SilentModel:
    """A model that predicts nothing."""

    version = "silent"
    max_batch_size = 7

    def predict(self, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"result": []} for _ in tasks]


class _SilentTrials(FakeTrials):
    """Trainings of models that predict nothing."""

    @contextlib.contextmanager
    def trained(self, pool: TaskPool, positions: Collection[int]) -> Iterator[Trial]:
        yield Trial(cast("Any", _SilentModel()), 0.5)


def test_a_metric_without_a_value_is_noted(tmp_path: Path) -> None:
    """There is no mean error of numbers that nobody has predicted."""
    region = {"from_name": "price", "to_name": "text", "type": "number", "value": {"number": 3}}
    tasks = [{**task, "annotations": [{"id": task["id"], "result": [region]}]} for task in word_tasks(60)]
    curve = _measure(tmp_path, tasks, trials=_SilentTrials.of(tmp_path))
    assert curve.forecasts == []
    assert "nothing to draw" in curve.notes[0]


@pytest.mark.parametrize("plan", [CurvePlan(), CurvePlan(shares=(1.0,)), CurvePlan(shares=(0.25, 1.0))])
def test_uneven_groups_are_refused_before_the_trainings(tmp_path: Path, plan: CurvePlan) -> None:
    """Folds of 95, 2, 1, 1 and 1 tasks."""
    tasks = word_tasks(100)
    for task in tasks:
        task["data"]["page"] = max(task["id"], 95) if task["id"] != 97 else 96
    trials = FakeTrials(tmp_path)
    with pytest.raises(SettingsError, match="the largest fold has 95 and the smallest 1"):
        _measure(tmp_path, tasks, plan, trials=cast("Trials", trials), grouping=Grouping(by="page"))
    assert trials.trained_on == []


def test_the_number_that_is_needed() -> None:
    plan = CurvePlan(shares=(0.25, 1.0), folds=5)
    with pytest.raises(
        SettingsError, match="There are 49 labelled tasks; this learning curve needs at least 50"
    ):
        require_tasks(plan, 49)
    require_tasks(plan, 50)
    require_tasks(CurvePlan(), 50)
    with pytest.raises(SettingsError, match="needs at least 17"):  # of 16, a training has 9
        require_tasks(CurvePlan(shares=(0.94,), folds=3), 16)
    assert CurvePlan().sizes(40) == [10, 14, 20, 28, 40]
    assert CurvePlan().sizes(1600) == [100, 200, 400, 800, 1600]
    assert CurvePlan(shares=(1.0, 0.1)).sizes(200) == [20, 200]


def test_fewer_groups_than_folds(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="fewer than 6 groups"):
        _measure(
            tmp_path,
            word_tasks(90),
            CurvePlan(shares=(1.0,), folds=6),
            grouping=Grouping(by="source"),
        )
