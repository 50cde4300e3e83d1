"""`self.inputs(control, tasks)` of a model: what a control's object shows of tasks, with their files fetched."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import FileFetchError, ModelError
from label_studio_ml.inputs.content import content_of, items_of
from label_studio_ml.inputs.media_size import picture_size_of_file
from label_studio_ml.model_api.api_generation import file_getter
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.regions.region import require_control
from label_studio_ml.regions.text_spans.labelled_text import LabelledText
from label_studio_ml.studio.files.parallel import error_of_task
from label_studio_ml.support import arguments


@dataclass(frozen=True, kw_only=True)
class Input:
    """One value that a model predicts for; `value`, `path`, `text`, `size` and `item` are those of an `Example`.

    `value` is what the control's object shows of the task: a text, a URL. `path` is the local copy of its file, None if
    it has no file. `text` is the text that a `<Text>`, `<HyperText>` or `<Paragraphs>` shows, `content` the same with
    methods that make spans (see `regions.labelled_text`); both are None for other objects. `item` is the index of the
    value in an object with several, such as `<Image valueList="$pages"/>`. Of a `<Pairwise>`, `values` and `paths` have
    both sides, and the other fields the left one.
    """

    task: Mapping[str, Any] = field(repr=False)
    value: Any
    path: str | None = None
    content: LabelledText | None = field(default=None, repr=False)
    item: int = 0
    values: tuple[Any, ...] = field(default=(), repr=False)
    paths: tuple[str | None, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str | None:
        """The text that the control labels; None for objects that show none."""
        return None if self.content is None else self.content.text

    @cached_property
    def size(self) -> PictureSize | None:
        """Width and height of the picture in pixels, as Label Studio shows it; None for other files."""
        return picture_size_of_file(self.path)


def inputs(
    self: Any, control: Control, tasks: Sequence[Mapping[str, Any]], *, files: bool = True, workers: int = 8
) -> list[Input]:
    """Return what `control` labels in each task, in the order of `tasks`; several for a task with several pictures.

    It is what `annotations.targets(control)` has for training. `self` is the model. Files are fetched with its
    `get_local_path`, `workers` at a time, unless `files` is False. Raises FileFetchError if a file cannot be fetched,
    ModelError if a task lacks the field or its text cannot be read, and ValueError if `control` is none.
    """
    require_control(control)
    checked = arguments.tasks("tasks", tasks)

    def of_task(task: Mapping[str, Any]) -> list[Input]:
        return list(_of_task(control, task, file_getter(self.get_local_path, task.get("id")), files))

    with ThreadPoolExecutor(arguments.count("workers", workers), "inputs") as pool:
        return [each for several in pool.map(of_task, checked) for each in several]


def _of_task(
    control: Control, task: Mapping[str, Any], fetch: Callable[[str], str], files: bool
) -> Iterator[Input]:
    try:
        for item in items_of(control, task):
            paths = tuple(fetch(url) if url is not None and files else None for url in item.urls)
            content = content_of(control, task, item, paths, None)
            yield Input(
                task=task,
                value=item.values[0],
                path=content.path,
                content=content.text,
                item=item.number,
                values=item.values,
                paths=paths,
            )
    except KeyError as error:
        raise ModelError(f"Task {task.get('id')}: {error.args[0]}", field=control.field) from error
    except FileFetchError as error:
        raise error_of_task(error, task.get("id")) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Task {task.get('id')}: its text cannot be read: {error}", field=control.field
        ) from error
