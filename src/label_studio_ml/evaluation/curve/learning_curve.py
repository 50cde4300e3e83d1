"""Measure a learning curve: train on growing parts of the labelled tasks, and measure on tasks that were held out."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

import msgspec

from label_studio_ml.errors import (
    BackendError,
    ModelLoadError,
    ModelProcessDied,
    PredictError,
    SettingsError,
)
from label_studio_ml.evaluation.curve.forecast import Forecast, forecast
from label_studio_ml.evaluation.curve.main_metrics import curve_metrics, lower_is_better
from label_studio_ml.evaluation.evaluate import Assignment, observe
from label_studio_ml.evaluation.metrics.results import Measured
from label_studio_ml.evaluation.task_selection import Choice
from label_studio_ml.evaluation.trials.parts import growing_order
from label_studio_ml.evaluation.trials.task_pool import TaskPool
from label_studio_ml.evaluation.trials.trials import TrialFailed, Trials
from label_studio_ml.model_calls.adapter import reason
from label_studio_ml.support.texts import plural
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.state.project_state import Project

#: The fewest tasks of the smallest training and of a fold's test half.
MIN_TRAINING, MIN_TEST = 10, 5
#: Number of sizes unless shares are given; the largest is at least `_MIN_SPREAD` and at most `_SPREAD` times the least.
_SIZES, _MIN_SPREAD, _SPREAD = 5, 4, 16


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One training on `tasks` tasks, measured on `test` others in a fold.

    `seconds` is the time of the training. `error` is the cause if it failed; then there are no `controls`.
    """

    fold: int
    tasks: int
    test: int
    seconds: float = 0.0
    controls: dict[str, Measured] = {}
    error: str = ""


class LearningCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Result of measuring a learning curve.

    `tasks` is the number of labelled tasks, `labels` that of the next labels of the forecasts. `complete` is False if
    the measurement was interrupted. `notes` are remarks about what makes the figures doubtful.
    """

    project: str
    created: str
    source: str
    tasks: int
    folds: int
    seed: int
    labels: int
    complete: bool
    forecasts: list[Forecast]
    measurements: list[Measurement]
    notes: list[str] = []

    def to_json(self) -> bytes:
        """Return the curve as an indented JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


@dataclass(frozen=True, slots=True)
class CurvePlan:
    """How a curve is measured: `shares` of the training half of each fold (empty for the default), number of folds.

    `labels` is how many further labels the forecast is for, `metric` the metric to show, empty for the main one.
    """

    shares: Sequence[float] = ()
    folds: int = 5
    seed: int = 0
    labels: int = 100
    metric: str = ""

    def sizes(self, training: int) -> list[int]:
        """Return the numbers of tasks to train on, of `training` ones, ascending."""
        if self.shares:
            return sorted({max(round(share * training), 1) for share in self.shares})
        least = max(MIN_TRAINING, training // _SPREAD)
        step = (training / least) ** (1 / (_SIZES - 1))
        return sorted({round(least * step**number) for number in range(_SIZES)})

    def is_enough(self, training: int, test: int) -> bool:
        """Tell whether a fold with halves of these numbers of tasks has the fewest that a measurement needs."""
        smallest = self.sizes(training)[0] if self.shares else training / _MIN_SPREAD
        return smallest >= MIN_TRAINING and test >= MIN_TEST


def require_tasks(plan: CurvePlan, count: int) -> None:
    """Raise SettingsError, with the number that is needed, if `count` labelled tasks are too few for the plan."""
    share = min(plan.shares, default=1 / _MIN_SPREAD)
    in_training = MIN_TRAINING / (share * (1 - 1 / plan.folds))
    needed = max(math.ceil(in_training - 1e-6), plan.folds * MIN_TEST)
    while not plan.is_enough(needed - math.ceil(needed / plan.folds), needed // plan.folds):
        needed += 1  # the folds are not of equal size
    if count < needed:
        labelled = f"There {'is' if count == 1 else 'are'} {plural(count, 'labelled task')}"
        raise SettingsError(
            f"{labelled}; this learning curve needs at least {needed}: "
            f"{MIN_TRAINING} for the smallest training, {MIN_TEST} for the test half of each of {plan.folds} folds",
            fix="Label more tasks, or give fewer --folds or larger --shares",
            field="--curve",
        )


def _require_even_groups(plan: CurvePlan, parts: Sequence[Sequence[int]]) -> None:
    """Raise SettingsError if large groups leave too few tasks for the trainings or the test half of a fold."""
    smallest, largest = min(map(len, parts)), max(map(len, parts))
    count = sum(map(len, parts))
    if not plan.is_enough(count - largest, smallest):
        raise SettingsError(
            f"The groups are too uneven: of {plural(count, 'labelled task')}, the largest fold has {largest} and the "
            f"smallest {smallest}, but this learning curve needs {MIN_TRAINING} for the smallest training and "
            f"{MIN_TEST} for the test half of each fold",
            fix="Leave out --by, name a field that divides the tasks more evenly, or give fewer --folds",
            field="--by",
        )


#: Called before each training with the numbers of trainings that are done and in all, and the seconds of the last.
Report = Callable[[int, int, float], None]


def measure_curve(
    trials: Trials, pool: TaskPool, project: Project, plan: CurvePlan, report: Report
) -> LearningCurve:
    """Train and measure fold by fold, each with every size; return the curve.

    KeyboardInterrupt ends the measurement: what is measured so far is returned, with `complete` False. Raises
    SettingsError if there are too few tasks, in all or in a fold, or no control has the metric, TrialFailed if no
    training succeeds, and the error of the first training if the class cannot be trained at all.
    """
    require_tasks(plan, len(pool.entries))
    parts = pool.folds(plan.folds, plan.seed)
    _require_even_groups(plan, parts)
    measurements: list[Measurement] = []
    complete = True
    try:
        _measure_folds(trials, pool, project, plan, parts, measurements, report)
    except KeyboardInterrupt:
        complete = False
    if not any(measurement.controls for measurement in measurements):
        if not complete:
            raise KeyboardInterrupt
        raise _no_result(measurements)
    forecasts = _forecasts(measurements, plan, len(pool.entries))
    return LearningCurve(
        project=project.project_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=pool.source,
        tasks=len(pool.entries),
        folds=plan.folds,
        seed=plan.seed,
        labels=plan.labels,
        complete=complete,
        forecasts=forecasts,
        measurements=measurements,
        notes=_notes(measurements, forecasts),
    )


def _measure_folds(
    trials: Trials,
    pool: TaskPool,
    project: Project,
    plan: CurvePlan,
    parts: list[list[int]],
    measurements: list[Measurement],
    report: Report,
) -> None:
    """Append the measurement of each fold and size to `measurements`."""
    smallest = min(len(pool.entries) - len(part) for part in parts)
    sizes = plan.sizes(smallest)
    total, seconds = len(parts) * len(sizes), 0.0
    for number, test in enumerate(parts):
        held_out = frozenset(test)
        order = growing_order(
            [entry for entry in pool.entries if entry.position not in held_out], plan.seed + number
        )
        for size in sizes:
            report(len(measurements), total, seconds)
            started = time.monotonic()
            measurement = _measure(trials, pool, project, number, order[:size], test)
            seconds = time.monotonic() - started
            measurements.append(measurement)
            curve_metrics(
                measurement.controls, plan.metric
            )  # refuses a wrong --metric after the first training
    report(total, total, seconds)


def _measure(
    trials: Trials, pool: TaskPool, project: Project, fold: int, training: list[int], test: list[int]
) -> Measurement:
    """Train on the tasks at the positions `training`, measure at `test`. Raises TrialFailed for an unusable class."""
    failed = Measurement(fold=fold, tasks=len(training), test=len(test))
    try:
        with trials.trained(pool, training) as trial:
            tasks = LabelledTasks(lambda: pool.read(test), pool.source, len(test), project=project.uid)
            assignment = Assignment(tasks, project, Choice(everything=True))
            observed = observe(trial.model, assignment, progress=lambda count: None)
            return msgspec.structs.replace(
                failed, seconds=trial.seconds, controls=observed.observations.measure()
            )
    except TrialFailed as error:
        if error.unusable:
            raise
        return msgspec.structs.replace(failed, error=reason(error))
    except (PredictError, SettingsError, ModelProcessDied, ModelLoadError) as error:
        return msgspec.structs.replace(failed, error=reason(error))


def _no_result(measurements: Sequence[Measurement]) -> BackendError:
    causes = [measurement.error for measurement in measurements if measurement.error]
    if not causes:
        return PredictError(
            "Neither annotations nor predictions have a control that is measured",
            fix="See: label-studio-ml evaluate",
        )
    return TrialFailed(f"None of {plural(len(measurements), 'training')} could be measured: {causes[-1]}")


def _forecasts(measurements: Sequence[Measurement], plan: CurvePlan, labelled: int) -> list[Forecast]:
    values: dict[tuple[str, str], dict[int, dict[int, float]]] = {}
    for measurement in measurements:
        for control, metric in curve_metrics(measurement.controls, plan.metric).items():
            value = measurement.controls[control].metrics.get(metric)
            if value is not None:
                by_size = values.setdefault((control, metric), {})
                by_size.setdefault(measurement.tasks, {})[measurement.fold] = value
    return [
        forecast(
            control,
            metric,
            lower_is_better=lower_is_better(metric),
            values=by_size,
            labelled=labelled,
            labels=plan.labels,
        )
        for (control, metric), by_size in values.items()
    ]


def _notes(measurements: Sequence[Measurement], forecasts: Sequence[Forecast]) -> list[str]:
    notes = []
    if not forecasts:
        notes.append("No metric of a curve has a value in any training, so that there is nothing to draw")
    failed = [measurement for measurement in measurements if measurement.error]
    if failed:
        sizes = ", ".join(map(str, sorted({measurement.tasks for measurement in failed})))
        notes.append(
            f"{plural(len(failed), 'training')} could not be measured (on {sizes} tasks): {failed[0].error}"
        )
    if _are_all_equal(measurements):
        notes.append(
            "Within each fold, every number of tasks gives the same metrics: fit may learn nothing from the tasks that "
            "it is given"
        )
    return notes


def _are_all_equal(measurements: Sequence[Measurement]) -> bool:
    """Tell whether the metrics of each fold are the same for all of its sizes, of which there are several."""
    by_fold: dict[int, list[dict[str, Measured]]] = {}
    for measurement in measurements:
        if measurement.controls:
            by_fold.setdefault(measurement.fold, []).append(measurement.controls)
    repeated = [controls for controls in by_fold.values() if len(controls) > 1]
    return bool(repeated) and all(other == controls[0] for controls in repeated for other in controls)


def mean_seconds(curve: LearningCurve, tasks: int) -> float | None:
    """Return the mean time of the trainings on `tasks` tasks in seconds, None if none of them succeeded."""
    seconds = [
        measurement.seconds
        for measurement in curve.measurements
        if measurement.tasks == tasks and not measurement.error
    ]
    return fmean(seconds) if seconds else None
