"""Run an evaluation: choose tasks, predict them, compute metrics, save the report."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from label_studio_ml.errors import PredictError, SettingsError
from label_studio_ml.evaluation.confusion_matrix import draw
from label_studio_ml.evaluation.evaluated_model import ModelUnderTest
from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.results import Evaluation, Selection
from label_studio_ml.evaluation.task_selection import Choice, new_selection, no_task_error, select
from label_studio_ml.evaluation.worst_tasks import WorstTasks
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.support.arguments import wrong
from label_studio_ml.support.texts import plural
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.state.project_state import Project

T = TypeVar("T")

#: Maximum number of different causes of failed predictions in a report.
_MAX_CAUSES = 5

REPORT = "evaluation.json"


def tasks_in(file: Path | str, *, project: str = "") -> LabelledTasks:
    """Return the labelled tasks of a JSON export of Label Studio, or of a snapshot (`.jsonl.gz`).

    Raises SettingsError for another file, VersionError when a snapshot is damaged.
    """
    return LabelledTasks.from_file(file, project=project)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a model is measured on: `tasks`, the `choice` among them, and the `project` they are from.

    `trained_ids` are the ids of tasks that the model was trained on, None if that is not known. Raises ValueError for
    a value of the wrong type, which would otherwise be noticed only after all predictions, or never.
    """

    tasks: LabelledTasks
    project: Project
    choice: Choice
    trained_ids: set[int] | None = None

    def __post_init__(self) -> None:
        """Check the types of the values."""
        if not isinstance(self.tasks, LabelledTasks):
            raise wrong("tasks", "LabelledTasks, as tasks_in(file) returns them", self.tasks)
        if not isinstance(self.project, Project):
            raise wrong("project", "a Project with its label config", self.project)
        if not isinstance(self.choice, Choice):
            raise wrong("choice", "a Choice, such as Choice(everything=True)", self.choice)
        if self.trained_ids is not None and not isinstance(self.trained_ids, set | frozenset):
            raise wrong("trained_ids", "a set of task ids, or None if it is not known", self.trained_ids)
        for number in self.trained_ids or ():
            if not isinstance(number, int):
                raise wrong("an element of trained_ids", "a task's id, a whole number", number)


class Observed(msgspec.Struct, frozen=True):
    """Annotations and predictions of the chosen tasks; `failed` tasks have no prediction, `causes` are reasons."""

    observations: Observations
    selection: Selection
    failed: int
    causes: list[str]


def observe(
    model: ModelUnderTest,
    assignment: Assignment,
    *,
    progress: Callable[[int], None],
    worst: WorstTasks | None = None,
) -> Observed:
    """Let a running model predict the chosen tasks; call `progress` with the number of tasks after each batch.

    Each task is added to `worst`.

    Raises SettingsError when no task is chosen, PredictError when no task could be predicted.
    """
    project, choice, trained_ids = assignment.project, assignment.choice, assignment.trained_ids
    observations = Observations(project.label_config)
    selection = new_selection(choice, trained_ids)
    failed, causes = 0, dict[str, None]()
    for batch in batches(
        select(assignment.tasks, choice, trained_ids, project.uid, selection), model.max_batch_size
    ):
        entries = model.predict([task for task, _ in batch])
        for (task, truth), entry in zip(batch, entries, strict=True):
            if "result" not in entry:
                failed += 1
                if len(causes) < _MAX_CAUSES:
                    causes[str(entry.get("error", "no result"))] = None
            score = entry.get("score")
            confidence = float(score) if isinstance(score, int | float) else 1.0
            annotated = truth.get("result") or []
            compared = observations.add(annotated, entry.get("result") or [], confidence)
            if worst is not None:
                worst.add(task.get("id"), compared, annotated, entry)
        progress(len(batch))
    if not selection.used:
        raise no_task_error(selection, model.version)
    if failed == selection.used:
        raise PredictError(f"The model predicted none of {plural(failed, 'task')}: {next(iter(causes))}")
    return Observed(observations, selection, failed, list(causes))


def evaluate(model: ModelUnderTest, assignment: Assignment, *, progress: Callable[[int], None]) -> Evaluation:
    """Let a running model predict the chosen tasks and compute the metrics. See `observe` for parameters and errors."""
    worst = WorstTasks()
    observed = observe(model, assignment, progress=progress, worst=worst)
    return Evaluation(
        project=assignment.project.project_id,
        version=model.version,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=assignment.tasks.source,
        tasks=observed.selection,
        failed=observed.failed,
        failures=observed.causes,
        controls=observed.observations.measure(),
        not_measured=observed.observations.not_measured(),
        worst_tasks=worst.worst_first(),
    )


def save(evaluation: Evaluation, folder: Path | str) -> Evaluation:
    """Write the report and the confusion matrices; return the evaluation with the pictures' file names.

    Raises SettingsError when the folder cannot be written to.
    """
    folder, controls = Path(folder), {}
    try:
        make_folder(folder)
        for name, measured in evaluation.controls.items():
            controls[name] = measured
            if measured.confusion is not None:
                picture = f"confusion-{quote(name, safe=' ')}.png"
                draw(measured.confusion, f"{name}, version {evaluation.version}", folder / picture)
                controls[name] = msgspec.structs.replace(measured, picture=picture)
        evaluation = msgspec.structs.replace(evaluation, controls=controls)
        (folder / REPORT).write_bytes(evaluation.to_json() + b"\n")
    except OSError as error:
        raise SettingsError(
            f"The evaluation cannot be written to {folder}: {error}",
            fix="Name another folder with --output",
            field="--output",
        ) from error
    return evaluation


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of `size`, the last of which may be shorter."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
