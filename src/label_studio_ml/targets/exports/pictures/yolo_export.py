"""YOLO: a folder that Ultralytics trains on: `data.yaml`, `classes.txt`, pictures, and a text file for each of them."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.support import arguments
from label_studio_ml.targets.example_types import KeyPointExample, PictureExample
from label_studio_ml.targets.exports.class_list import ClassList, Omitted
from label_studio_ml.targets.exports.exported import ExportedTargets
from label_studio_ml.targets.exports.output_folder import (
    file_stem,
    new_folder,
    output_path,
    place_picture,
    stems,
)
from label_studio_ml.targets.exports.pictures.picture_shapes import (
    OUTSIDE,
    Shape,
    has_shape,
    outline,
    readable_shape,
)
from label_studio_ml.targets.exports.pictures.point_groups import groups_of, point_names
from label_studio_ml.targets.target_regions import BoxTarget

YoloTask = Literal["detect", "segment", "obb", "pose"]
_TASKS = ("detect", "segment", "obb", "pose")
#: Decimal places of shares of a picture: in one of 10,000 pixels, the last one is a hundredth of a pixel.
_DIGITS = 6
#: Characters that JSON has in texts, and YAML refuses or reads as ends of lines.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
NO_PICTURE = "pictures without a file or a size"

#: The numbers of a line after the class, in pixels: x and y in turn.
Line = list[float]


def write_yolo(
    targets: ExportedTargets, folder: Path | str | None, *, val: ExportedTargets | None, task: YoloTask | None
) -> Path:
    """Write a YOLO folder and return its path; the arguments and errors are those of `Targets.to_yolo`."""
    if task is not None and task not in _TASKS:
        raise arguments.wrong("task", f"one of {', '.join(_TASKS)}", task)
    for each in (targets, val):
        if each is not None and not each.options.files:
            raise ValueError("The pictures are in the folder of YOLO: leave files=False out")
    if val is not None and val.example_type is not targets.example_type:
        raise ValueError(f"val must be targets of the same kind of control, not {val!r}")
    lines = _lines_of(targets, task)
    path = output_path(folder, targets.workdir, "yolo", "folder")
    omitted = Omitted()
    with new_folder(path):
        for subset, examples in (("train", targets), ("val", val)):
            if examples is not None:
                _write_subset(examples, path, subset, lines, omitted)
        names = lines.classes.names
        (path / "classes.txt").write_text(
            "".join(f"{' '.join(name.split())}\n" for name in names), encoding="utf-8"
        )
        (path / "data.yaml").write_text(
            _yaml(names, lines.settings, has_val=val is not None), encoding="utf-8"
        )
    omitted.log(f"The YOLO folder {path}")
    return path


def _write_subset(
    targets: ExportedTargets, folder: Path, subset: str, lines: "_Shapes | _Poses", omitted: Omitted
) -> None:
    images, labels = folder / "images" / subset, folder / "labels" / subset
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    several = targets.options.annotation == "all"
    for number, example in enumerate(targets, 1):
        if example.path is None or example.size is None:
            omitted.add(NO_PICTURE)
            continue
        stem = _write_labels(
            labels, file_stem(example, several_annotations=several), number, example, lines, omitted
        )
        place_picture(example.path, images, stem, number)


def _write_labels(
    folder: Path,
    stem: str,
    number: int,
    example: PictureExample[Any],
    lines: "_Shapes | _Poses",
    omitted: Omitted,
) -> str:
    """Write the text file of a picture, and return its name without the suffix."""
    text = "".join(
        f"{index} {' '.join(f'{share:.{_DIGITS}f}' for share in numbers)}\n"
        for index, numbers in lines.of(example, omitted)
    )
    for free in stems(stem, number):
        try:
            with (folder / f"{free}.txt").open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return free
    raise AssertionError("stems never ends")


def _quoted(text: str) -> str:
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _yaml(names: list[str], settings: dict[str, Any], *, has_val: bool) -> str:
    """Return the text of `data.yaml`. A text in JSON is one in YAML, if characters that YAML refuses are escaped.

    Ultralytics needs a `val`; without one, it is the pictures of the training. The paths are relative to the file, so
    that the folder can be moved.
    """
    lines = ["train: images/train", f"val: images/{'val' if has_val else 'train'}"]
    lines += [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    lines += [
        "names:",
        *(f"  {index}: {_quoted(name)}" for index, name in enumerate(names)),
    ]
    return "\n".join(lines) + "\n"


class _Shapes:
    """The lines of regions with an outline: one for each region."""

    settings: dict[str, Any] = {}  # noqa: RUF012 (never changed)

    def __init__(self, classes: ClassList, numbers: Callable[[Any, Shape, float, float], Line]) -> None:
        self.classes = classes
        self._numbers = numbers

    def of(self, example: PictureExample[Any], omitted: Omitted) -> Iterator[tuple[int, Line]]:
        """Yield the class and the numbers of each region of a picture, as shares of its sides."""
        assert example.size is not None, "pictures without a size are left out"
        for region in example.regions:
            index = self.classes.index_of(region, omitted)
            if index is None:
                continue
            shape = readable_shape(region, example.size, omitted)
            if shape is not None:
                yield index, self._numbers(region, shape, example.size.width, example.size.height)


def _detection(region: Any, shape: Shape, width: float, height: float) -> Line:
    """Return the centre, width and height of the upright box around a region."""
    left, top, across, down = shape.bbox
    return [(left + across / 2) / width, (top + down / 2) / height, across / width, down / height]


def _segmentation(region: Any, shape: Shape, width: float, height: float) -> Line:
    """Return the corners of the outline of a region."""
    return [share for x, y in outline(shape) for share in (x / width, y / height)]


def _turned_box(region: Any, shape: Shape, width: float, height: float) -> Line:
    """Return the four corners of a box, those outside of the picture moved to its edge."""
    return [share for x, y in region.corners for share in (_within(x / width), _within(y / height))]


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)


class _Poses:
    """The lines of key points: one for each object."""

    def __init__(self, names: list[str], default: str) -> None:
        self.classes = ClassList(default=default)
        self.settings: dict[str, Any] = {"kpt_shape": [len(names), 3]}
        self._names = names

    def of(self, example: PictureExample[Any], omitted: Omitted) -> Iterator[tuple[int, Line]]:
        """Yield the class and the numbers of each object: its box, and x, y and visibility of each point."""
        assert example.size is not None, "pictures without a size are left out"
        width, height = example.size.width, example.size.height
        for group in groups_of(example, omitted):
            bbox = group.bbox_in(example.size)
            if bbox is None or not (bbox[2] and bbox[3]):
                omitted.add(OUTSIDE)
                continue
            numbers = _detection(None, Shape(bbox, 0), width, height)
            shown = group.points_in(example.size)
            for name in self._names:
                point = shown.get(name)
                numbers += (point.x / width, point.y / height, 2.0) if point else (0.0, 0.0, 0.0)
            index = self.classes.index(group.label)
            assert index is not None, "there is a default"
            yield index, numbers


def _lines_of(targets: ExportedTargets, task: YoloTask | None) -> _Shapes | _Poses:
    """Return what makes the lines; by default of `task`, the one that the control is for.

    Raises LabelConfigError for a control that YOLO has no lines for, ValueError if it has none of this task.
    """
    if targets.example_type is KeyPointExample:
        if task not in (None, "pose"):
            raise arguments.wrong("task", "pose for key points", task)
        return _Poses(point_names(targets.label_names, targets.control), targets.control.name)
    if not has_shape(targets.region_type):
        raise LabelConfigError(
            f"YOLO has no form for what {targets.control} says",
            fix="It has boxes, ellipses, polygons, masks and key points on pictures; to_pandas() takes any control",
            field="label_config",
        )
    is_box = targets.region_type is BoxTarget
    if task == "pose":
        raise arguments.wrong("task", "another one than pose, which needs <KeyPointLabels>", task)
    if task == "obb" and not is_box:
        raise arguments.wrong("task", "detect or segment for regions that are no boxes", task)
    forms = {"detect": _detection, "segment": _segmentation, "obb": _turned_box}
    return _Shapes(ClassList.of(targets), forms[task or ("detect" if is_box else "segment")])
