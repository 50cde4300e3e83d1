"""Targets as lists and numpy arrays, for trainers that take them as they are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.targets.example_types import (
    BoxExample,
    ChoicesExample,
    NumberExample,
    RatingExample,
)
from label_studio_ml.targets.exports.class_list import ClassList, Omitted
from label_studio_ml.targets.exports.exported import ExportedTargets

if TYPE_CHECKING:
    from numpy.typing import NDArray

WITHOUT_CHOICE = "tasks without a choice"
WITHOUT_NUMBER = "tasks without a number"


class ClassifierArrays(NamedTuple):
    """What a classifier learns from.

    `x` are the texts of the objects; of others the paths of their files, else their values. `y` is the index of each
    one's class, of shape (n,); of a control with `choice="multiple"` 1 for each class that is chosen and 0 for others,
    of shape (n, number of classes). `classes` are their names.
    """

    x: list[Any]
    y: "NDArray[Any]"
    classes: list[str]


class NumberArrays(NamedTuple):
    """What a regression learns from: `x` as in `ClassifierArrays`, and `y`, a number for each."""

    x: list[Any]
    y: "NDArray[Any]"


class DetectorArrays(NamedTuple):
    """What a detector learns from, an entry for each picture.

    `x` are the paths of the pictures, else their values. `boxes` are arrays of shape (n, 4): left, top, right, bottom
    in pixels. `labels` are arrays of shape (n,): the indices of the boxes' classes. `classes` are their names.
    """

    x: list[Any]
    boxes: "list[NDArray[Any]]"
    labels: "list[NDArray[Any]]"
    classes: list[str]


def target_arrays(targets: ExportedTargets) -> ClassifierArrays | NumberArrays | DetectorArrays:
    """Return the targets as arrays; see `Targets.to_arrays`."""
    makers: dict[Any, Callable[..., ClassifierArrays | NumberArrays | DetectorArrays]] = {
        ChoicesExample: _classifier,
        RatingExample: _numbers,
        NumberExample: _numbers,
        BoxExample: _detector,
    }
    make = makers.get(targets.example_type)
    if make is None:
        raise LabelConfigError(
            f"There are no arrays of what {targets.control} says",
            fix="There are some of <Choices>, <Rating>, <Number> and boxes on pictures; to_pandas() takes any control",
            field="label_config",
        )
    omitted = Omitted()
    arrays = make(targets, omitted)
    omitted.log("to_arrays()")
    return arrays


def source_of(example: Any) -> Any:
    """Return what a model sees: the text, else the path of the file, else the value."""
    if example.text is not None:
        return example.text
    return example.value if example.path is None else example.path


def _classifier(targets: ExportedTargets, omitted: Omitted) -> ClassifierArrays:
    import numpy as np

    classes = ClassList(targets.label_names)
    is_multiple = targets.control.is_multiple
    x: list[Any] = []
    chosen: list[list[int]] = []
    for example in targets:
        if not example.choices and not is_multiple:
            omitted.add(WITHOUT_CHOICE)
            continue
        indices = [classes.index(choice) for choice in example.choices]
        x.append(source_of(example))
        chosen.append([index for index in indices if index is not None])
    if not is_multiple:
        return ClassifierArrays(x, np.array([each[0] for each in chosen], dtype=np.int64), classes.names)
    y = np.zeros((len(x), len(classes.names)), dtype=np.int64)
    for row, each in enumerate(chosen):
        y[row, each] = 1
    return ClassifierArrays(x, y, classes.names)


def _numbers(targets: ExportedTargets, omitted: Omitted) -> NumberArrays:
    import numpy as np

    x: list[Any] = []
    numbers: list[float] = []
    for example in targets:
        number = example.rating if isinstance(example, RatingExample) else example.number
        if number is None:
            omitted.add(WITHOUT_NUMBER)
            continue
        x.append(source_of(example))
        numbers.append(number)
    return NumberArrays(x, np.array(numbers, dtype=np.float64))


def _detector(targets: ExportedTargets, omitted: Omitted) -> DetectorArrays:
    import numpy as np

    classes = ClassList.of(targets)
    arrays = DetectorArrays([], [], [], [])
    for example in targets:
        rows = [(box.xyxy, classes.index_of(box, omitted)) for box in example.boxes]
        known = [(xyxy, index) for xyxy, index in rows if index is not None]
        arrays.x.append(source_of(example))
        arrays.boxes.append(np.array([xyxy for xyxy, _ in known], dtype=np.float64).reshape(-1, 4))
        arrays.labels.append(np.array([index for _, index in known], dtype=np.int64))
    return DetectorArrays(arrays.x, arrays.boxes, arrays.labels, classes.names)
