"""The labelled tasks of a cross-validation: a file of them, and the facts by which they are divided into parts."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.metrics.regions import labels_of
from label_studio_ml.evaluation.trials.parts import ControlLabel, PoolTask, folds
from label_studio_ml.support.texts import plural
from label_studio_ml.targets.annotation_choice import truth_of
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.snapshots import TasksFile

#: Labels of a task beyond this number do not count for its stratum.
_MAX_LABELS = 20


@dataclass(frozen=True, slots=True)
class Grouping:
    """How tasks are grouped: by the field `by` of their data, if it is given. `ground_truth` leaves out other tasks."""

    by: str = ""
    ground_truth: bool = False


class TaskPool:
    """Labelled tasks in a file of `folder`, which is written once from `tasks`; only a few facts of each are in memory.

    `entries` are the tasks with their strata and groups, in the order of the file. `has_ids` tells whether each of
    their annotations has an id. Raises SettingsError if no task has the field that `grouping.by` names, and the errors
    of reading and writing tasks.
    """

    def __init__(self, tasks: LabelledTasks, folder: Path, grouping: Grouping) -> None:
        self._file = TasksFile(folder / "tasks.jsonl.gz")
        self.source = tasks.source
        self.entries: list[PoolTask] = []
        self.has_ids = True
        grouped = 0
        label_sets: dict[frozenset[ControlLabel], frozenset[ControlLabel]] = {}
        for task in self._file.record(self._chosen(tasks, grouping)):
            value = (task.get("data") or {}).get(grouping.by) if grouping.by else None
            grouped += value is not None
            position = len(self.entries)
            group = f"task {position}" if value is None else f"group {value}"
            task_labels = frozenset().union(
                *(labels_in(annotation.get("result")) for annotation in task["annotations"])
            )
            # Tasks with equal labels share one set.
            labels = label_sets.setdefault(task_labels, task_labels)
            self.entries.append(PoolTask(position, _stratum(task), group, labels))
            self.has_ids &= all(
                known_id(annotation.get("id")) is not None for annotation in task["annotations"]
            )
        if grouping.by and self.entries and not grouped:
            raise SettingsError(
                f"None of {plural(len(self.entries), 'labelled task')} has the field {grouping.by!r} in its data",
                fix="Name one with --by that the tasks have, or leave it out",
                field="--by",
            )

    @property
    def path(self) -> Path:
        """The file, a snapshot of tasks."""
        return self._file.path

    def read(self, positions: Collection[int]) -> Iterator[dict[str, Any]]:
        """Yield the tasks at these positions of the file, in its order."""
        chosen = frozenset(positions)
        return (task for position, task in enumerate(self._file) if position in chosen)

    def folds(self, count: int, seed: int) -> list[list[int]]:
        """Return the positions of the tasks in `count` folds.

        Raises SettingsError if there are fewer groups than folds.
        """
        parts = folds(self.entries, count, seed)
        if not all(parts):
            raise SettingsError(
                f"The tasks are in fewer than {plural(count, 'group')}, so that a fold would have none",
                fix="Give fewer --folds, or leave out --by",
                field="--by",
            )
        return parts

    @staticmethod
    def _chosen(tasks: LabelledTasks, grouping: Grouping) -> Iterator[dict[str, Any]]:
        for task in tasks:
            if truth_of(task, only=grouping.ground_truth) is not None:
                yield task


def known_id(value: object) -> int | None:
    """Return the id of a task or annotation, None if the value is none of Label Studio's."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def labels_in(regions: object) -> frozenset[ControlLabel]:
    """Return the labels of an annotation's regions with their controls."""
    return frozenset(
        (str(region.get("from_name")), label)
        for region in (regions if isinstance(regions, list) else [])
        if isinstance(region, dict)
        for label in labels_of(region)
    )


def _stratum(task: dict[str, Any]) -> str:
    """Return a text of the labels of a task's true annotation; tasks with equal texts are spread over the parts."""
    labels = sorted(labels_in((truth_of(task) or {}).get("result")))
    return "\n".join(f"{control}: {label}" for control, label in labels[:_MAX_LABELS])
