"""What a control's object shows of a task: the values that are examples of their own, and the files that they need."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.object_tag import ObjectTag
from label_studio_ml.inputs.media_size import UnknownSize, picture_size_of_file, video_size_of_file
from label_studio_ml.protocol.control_tags import WHOLE_TASK, Geometry
from label_studio_ml.regions.pictures.picture_size import PictureSize, size_of, size_of_region
from label_studio_ml.regions.text_spans.labelled_text import LabelledText, labelled_text

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
        urls = tuple(url_in(item, value) for item, value in zip(control.objects, values, strict=True))
        return [Item(values, urls)]
    target = control.object
    value = control.value(task)
    if is_split(control) and isinstance(value, list | tuple):
        return [Item((each,), (url_in(target, each),), at) for at, each in enumerate(value)]
    return [Item((value,), (url_in(target, value),))]


def is_split(control: Control) -> bool:
    """Whether each value of an object with several is an example: for regions, and for values of single pictures."""
    per_item = control.attributes.get("perItem", "").lower() == "true"
    return control.object.is_list and control.object.tag in _FILES and (has_regions(control) or per_item)


def has_regions(control: Control) -> bool:
    """Whether the control draws regions, rather than holds values of the whole task or of regions of others."""
    return control.kind.geometry not in WHOLE_TASK


def url_in(target: ObjectTag, value: Any) -> str | None:
    """Return the address of the file that an object shows; None if its value is the content itself.

    The address is empty if the value should be one and is not.
    """
    is_series = target.tag == "TimeSeries" and isinstance(value, str)  # else the columns themselves
    if target.tag in _FILES or (target.tag in _TEXTS and target.is_url) or is_series:
        return value if isinstance(value, str) else ""
    return None


@dataclass(frozen=True)
class Content:
    """One value of a task and what is known of it: its file, its text if it is one, and a size that the caller gave."""

    item: Item
    paths: tuple[str | None, ...]
    text: LabelledText | None = None
    given_size: PictureSize | None = None
    is_video: bool = False

    @property
    def path(self) -> str | None:
        """The path of the (left) value's file; None if there is none."""
        return self.paths[0] if self.paths else None

    def size(self, region: Mapping[str, Any]) -> PictureSize:
        """Return the size of a region's picture: the region's, else the one given, else that of the file.

        Raises UnknownSize if none of them is known, and ValueError if the file is no picture.
        """
        size = _size_in(region) or self.given_size or self._size_of_file
        if size is not None:
            return size
        if self.is_video:
            raise UnknownSize(
                "Install opencv-python-headless, or pass size=(width, height), or a function of the task"
            )
        if self.path is None:
            raise UnknownSize(
                "Leave files=False out, or pass size=(width, height), or a function of the task"
            )
        raise ValueError("the region does not say how large its picture is, and its file is no picture")

    @cached_property
    def _size_of_file(self) -> PictureSize | None:
        return video_size_of_file(self.path) if self.is_video else picture_size_of_file(self.path)

    def known_size(self, regions: Iterable[Mapping[str, Any]]) -> PictureSize | None:
        """Return the size that a region says, else the one given; None if there is neither."""
        return next((size for region in regions if (size := _size_in(region))), self.given_size)


def _size_in(region: Mapping[str, Any]) -> PictureSize | None:
    if not region.get("original_width") or not region.get("original_height"):
        return None
    return size_of_region(region)


def content_of(
    control: Control,
    task: Mapping[str, Any],
    item: Item,
    paths: tuple[str | None, ...],
    size: PictureSize | None,
) -> Content:
    """Return the content of one value of a task. Raises ValueError or OSError if its text cannot be read."""
    tag = control.object.tag
    if tag not in _TEXTS or control.kind.geometry is Geometry.PAIR:
        return Content(item, paths, given_size=size, is_video=tag == "Video")
    if item.urls[0] is None:
        return Content(item, paths, labelled_text(control, task))
    if paths[0] is None:
        return Content(item, paths)
    content: Any = Path(paths[0]).read_bytes().decode("utf-8-sig")
    if tag == "Paragraphs":
        content = msgspec.json.decode(content)
    return Content(item, paths, labelled_text(control, task, content))


def given_size(size: Size, task: Mapping[str, Any]) -> PictureSize | None:
    """Return the size that the caller gives for a task; None without one. Raises ValueError if it is no size."""
    given = size(task) if callable(size) else size
    return None if given is None else size_of(given)
