"""What a control's object shows of a task: the values that are examples of their own, and the files that they need."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.object_tag import ObjectTag
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import PictureSize, size_of, size_of_region
from label_studio_ml.regions.texts.labelled_text import LabelledText, labelled_text
from label_studio_ml.targets.picture_files import size_of_file
from label_studio_ml.targets.target_regions import TargetRegion
from label_studio_ml.targets.whole_task_values import WHOLE_TASK

#: Objects whose values are URLs of files.
_FILES = frozenset({"Image", "Audio", "AudioPlus", "Video", "Pdf"})
_TEXTS = frozenset({"Text", "HyperText", "Paragraphs"})

#: A size that the caller knows: of all pictures, or a function from a task to that of its picture.
Size = Any | Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a task that becomes an example: `values` are two for a `<Pairwise>`, else one.

    `urls` has the address of the file of each value, None for a value that has no file. `number` is the index of the
    value in an object with several.
    """

    values: tuple[Any, ...]
    urls: tuple[str | None, ...]
    number: int = 0


def items_of(control: Control, task: Mapping[str, Any]) -> list[Item]:
    """Return the values of a task that a control labels. Raises KeyError if the task's data lack the field."""
    if control.kind.geometry is Geometry.PAIR:
        values = tuple(item.value(task) for item in control.objects)
        urls = tuple(url_in(item, value, task) for item, value in zip(control.objects, values, strict=True))
        return [Item(values, urls)]
    target = control.object
    value = control.value(task)
    if is_split(control) and isinstance(value, list | tuple):
        return [Item((each,), (url_in(target, each, task),), at) for at, each in enumerate(value)]
    return [Item((value,), (url_in(target, value, task),))]


def is_split(control: Control) -> bool:
    """Whether each value of an object with several is an example: for regions, and for values of single pictures."""
    per_item = control.attributes.get("perItem", "").lower() == "true"
    return control.object.is_list and control.object.tag in _FILES and (has_regions(control) or per_item)


def has_regions(control: Control) -> bool:
    """Whether the control draws regions, rather than holds values of the whole task or of regions of others."""
    return control.kind.geometry not in WHOLE_TASK


def url_in(target: ObjectTag, value: Any, task: Mapping[str, Any]) -> str | None:
    """Return the address of the file that an object shows; None if its value is the content itself."""
    if not isinstance(value, str) or not value.strip():
        return None
    if target.tag in _FILES or (target.tag in _TEXTS and target.is_url):
        return value
    if target.tag == "TimeSeries" and target.attributes.get("valueType", "url").lower() != "json":
        return value
    return None


@dataclass(frozen=True, slots=True)
class Content:
    """One value of a task and what is known of it: its file, its text if it is one, and a size that the caller gave."""

    item: Item
    paths: tuple[str | None, ...]
    text: LabelledText | None = None
    given_size: PictureSize | None = None

    @property
    def path(self) -> str | None:
        """The path of the (left) value's file; None if there is none."""
        return self.paths[0] if self.paths else None

    def size(self, region: Mapping[str, Any]) -> PictureSize:
        """Return the size of a region's picture: the region's, else the one given, else that of the file.

        Raises ValueError if none of them is known.
        """
        size = _size_in(region) or self.given_size or size_of_file(self.path)
        if size is None:
            raise ValueError("the region does not say how large its picture is: pass size=… to targets")
        return size

    def known_size(self, regions: Iterable[TargetRegion]) -> PictureSize | None:
        """Return the size that a region says, else the one given; None if there is neither."""
        return next((size for each in regions if (size := _size_in(each.region))), self.given_size)


def _size_in(region: Mapping[str, Any]) -> PictureSize | None:
    if not region.get("original_width") or not region.get("original_height"):
        return None
    return size_of_region(region)


def content_of(
    control: Control, task: Mapping[str, Any], item: Item, paths: tuple[str | None, ...], size: Size
) -> Content:
    """Return the content of one value of a task. Raises ValueError or OSError if its text cannot be read."""
    given = size(task) if callable(size) else size
    known = None if given is None else size_of(given)
    if control.object.tag not in _TEXTS or control.kind.geometry is Geometry.PAIR:
        return Content(item, paths, None, known)
    if item.urls[0] is None:
        return Content(item, paths, labelled_text(control, task), known)
    if paths[0] is None:
        return Content(item, paths, None, known)
    content: Any = Path(paths[0]).read_bytes().decode("utf-8-sig")
    if control.object.tag == "Paragraphs":
        content = msgspec.json.decode(content)
    return Content(item, paths, labelled_text(control, task, content), known)
