"""The labelled tasks that `fit` gets as `annotations`: read lazily, recorded in a snapshot, and split."""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import Unknown
from label_studio_ml.errors import BackendError, FitError, SettingsError
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.studio.files.parallel import WORKERS
from label_studio_ml.studio.login import configured_files
from label_studio_ml.support import arguments
from label_studio_ml.support.lone_surrogates import replaced
from label_studio_ml.targets.annotation_choice import AnnotationChoice
from label_studio_ml.targets.exports.task_exports import TaskExports
from label_studio_ml.targets.target_collection import TargetOptions, Targets
from label_studio_ml.training.snapshots import SNAPSHOT, TasksFile
from label_studio_ml.training.split import By, Split
from label_studio_ml.versions.operations import find
from label_studio_ml.versions.store.local_store import VersionStore

logger = logging.getLogger(__name__)

#: The file in a version's folder that lists the tasks that a split held out of the training.
HELD_OUT = "annotations.split.json"


class LabelledTasks(TaskExports):
    """A project's labelled tasks, in order of task id. They can be iterated repeatedly and are not kept in memory.

    Each item is a task as in Label Studio's JSON export: `id`, `data`, `annotations` (without skipped ones, each with
    `result` and `ground_truth`). The task's own `ground_truth` tells whether one of its annotations is a ground truth.
    `source` describes where the tasks are read from. `expected` is an estimate of their number, None if unknown.

    With `snapshot`, the first complete iteration writes that file, and later ones read it, so that all of them see the
    same tasks. `len()` iterates if necessary, and so writes the file too. Iterating raises StudioError when Label
    Studio cannot be reached, and VersionError when the snapshot cannot be written or read.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[dict[str, Any]]],
        source: str,
        expected: int | None = None,
        *,
        project: str = "",
        snapshot: Path | None = None,
    ) -> None:
        self._read = read
        self._file = TasksFile(snapshot) if snapshot else None
        self._project = project
        self._count: int | None = None
        self._iteration_started = False
        self._depth = 0
        self._root: LabelledTasks = self
        self._test_halves: list[tuple[Split, LabelledTasks]] = []
        self._files: FileAccess | None = None
        self._workdir: Path | None = None
        self.source = source
        self.expected = expected

    @classmethod
    def from_snapshot(cls, path: Path, *, project: str = "", source: str = "") -> "LabelledTasks":
        """Return the tasks that an earlier training wrote to `path`. `project` is the project's uid, for `split`.

        Raises VersionError when there is no such file.
        """
        file = TasksFile(path)
        if not file.complete:
            next(iter(file))
        return cls(lambda: file, source or f"the snapshot {path}", project=project)

    @classmethod
    def from_tasks(cls, tasks: Iterable[dict[str, Any]], *, project: str = "") -> "LabelledTasks":
        """Return the labelled ones of `tasks`, dicts as in Label Studio's JSON export, in their order.

        `tasks` must be iterable repeatedly, as a list is. Raises ValueError if it is no collection of tasks.
        """
        if isinstance(tasks, str | bytes | dict) or not isinstance(tasks, Iterable) or iter(tasks) is tasks:
            raise arguments.wrong("tasks", "a list of tasks, or what can be iterated repeatedly", tasks)
        return cls(lambda: tasks, "a list of tasks", project=project)

    @classmethod
    def from_file(cls, path: Path | str, *, project: str = "") -> "LabelledTasks":
        """Return the labelled tasks of a JSON export of Label Studio, or of a snapshot (`.jsonl.gz`).

        Those of a JSON export are kept in memory. Raises SettingsError for another file, VersionError when a snapshot
        is damaged.
        """
        path = Path(path)
        if path.name.endswith(Path(SNAPSHOT).suffix):
            return cls.from_snapshot(path, project=project, source=str(path))
        try:
            content = msgspec.json.decode(replaced(path.read_bytes()))
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(f"{path} cannot be read: {error}", field=str(path)) from error
        if not isinstance(content, list) or not all(
            isinstance(task, dict) and "annotations" in task for task in content
        ):
            raise SettingsError(
                f"{path} is not a list of tasks with annotations",
                fix="Export the project from Label Studio as JSON (not JSON-MIN)",
                field=str(path),
            )
        tasks: list[dict[str, Any]] = content
        return cls(lambda: tasks, str(path), len(tasks), project=project)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._file is None:
            tasks = _labelled(self._read())
        elif self._file.complete:
            tasks = iter(self._file)
        else:
            self._iteration_started = True
            tasks = self._file.record(_labelled(self._read()))
        for task in tasks:
            annotations = task["annotations"]
            # Old Label Studio helpers read annotations under the name "completions".
            yield {
                **task,
                "ground_truth": any(annotation["ground_truth"] for annotation in annotations),
                "completions": annotations,
            }

    def __len__(self) -> int:
        if self._count is None:
            if self._file is not None and self._file.complete:
                self._count = self._file.count()
            else:
                self._count = sum(1 for _ in self)
        return self._count

    def __bool__(self) -> bool:
        if self._count is not None:
            return self._count > 0
        tasks = self._file if self._file is not None and self._file.complete else _labelled(self._read())
        return next(iter(tasks), None) is not None

    def use_files(self, files: FileAccess) -> None:
        """Let `targets`, also those of halves, fetch files with `files`.

        Without this, files are fetched with the login and limits that the environment variables set.
        """
        self._root._files = files

    def use_workdir(self, folder: Path) -> None:
        """Let exports such as `to_coco`, also those of halves made later, write to `folder` unless given another."""
        self._workdir = folder

    def targets(
        self,
        control: Control,
        *,
        annotation: AnnotationChoice = "latest",
        empty: bool = True,
        files: bool = True,
        unfetched: Literal["error", "drop"] = "error",
        unknown: Unknown = "error",
        labels_control: Control | None = None,
        size: Any = None,
        workers: int = WORKERS,
    ) -> Targets:
        """Return the tasks as examples of what `control` says: a lazy collection that can be iterated repeatedly.

        The control decides the type of the examples, such as BoxExample for `<RectangleLabels>` (see
        `label_studio_ml.targets`).

        - `annotation`: which annotations of a task count: `"latest"` (the ground truth, else the one changed last),
          `"ground_truth"`, `"all"` (an example for each), or `"consensus"` (the ground truth, else the one that differs
          least from the others).
        - `empty`: whether an annotation that has nothing of this control is an example, too.
        - `files`: whether the files of tasks are fetched, `workers` at a time, before the iteration needs them.
          `unfetched="drop"` leaves out tasks whose file cannot be fetched; else that is an error.
        - `unknown`: `"drop"` leaves out labels that the label config does not have; else they are an error.
        - `labels_control`: the `<Labels>` that names the regions of a control without labels, if there are several.
        - `size`: width and height of pictures or videos for which neither the annotation nor the file says them, as one
          pair or a function of the task.

        What is left out is counted in the collection's `left_out`, and logged. Raises LabelConfigError for a control
        that there are no targets of, and ValueError for a wrong argument.
        """
        options = TargetOptions(
            annotation=annotation,
            empty=empty,
            files=files,
            unfetched=unfetched,
            unknown=unknown,
            labels_control=labels_control,
            size=size,
            workers=workers,
        )
        return Targets(self, control, options, self._file_access, self._workdir)

    def _file_access(self) -> FileAccess:
        return self._root._files or configured_files("", "")

    def split(
        self, test: float = 0.2, *, seed: int | str = 0, by: By | None = None
    ) -> "tuple[LabelledTasks, LabelledTasks]":
        """Return (train, test), two disjoint lazy collections; `test` gets about that share of the tasks.

        A hash of project and task id assigns each task, so a task stays in its half as the set grows, in every run and
        on every machine; another `seed` gives another split. With `by`, the name of a field of `data` or a function of
        the task, all tasks with the same value are in the same half. Raises ValueError when `test` is not between 0 and
        1 or an argument has the wrong type.
        """
        rule = Split(test, seed, by, self._project, self._depth)
        halves = (self._half(rule, in_test=False), self._half(rule, in_test=True))
        self._root._test_halves.append((rule, halves[1]))
        return halves

    def _half(self, rule: Split, *, in_test: bool) -> "LabelledTasks":
        def read() -> Iterator[dict[str, Any]]:
            count = grouped = 0
            for task in self:
                count += 1
                grouped += rule.has_field(task)
                if rule.in_test(task) == in_test:
                    yield task
            if count and not grouped:
                logger.warning(
                    "annotations.split(by=%r) keeps no tasks together: none has %r in its data",
                    rule.by,
                    rule.by,
                )

        half = self._derived(read)
        half._depth += 1
        return half

    def changed(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> "LabelledTasks":
        """Return the tasks with `change` applied to each; a split of them has the halves that these tasks have."""
        return self._derived(lambda: map(change, self), self.expected)

    def _derived(
        self, read: Callable[[], Iterable[dict[str, Any]]], expected: int | None = None
    ) -> "LabelledTasks":
        """Return the tasks that `read` returns, whose test halves count as held out of this training."""
        derived = LabelledTasks(read, self.source, expected, project=self._project)
        derived._depth, derived._root = self._depth, self._root
        derived._workdir = self._workdir
        return derived

    def finish(self) -> int:
        """Complete a snapshot that was begun; return the number of tasks, `expected` or -1 if it is not known.

        Called after `fit` returned. If Label Studio is unreachable by then, the version has no snapshot, and a warning
        is logged.
        """
        try:
            if self._file is not None and self._iteration_started:
                count = len(self)
                if not self._file.complete:
                    count = sum(1 for _ in self)
                self._file.clear_unfinished()
                self._write_held_out(self._file.path.with_name(HELD_OUT))
                return count
            if self._file is None:
                return len(self)
        except (BackendError, OSError) as error:
            logger.warning("This version has no snapshot of its annotations: %s", error)
        return -1 if self.expected is None else self.expected

    def _write_held_out(self, path: Path) -> None:
        """Write the ids of the tasks in all test halves to `path`: an evaluation treats these as not trained on."""
        if not self._test_halves:
            return
        try:
            ids = sorted({task["id"] for _, half in self._test_halves for task in half})
        except Exception as error:  # noqa: BLE001 (the user's own function may raise anything)
            logger.warning("The tasks that were held out cannot be determined: %s", error)
            return
        rule = self._test_halves[0][0]
        by = (
            rule.by
            if rule.by is None or isinstance(rule.by, str)
            else getattr(rule.by, "__name__", "function")
        )
        path.write_bytes(
            msgspec.json.encode(
                {"test": rule.test, "seed": rule.seed, "by": by, "held_out": ids}, enc_hook=str
            )
        )


def _labelled(tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks that have an annotation that was not skipped, without drafts and skipped annotations."""
    for number, task in enumerate(tasks):
        annotations = [
            {**annotation, "ground_truth": bool(annotation.get("ground_truth"))}
            for annotation in _annotations(number, task)
            if not annotation.get("was_cancelled")
        ]
        if annotations:
            omitted = ("drafts", "completions", "ground_truth")
            yield {**{key: task[key] for key in task if key not in omitted}, "annotations": annotations}


def _annotations(number: int, task: Any) -> list[dict[str, Any]]:
    """Return the annotations of the task with this number, from 0. Raises ValueError if it is not what is exported."""
    if not isinstance(task, dict):
        raise arguments.wrong(f"element {number} of the labelled tasks", "a task as in a JSON export", task)
    annotations = task.get("annotations") or []
    if not isinstance(annotations, list | tuple) or not all(isinstance(each, dict) for each in annotations):
        raise ValueError(
            f"Task {task.get('id')}: its annotations must be a list of annotations with 'result', as in a JSON export "
            "of Label Studio; correct the task, or leave it out"
        )
    return list(annotations)


def from_studio(client: StudioClient, project: str, snapshot: Path | None = None) -> LabelledTasks:
    """Return the labelled tasks of the project with this uid, read page by page from Label Studio.

    Raises StudioError if Label Studio is unreachable or refuses.
    """
    return LabelledTasks(
        lambda: client.labelled_tasks(project),
        "Label Studio",
        client.count_labelled(project),
        project=project,
        snapshot=snapshot,
    )


def from_delivered(path: Path, *, project: str = "", snapshot: Path | None = None) -> LabelledTasks:
    """Return the labelled tasks in the file `path`, which webhooks delivered: one JSON object per line."""

    def read() -> Iterator[dict[str, Any]]:
        with path.open("rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line)

    return LabelledTasks(read, "webhook events", project=project, snapshot=snapshot)


def version_snapshot(store: VersionStore, project: str, version: str) -> Path:
    """Return the path of the snapshot of a project's version; `version` is its name or id, or a unique prefix.

    Raises UnknownVersion when there is no such version, FitError when the version has no snapshot.
    """
    store.synchronise(project)
    manifest = find(store, project, version)
    store.fetch(manifest)
    path = store.folder(project, manifest.id) / SNAPSHOT
    if not path.exists():
        raise FitError(
            f"Version {manifest.name} has no snapshot of the annotations it was trained on",
            fix="Only a fit(annotations) that has read the annotations writes one; train without --from-version",
        )
    return path


def from_version(
    store: VersionStore, project: str, version: str, snapshot: Path | None = None
) -> LabelledTasks:
    """Return the labelled tasks that a version was trained on. Raises the errors of `version_snapshot`."""
    file = TasksFile(version_snapshot(store, project, version))
    return LabelledTasks(
        lambda: file, f"the snapshot of version {version}", project=project, snapshot=snapshot
    )
