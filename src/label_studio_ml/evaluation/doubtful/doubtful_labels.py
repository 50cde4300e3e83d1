"""Find annotations that cross-validated predictions contradict.

Each annotation is compared with the prediction of a model that was not trained on its task.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from label_studio_ml.errors import PredictError, SettingsError
from label_studio_ml.evaluation.doubtful.contradictions import (
    LabelledExample,
    contradictions,
    label_probabilities,
)
from label_studio_ml.evaluation.doubtful.disagreement import (
    AnnotationSource,
    Disagreement,
    disagreements,
    number_doubts,
)
from label_studio_ml.evaluation.evaluate import batches
from label_studio_ml.evaluation.evaluated_model import ModelUnderTest
from label_studio_ml.evaluation.metrics.region_kinds import CHOICES
from label_studio_ml.evaluation.trials.task_pool import TaskPool
from label_studio_ml.evaluation.trials.trials import Trials
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Project

#: The fewest tasks of a fold, and the fewest tasks with a label for its annotations to be judged: a model that has
#: never seen a label contradicts it always.
MIN_TEST, MIN_LABEL_TASKS = 4, 2
#: Reason in a report why relations are left out.
_RELATIONS = "relations between regions are not compared"


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation that a prediction contradicts, with the control that it contradicts most.

    `doubt` is from 0 to 1: for a single choice, by how much the predicted label is more probable than the given one;
    for numbers, how far the difference is beyond the usual one; for other kinds, the disagreement times the
    prediction's score. `likely` tells that confident learning takes the label for an error, and is False for other
    kinds. `given` and `predicted` count labels or values. `url` is the annotation's page in Label Studio, if known.
    """

    task: int | None
    annotation: int | None
    annotator: int | str | None
    control: str
    kind: str
    doubt: float
    likely: bool
    given: dict[str, int]
    predicted: dict[str, int]
    url: str = ""


class DoubtfulLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Result of looking for doubtful annotations, the most surely contradicted first.

    `annotations` were compared; predictions contradict `contradicted` of them, `likely` of these surely enough to be
    taken for errors. `seconds` are the times of the trainings. `failed` tasks have no prediction, `failures` are the
    causes. `rare` has labels that are too rare to be judged, with the number of their annotations. `not_compared` maps
    controls to the reason why they are left out. `tab` is the address of the tab in Label Studio, empty for none.
    """

    project: str
    created: str
    source: str
    tasks: int
    annotations: int
    folds: int
    seed: int
    complete: bool
    seconds: list[float]
    contradicted: int
    likely: int
    failed: int
    failures: list[str]
    rare: dict[str, int]
    not_compared: dict[str, str]
    doubts: list[Doubt]
    tab: str = ""
    version: str = ""

    def to_json(self) -> bytes:
        """Return the result as an indented JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


@dataclass
class _Compared:
    """What was compared so far. `results` are predictions by task id, for storing them."""

    disagreements: list[Disagreement] = field(default_factory=list)
    annotations: int = 0
    tasks: int = 0
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    causes: dict[str, None] = field(default_factory=dict)
    not_compared: dict[str, str] = field(default_factory=dict)
    results: dict[int, list[Any]] = field(default_factory=dict)


#: Called before each training with the numbers of trainings that are done and in all, and the seconds of the last.
Report = Callable[[int, int, float], None]


def require_tasks(count: int, fold_count: int) -> None:
    """Raise SettingsError, with the number that is needed, if `count` labelled tasks are too few."""
    needed = fold_count * MIN_TEST
    if count < needed:
        raise SettingsError(
            f"There are {plural(count, 'labelled task')}; {fold_count} folds need at least {needed}",
            fix="Label more tasks, or give fewer --folds",
            field="--doubtful",
        )


def find_doubtful(
    trials: Trials,
    pool: TaskPool,
    project: Project,
    *,
    fold_count: int,
    seed: int,
    limit: int,
    report: Report,
) -> tuple[DoubtfulLabels, dict[int, list[Any]]]:
    """Return the `limit` most doubtful annotations, and the predicted regions of their tasks by task id.

    KeyboardInterrupt ends the search: the folds that are complete count. Raises SettingsError if there are too few
    tasks or nothing that can be compared, PredictError if no task has a prediction, and the errors of a training.
    """
    require_tasks(len(pool.entries), fold_count)
    compared = _Compared()
    complete = _compare_folds(trials, pool, project, pool.folds(fold_count, seed), compared, report)
    _require_comparison(compared)
    doubts, rare = _doubts(compared.disagreements)
    result = DoubtfulLabels(
        project=project.project_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=pool.source,
        tasks=compared.tasks,
        annotations=compared.annotations,
        folds=fold_count,
        seed=seed,
        complete=complete,
        seconds=compared.seconds,
        contradicted=len(doubts),
        likely=sum(doubt.likely for doubt in doubts),
        failed=compared.failed,
        failures=list(compared.causes)[:5],
        rare=rare,
        not_compared=compared.not_compared,
        doubts=doubts[:limit],
    )
    wanted = {doubt.task for doubt in result.doubts}
    return result, {task: regions for task, regions in compared.results.items() if task in wanted}


def _compare_folds(
    trials: Trials,
    pool: TaskPool,
    project: Project,
    parts: Sequence[Sequence[int]],
    compared: _Compared,
    report: Report,
) -> bool:
    """Compare fold by fold; return False if KeyboardInterrupt ended that after the first fold."""
    try:
        for number, test in enumerate(parts):
            report(number, len(parts), compared.seconds[-1] if compared.seconds else 0.0)
            held_out = frozenset(test)
            training = [entry.position for entry in pool.entries if entry.position not in held_out]
            with trials.trained(pool, training) as trial:
                _compare_fold(trial.model, pool, test, project, compared)
                compared.seconds.append(trial.seconds)
    except KeyboardInterrupt:
        if not compared.seconds:
            raise
        return False
    return True


def _compare_fold(
    model: ModelUnderTest, pool: TaskPool, test: Sequence[int], project: Project, compared: _Compared
) -> None:
    for batch in batches(pool.read(test), model.max_batch_size):
        for task, prediction in zip(batch, model.predict(batch), strict=True):
            compared.tasks += 1
            if "result" not in prediction:
                compared.failed += 1
                compared.causes[str(prediction.get("error", "no result"))] = None
                continue
            _compare_task(task, prediction, project, compared)


def _compare_task(
    task: Mapping[str, Any], prediction: Mapping[str, Any], project: Project, compared: _Compared
) -> None:
    """Compare each annotation of a task with its prediction."""
    task_id = _id(task.get("id"))
    if task_id is not None:
        compared.results[task_id] = list(prediction["result"] or [])
    for annotation in task.get("annotations") or []:
        compared.annotations += 1
        regions = annotation.get("result") or []
        if any(isinstance(region, Mapping) and region.get("type") == "relation" for region in regions):
            compared.not_compared["(relations)"] = _RELATIONS
        annotator = annotation.get("completed_by")
        if isinstance(annotator, Mapping):  # of an export with "expanded" annotators
            annotator = annotator.get("email") or annotator.get("id")
        source = AnnotationSource(task_id, _id(annotation.get("id")), annotator)
        compared.disagreements += disagreements(
            source, regions, prediction, project.label_config, compared.not_compared
        )


def _require_comparison(compared: _Compared) -> None:
    if compared.tasks and compared.failed == compared.tasks:
        cause = next(iter(compared.causes))
        raise PredictError(f"The models predicted none of {plural(compared.tasks, 'task')}: {cause}")
    if not compared.disagreements:
        causes = [f"{control}: {cause}" for control, cause in compared.not_compared.items()]
        raise SettingsError(
            "Nothing in the annotations can be compared with predictions"
            + (f" ({'; '.join(causes)})" if causes else ""),
            fix="docs/evaluation.md has the kinds of controls that can be",
            field="--doubtful",
        )


def _doubts(compared: Iterable[Disagreement]) -> tuple[list[Doubt], dict[str, int]]:
    """Return one doubt for each contradicted annotation, the surest first, and the labels too rare to be judged."""
    by_control: dict[tuple[str, str], list[Disagreement]] = {}
    for each in compared:
        by_control.setdefault((each.control, each.kind), []).append(each)
    rare: dict[str, int] = {}
    strongest: dict[tuple[int | None, int | None, int], Doubt] = {}
    number = 0
    for (_, kind), several in by_control.items():
        for each, doubt, likely in _judged(kind, several, rare):
            number += 1
            if doubt <= 0:
                continue
            source = each.source
            # Annotations without an id are told apart by their number.
            key = (source.task, source.annotation, 0 if source.annotation is not None else number)
            entry = Doubt(
                task=source.task,
                annotation=source.annotation,
                annotator=source.annotator,
                control=each.control,
                kind=kind,
                doubt=round(doubt, 6),
                likely=likely,
                given=each.given,
                predicted=each.predicted,
            )
            if key not in strongest or _sureness(entry) < _sureness(strongest[key]):
                strongest[key] = entry
    return sorted(strongest.values(), key=_sureness), rare


def _sureness(doubt: Doubt) -> tuple[bool, float, int, int]:
    """Return a key that sorts the surest contradictions first."""
    return not doubt.likely, -doubt.doubt, doubt.task or 0, doubt.annotation or 0


def _judged(
    kind: str, several: Sequence[Disagreement], rare: dict[str, int]
) -> Iterator[tuple[Disagreement, float, bool]]:
    """Yield each comparison of one control with its doubt, and whether it is a likely error."""
    if kind == CHOICES.name and _are_exclusive(several):
        yield from _judged_choices(several, rare)
        return
    if kind == "numbers":
        pairs = [(each, pair) for each in several for pair in each.pairs]
        for (each, _), doubt in zip(pairs, number_doubts([pair for _, pair in pairs]), strict=True):
            yield each, doubt, False
        return
    for each in several:
        certainty = each.score if each.score is not None and 0 < each.score <= 1 else 1.0
        yield each, (1 - each.agreement) * certainty, False


def _are_exclusive(several: Sequence[Disagreement]) -> bool:
    return all(len(given) <= 1 and len(predicted) <= 1 for each in several for given, predicted in each.pairs)


def _judged_choices(
    several: Sequence[Disagreement], rare: dict[str, int]
) -> Iterator[tuple[Disagreement, float, bool]]:
    tasks_with: dict[str, set[object]] = {}
    for number, each in enumerate(several):
        for given, _ in each.pairs:
            for label in given:
                task = each.source.task
                tasks_with.setdefault(label, set()).add(("task", task) if task is not None else number)
    labels = sorted(tasks_with)
    judged: list[tuple[Disagreement, LabelledExample]] = []
    for each in several:
        for given, predicted in each.pairs:
            if not given or not predicted:
                continue
            if len(tasks_with[given[0]]) < MIN_LABEL_TASKS:
                rare[given[0]] = rare.get(given[0], 0) + 1
                continue
            probabilities = label_probabilities(
                each.probabilities if len(each.pairs) == 1 else None, predicted[0], each.score, labels
            )
            judged.append((each, LabelledExample(given[0], predicted[0], probabilities)))
    found = contradictions([example for _, example in judged])
    for (each, _), contradiction in zip(judged, found, strict=True):
        yield each, contradiction.margin, contradiction.likely


def _id(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
