"""The lazy collection of examples that `annotations.targets` returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import Unknown
from label_studio_ml.errors import FileFetchError
from label_studio_ml.inputs.content import Content, Item, Size, content_of, given_size, items_of
from label_studio_ml.regions.region import require_control
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.studio.files.parallel import WORKERS, FetchedFile, fetch_ahead
from label_studio_ml.support import arguments
from label_studio_ml.targets.agreement import regions_distance, values_distance
from label_studio_ml.targets.annotation_choice import (
    ANNOTATION_CHOICES,
    Annotation,
    AnnotationChoice,
    chosen,
    truth_of,
)
from label_studio_ml.targets.control_use import ControlUse
from label_studio_ml.targets.example_types import Example, PairExample, PictureExample, SpanExample
from label_studio_ml.targets.exports.target_exports import TargetExports
from label_studio_ml.targets.left_out import LeftOut, Reason
from label_studio_ml.targets.region_entries import Entries, LabelCheck, RegionReader
from label_studio_ml.targets.target_kinds import TargetKind, kind_of_control
from label_studio_ml.targets.target_regions import TargetRegion
from label_studio_ml.targets.whole_task_values import WHOLE_TASK

Task = Mapping[str, Any]
#: What an annotation says of one value of a task: regions, or fields of the example of a whole task. None if it says
#: something that cannot be read or is unknown: then there is no example.
Reading = tuple[TargetRegion, ...] | dict[str, Any] | None

_CHOICES = ("error", "drop")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """How `annotations.targets` chooses and reads annotations; the arguments of `LabelledTasks.targets`.

    Raises ValueError for a value that an argument does not have.
    """

    annotation: AnnotationChoice = "latest"
    empty: bool = True
    files: bool = True
    unfetched: Literal["error", "drop"] = "error"
    unknown: Unknown = "error"
    labels_control: Control | None = None
    size: Size = None
    workers: int = WORKERS

    def __post_init__(self) -> None:
        """Check the values."""
        for name, allowed in (
            ("annotation", ANNOTATION_CHOICES),
            ("unfetched", _CHOICES),
            ("unknown", _CHOICES),
        ):
            if getattr(self, name) not in allowed:
                raise arguments.wrong(name, f"one of {', '.join(allowed)}", getattr(self, name))
        arguments.count("workers", self.workers)


class Targets(TargetExports):
    """Labelled tasks as examples of one control. They can be iterated repeatedly and are not kept in memory.

    `example_type` is the type of all examples, such as `BoxExample`. While an iteration goes on, the files of the next
    tasks are fetched. `left_out` has the numbers of what the last iteration has left out, by reason. `workdir` is the
    folder that exports are written to unless they are given another one; None outside of `fit`.

    Iterating raises the errors of iterating over the tasks, FileFetchError for a file that cannot be fetched
    (`unfetched="error"`), LabelConfigError for a label that the control does not have (`unknown="error"`), and
    ValueError if the size of what regions are on is not known.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        control: Control,
        options: TargetOptions,
        files: Callable[[], FileAccess],
        workdir: Path | None = None,
    ) -> None:
        self.control = control
        self.options: TargetOptions = options
        self.workdir = workdir
        require_control(control)
        self._kind = kind_of_control(control)
        if self._kind.example is SpanExample and control.object.is_url and not options.files:
            raise ValueError(f"The texts that {control} labels are in files: leave files=False out")
        self._tasks = tasks
        self._files = files
        self._is_logged = True
        self._left_out = LeftOut(is_logged=False)

    @property
    def example_type(self) -> type[Example]:
        """The type of the examples."""
        return self._kind.example

    @property
    def region_type(self) -> type[TargetRegion] | None:
        """The type of the examples' regions; None if they are values of whole tasks."""
        return self._kind.region

    @property
    def left_out(self) -> dict[str, int]:
        """How many tasks, regions or labels the last iteration has left out, by reason; empty if nothing."""
        return {str(reason): count for reason, count in self._left_out.counts.items()}

    def __iter__(self) -> Iterator[Any]:
        self._left_out = left_out = LeftOut(is_logged=self._is_logged)
        reader = _ExampleReader(self.control, self._kind, self.options, left_out)
        use = ControlUse(self.control)
        for (task, items), fetched in fetch_ahead(
            self._files(), self._read(left_out, use), workers=self.options.workers
        ):
            contents = self._contents(task, items, fetched, left_out)
            if contents:
                yield from reader.examples(task, contents, len(items))
        left_out.finish()
        if self._is_logged:
            use.log()
        self._is_logged = False  # later iterations leave out the same

    def _read(
        self, left_out: LeftOut, use: ControlUse
    ) -> Iterator[tuple[tuple[Task, list[Item]], Any, list[str]]]:
        """Yield each task with its values, its id, and the URLs of its files."""
        for task in self._tasks:
            use.count(task)
            if self.options.annotation == "ground_truth" and truth_of(task, only=True) is None:
                continue  # its files are not needed
            if not self.options.empty and not self._is_annotated(task):
                continue
            try:
                items = items_of(self.control, task)
            except KeyError as error:
                left_out.add(Reason.NO_VALUE, f"Task {task.get('id')}: {error.args[0]}")
                continue
            urls = [url for item in items for url in item.urls if url is not None]
            yield (task, items), task.get("id"), urls if self.options.files else []

    def _is_annotated(self, task: Task) -> bool:
        """Tell whether an annotation that may count has something of the control."""
        options, annotations = self.options, task.get("annotations") or []
        if options.annotation != "consensus":
            annotations = chosen(task, options.annotation, lambda first, second: 0.0)
        return any(Entries(annotation).of(self.control) for annotation in annotations)

    def _contents(
        self, task: Task, items: list[Item], fetched: list[FetchedFile], left_out: LeftOut
    ) -> list[Content]:
        """Return the task's values with their files; without those that cannot be fetched or read.

        Raises FileFetchError if a file cannot be fetched, unless `unfetched="drop"`.
        """
        contents, files = [], iter(fetched)
        size = given_size(self.options.size, task)
        for item in items:
            of_item = [next(files, None) if url is not None else None for url in item.urls]
            failure = next((file.error for file in of_item if file is not None and file.error), None)
            if failure is not None:
                self._fail(failure, left_out)
                continue
            paths = tuple(file.path if file is not None else None for file in of_item)
            try:
                contents.append(content_of(self.control, task, item, paths, size))
            except (ValueError, OSError) as error:
                left_out.add(Reason.NO_VALUE, f"Task {task.get('id')}: {error}")
        return contents

    def _fail(self, error: FileFetchError, left_out: LeftOut) -> None:
        if self.options.unfetched == "error":
            hint = 'pass unfetched="drop" to leave such tasks out, or files=False if you need no files'
            fix = f"{error.fix}; or {hint}" if error.fix else f"{hint[0].upper()}{hint[1:]}"
            raise FileFetchError(error.message, fix=fix, field=error.field) from error
        left_out.add(Reason.NO_FILE, str(error))

    def __repr__(self) -> str:
        return f"Targets({self.control}, {self.example_type.__name__})"


class _ExampleReader:
    """Makes the examples of a task."""

    def __init__(self, control: Control, kind: TargetKind, options: TargetOptions, left_out: LeftOut) -> None:
        self.control = control
        self.kind = kind
        self.options = options
        self.left_out = left_out
        self._regions = RegionReader(control, kind, options.labels_control, options.unknown)
        self._labels = LabelCheck(control, options.unknown)

    def examples(self, task: Task, contents: list[Content], items: int) -> Iterator[Example]:
        """Yield the examples of the annotations that count, for each of the task's values.

        `items` is the number of the values, also of those whose files could not be fetched.
        """
        counted: dict[int, tuple[Entries, list[Reading]]] = {}

        def read(annotation: Annotation) -> tuple[Entries, list[Reading]]:
            if id(annotation) not in counted:
                entries = Entries(annotation)
                counted[id(annotation)] = entries, [self._reading(task, entries, each) for each in contents]
            return counted[id(annotation)]

        def distance(first: Annotation, second: Annotation) -> float:
            pairs = zip(read(first)[1], read(second)[1], strict=True)
            return sum(self._distance(*pair) for pair in pairs)

        for annotation in chosen(task, self.options.annotation, distance):
            entries, readings = read(annotation)
            for message in entries.damage(self.control, items):
                where = f"Task {task.get('id')}, annotation {annotation.get('id')}"
                self.left_out.add(Reason.UNREADABLE, f"{where}: {message}")
            if entries.are_damaged:
                continue  # it may have had regions
            for content, reading in zip(contents, readings, strict=True):
                if reading or (self.options.empty and reading is not None):
                    yield self._example(task, annotation, entries, content, reading)

    def _reading(self, task: Task, entries: Entries, content: Content) -> Reading:
        if self.kind.region is not None:
            return tuple(self._regions.targets(task, entries, content, self.left_out))
        item = content.item.number if self.control.object.is_list else None
        regions = entries.of(self.control, item)
        if not regions:
            return {}
        try:
            fields = WHOLE_TASK[self.control.kind.geometry](regions)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            message = f"Task {task.get('id')}, control {self.control.name!r}: {error}"
            self.left_out.add(Reason.UNREADABLE, message)
            return None
        if all(value == () for value in fields.values()):
            return {}  # such as the entry of choices of which none is left
        if not self.control.kind.labels_field:
            return fields
        known = {name: self._labels.known(labels, task, self.left_out) for name, labels in fields.items()}
        return known if any(known.values()) else None

    def _distance(self, first: Any, second: Any) -> float:
        """Return the distance of two readings of the same value."""
        if self.kind.region is not None:
            return regions_distance(tuple(first or ()), tuple(second or ()))
        return values_distance(self.control.kind.geometry, dict(first or {}), dict(second or {}))

    def _example(
        self, task: Task, annotation: Annotation, entries: Entries, content: Content, reading: Reading
    ) -> Example:
        fields: dict[str, Any] = {
            "task": task,
            "annotation": annotation,
            "value": content.item.values[0],
            "path": content.path,
            "text": content.text.text if content.text is not None else None,
            "item": content.item.number,
        }
        if isinstance(reading, dict):
            fields |= reading
        elif reading is not None:
            fields |= {"regions": reading, "relations": entries.relations()}
            if issubclass(self.kind.example, PictureExample):
                fields["annotated_size"] = content.known_size(target.region for target in reading)
        if issubclass(self.kind.example, PairExample):
            fields |= {"values": content.item.values, "paths": content.paths}
        return self.kind.example(**fields)
