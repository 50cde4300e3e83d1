"""Find annotations that cross-validated predictions contradict.

Each annotation is compared with the prediction of a model that was not trained on its task.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from label_studio_ml.errors import (
    BackendError,
    ModelLoadError,
    ModelProcessDied,
    PredictError,
    SettingsError,
)
from label_studio_ml.evaluation.doubtful.disagreement import AnnotationSource, Disagreement, disagreements
from label_studio_ml.evaluation.doubtful.judgement import Doubt, doubts_of
from label_studio_ml.evaluation.doubtful.predicted_regions import PredictedRegions
from label_studio_ml.evaluation.evaluate import batches
from label_studio_ml.evaluation.metrics.region_kinds import CHOICES
from label_studio_ml.evaluation.trials.parts import ControlLabel
from label_studio_ml.evaluation.trials.task_pool import TaskPool, known_id, labels_in
from label_studio_ml.evaluation.trials.trials import TrialFailed, Trials
from label_studio_ml.model_calls.adapter import reason
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Project

#: The fewest tasks of a fold.
MIN_TEST = 4
#: Reason in a report why relations are left out.
_RELATIONS = "relations between regions are not compared"


class DoubtfulLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Result of looking for doubtful annotations, the most surely contradicted first.

    `annotations` were compared; predictions contradict `contradicted` of them, `likely` of these surely enough to be
    taken for errors. `seconds` are the times of the trainings. `failed` tasks have no prediction, `failures` are the
    causes. `rare` has labels that are in no task of a training, with the number of annotations that are not judged for
    it. `not_compared` maps controls to the reason why they are left out. `notes` are remarks about folds that were not
    compared. `tab` is the address of the tab in Label Studio, empty for none.
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
    notes: list[str] = []
    tab: str = ""
    version: str = ""

    def to_json(self) -> bytes:
        """Return the result as an indented JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


@dataclass
class _Compared:
    """What was compared so far, `comparisons` in all, of which `disagreements` has those that are needed.

    `scored` are the controls for which a prediction has a score above 0, `open_controls` those whose labels come with
    each task, so that a model may predict labels that it has not learned.
    """

    regions: PredictedRegions
    open_controls: frozenset[str]
    comparisons: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)
    scored: set[str] = field(default_factory=set)
    annotations: int = 0
    tasks: int = 0
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    causes: dict[str, None] = field(default_factory=dict)
    rare: Counter[str] = field(default_factory=Counter)
    not_compared: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


#: Called before each training with the numbers of trainings that are done and in all, and the seconds of the last.
Report = Callable[[int, int, float], None]


def require_tasks(count: int, fold_count: int) -> None:
    """Raise SettingsError, with the number that is needed, if `count` labelled tasks are too few."""
    needed = fold_count * MIN_TEST
    if count < needed:
        labelled = f"There {'is' if count == 1 else 'are'} {plural(count, 'labelled task')}"
        raise SettingsError(
            f"{labelled}; {fold_count} folds need at least {needed}",
            fix="Label more tasks, or give fewer --folds",
            field="--doubtful",
        )


def _require_even_groups(parts: Sequence[Sequence[int]]) -> None:
    """Raise SettingsError if a group is so large that the other folds have too few tasks for a training."""
    count, largest = sum(map(len, parts)), max(map(len, parts))
    needed = (len(parts) - 1) * MIN_TEST
    if count - largest < needed:
        raise SettingsError(
            f"The groups are too uneven: {largest} of {plural(count, 'labelled task')} are in one fold; a training on "
            f"the other {plural(len(parts) - 1, 'fold')} needs at least {needed}",
            fix="Leave out --by, name a field that divides the tasks more evenly, or give fewer --folds",
            field="--by",
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

    KeyboardInterrupt ends the search: what was compared until then counts. A fold whose training or model fails is
    noted, and the others count. Raises SettingsError if there are too few tasks, in all or for a training, or nothing
    that can be compared, PredictError if no task has a prediction, and the error of the last training if all failed or
    the class cannot be trained at all.
    """
    require_tasks(len(pool.entries), fold_count)
    parts = pool.folds(fold_count, seed)
    _require_even_groups(parts)
    controls = parse_label_config(project.label_config)
    compared = _Compared(
        PredictedRegions(pool.path.with_name("predicted.jsonl")),
        frozenset(name for name, control in controls.items() if "dynamic_labels" in control),
    )
    complete = _compare_folds(trials, pool, project, parts, compared, report)
    _require_comparison(compared)
    doubts = doubts_of(compared.disagreements, compared.scored)
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
        rare=dict(compared.rare),
        not_compared=compared.not_compared,
        doubts=doubts[:limit],
        notes=compared.notes,
    )
    return result, compared.regions.of({doubt.task for doubt in result.doubts})


def _compare_folds(
    trials: Trials,
    pool: TaskPool,
    project: Project,
    parts: Sequence[Sequence[int]],
    compared: _Compared,
    report: Report,
) -> bool:
    """Compare fold by fold; return False if KeyboardInterrupt ended that after the first fold."""
    error: BackendError | None = None
    try:
        for number, test in enumerate(parts):
            report(number, len(parts), compared.seconds[-1] if compared.seconds else 0.0)
            before = compared.tasks
            try:
                _compare_fold(trials, pool, test, project, compared)
            except (TrialFailed, ModelProcessDied, ModelLoadError) as failure:
                if isinstance(failure, TrialFailed) and failure.unusable:
                    raise
                error = failure
                left = len(test) - (compared.tasks - before)
                compared.notes.append(
                    f"{plural(left, 'task')} of fold {number + 1} could not be compared: {reason(failure)}"
                )
    except KeyboardInterrupt:
        if not compared.tasks:
            raise
        return False
    if error is not None and not compared.tasks:
        raise error
    return True


def _compare_fold(
    trials: Trials, pool: TaskPool, test: Sequence[int], project: Project, compared: _Compared
) -> None:
    """Train on the tasks that are not in `test`, and compare those that are."""
    held_out = frozenset(test)
    training = [entry for entry in pool.entries if entry.position not in held_out]
    learned: frozenset[ControlLabel] = frozenset().union(*{entry.labels for entry in training})
    with trials.trained(pool, [entry.position for entry in training]) as trial:
        model, places = trial.model, iter(sorted(test))
        for batch in batches(pool.read(test), model.max_batch_size):
            for task, prediction in zip(batch, model.predict(batch), strict=True):
                compared.tasks += 1
                place = next(places)
                if "result" in prediction:
                    _compare_task(place, task, prediction, project, learned, compared)
                    continue
                compared.failed += 1
                compared.causes[str(prediction.get("error", "no result"))] = None
        compared.seconds.append(trial.seconds)


def _compare_task(
    place: int,
    task: Mapping[str, Any],
    prediction: Mapping[str, Any],
    project: Project,
    learned: frozenset[ControlLabel],
    compared: _Compared,
) -> None:
    """Compare each annotation of the task at a place of the pool with its prediction.

    A control with labels that are not in `learned` is not judged: the model cannot predict them.
    """
    task_id, contradicted = known_id(task.get("id")), False
    for number, annotation in enumerate(task.get("annotations") or []):
        compared.annotations += 1
        regions = annotation.get("result") or []
        if any(isinstance(region, Mapping) and region.get("type") == "relation" for region in regions):
            compared.not_compared["(relations)"] = _RELATIONS
        annotator = annotation.get("completed_by")
        if isinstance(annotator, Mapping):  # of an export with "expanded" annotators
            annotator = annotator.get("email") or annotator.get("id")
        source = AnnotationSource((place, number), task_id, known_id(annotation.get("id")), annotator)
        unknown = [entry for entry in labels_in(regions) - learned if entry[0] not in compared.open_controls]
        for comparison in disagreements(
            source, regions, prediction, project.label_config, compared.not_compared
        ):
            compared.comparisons += 1
            labels = sorted(label for control, label in unknown if control == comparison.control)
            if labels and comparison.kind != "rankings":  # whose labels are items of the task
                compared.rare.update(labels)
                continue
            if comparison.score is not None and comparison.score > 0:
                compared.scored.add(comparison.control)
            contradicted = contradicted or comparison.agreement < 1
            compared.disagreements += _needed(comparison)
    if contradicted and task_id is not None:
        compared.regions.add(task_id, list(prediction["result"] or []))


def _needed(comparison: Disagreement) -> list[Disagreement]:
    """Return the comparison with what is needed to judge it and others, in a list; empty if nothing is."""
    if comparison.agreement < 1 or comparison.kind == "numbers":
        return [comparison]
    if comparison.kind != CHOICES.name:
        return []
    given = [label for labels, _ in comparison.pairs for label in labels]
    shares = comparison.probabilities and {label: comparison.probabilities.get(label, 0.0) for label in given}
    return [replace(comparison, given={}, predicted={}, probabilities=shares)]


def _require_comparison(compared: _Compared) -> None:
    if compared.tasks and compared.failed == compared.tasks:
        cause = next(iter(compared.causes))
        raise PredictError(f"The models predicted none of {plural(compared.tasks, 'task')}: {cause}")
    if not compared.comparisons:
        causes = [f"{control}: {cause}" for control, cause in compared.not_compared.items()]
        raise SettingsError(
            "Nothing in the annotations can be compared with predictions"
            + (f" ({'; '.join(causes)})" if causes else ""),
            fix="docs/evaluation.md has the kinds of controls that can be",
            field="--doubtful",
        )
