"""Choose the tasks that a version is measured on, and the annotation of each task that counts as the truth."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.errors import SettingsError, VersionError
from label_studio_ml.evaluation.metrics.results import Selection
from label_studio_ml.storage.small_files import DamagedFile, read_json
from label_studio_ml.support.texts import plural
from label_studio_ml.targets.annotation_choice import truth_of
from label_studio_ml.training.dataset import HELD_OUT, LabelledTasks
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.training.split import Split

Task = dict[str, Any]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The user's selection of tasks: a share `test`, or `everything`; by default the tasks not trained on.

    With `ground_truth`, only ground truths count as annotations.
    """

    test: float | None = None
    everything: bool = False
    ground_truth: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError if `test` is not a share between 0 and 1, or is given together with `everything`."""
        if self.test is not None:
            Split(self.test, 0, None, "")
            if self.everything:
                raise ValueError("test and everything do not go together: leave one of them out")


def trained_on(folder: Path) -> set[int] | None:
    """Return the ids of the tasks that the version in `folder` was trained on, None if that is not known.

    Tasks that its `fit` held out with `annotations.split` are not included. Raises VersionError if a file is
    damaged.
    """
    snapshot = folder / SNAPSHOT
    if not snapshot.exists():
        return None
    ids = {task["id"] for task in LabelledTasks.from_snapshot(snapshot)}
    return ids - (held_out(folder) or set())


class _HeldOut(msgspec.Struct):
    held_out: list[int]


def held_out(folder: Path) -> set[int] | None:
    """Return the ids of the tasks that the fit of the version in `folder` held out, None if it recorded none.

    Raises VersionError if the record is damaged.
    """
    record = folder / HELD_OUT
    try:
        content = read_json(record, _HeldOut)
    except DamagedFile as error:
        raise VersionError(f"{record} cannot be used: {error}", field=str(record)) from None
    return None if content is None else set(content.held_out)


def select(
    tasks: Iterable[Task], choice: Choice, trained_ids: set[int] | None, project: str, selection: Selection
) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Yield the chosen tasks, each with its true annotation, and update the counts in `selection`."""
    rule = Split(choice.test, 0, None, project) if choice.test is not None else None
    for task in tasks:
        truth = truth_of(task, only=choice.ground_truth)
        if truth is None:
            continue
        selection.annotated += 1
        was_trained_on = trained_ids is not None and task.get("id") in trained_ids
        is_chosen = rule.in_test(task) if rule else choice.everything or not was_trained_on
        if is_chosen:
            selection.used += 1
            if selection.seen is not None:
                selection.seen += was_trained_on
            yield task, truth


def expected(annotated: int | None, choice: Choice, trained_ids: set[int] | None) -> int | None:
    """Return about how many of `annotated` tasks `select` will yield, None if that is not known."""
    if annotated is None or choice.ground_truth:
        return None
    if choice.test is not None:
        return round(annotated * choice.test)
    return annotated if choice.everything else max(annotated - len(trained_ids or ()), 0)


def new_selection(choice: Choice, trained_ids: set[int] | None) -> Selection:
    """Return a Selection with all counts at 0."""
    how = "test split" if choice.test is not None else "held out"
    if choice.everything or (how == "held out" and not trained_ids):
        how = "all"
    return Selection(how=how, seen=None if trained_ids is None else 0, ground_truth_only=choice.ground_truth)


def no_task_error(selection: Selection, version: str) -> SettingsError:
    """Return the error that says why no task was chosen."""
    if not selection.annotated:
        article = "a ground truth" if selection.ground_truth_only else "an"
        return SettingsError(f"No task has {article} annotation", fix="Annotate some in Label Studio")
    if selection.how == "held out":
        return SettingsError(
            f"Version {version} was trained on all {plural(selection.annotated, 'annotated task')}",
            fix="Measure on them all the same with --all, or hold some out in fit: annotations.split(test=0.2)",
            field="--all",
        )
    return SettingsError(
        f"None of {plural(selection.annotated, 'annotated task')} is in the test half",
        fix="Use --all",
        field="--test",
    )
