"""Boxes: from a model's numbers to a region and back, in every form."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.pictures.box import Box, box, box_of, boxes
from label_studio_ml.regions.pictures.picture_size import size_of
from time_growth import time_growth

CONFIG = """<View><Image name="photo" value="$image"/>
<RectangleLabels name="box" toName="photo"><Label value="Car" predicted_values="automobile"/><Label value="Person"/>
</RectangleLabels><Rectangle name="plain" toName="photo"/></View>"""
CONTROL = Controls(CONFIG)["box"]
PLAIN = Controls(CONFIG)["plain"]

sizes = st.tuples(st.integers(1, 30_000), st.integers(1, 30_000))
shares = st.floats(0, 1)


@st.composite
def pictures_with_box(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """Return a picture's size and left, top, right, bottom of a box in it."""
    width, height = draw(sizes)
    xs, ys = sorted(draw(st.tuples(shares, shares))), sorted(draw(st.tuples(shares, shares)))
    return (width, height), (xs[0] * width, ys[0] * height, xs[1] * width, ys[1] * height)


def near(first: Any, second: Any, tolerance: float = 0.01) -> bool:
    """Tell whether numbers, or tuples of tuples of them, differ by less than a hundredth of a pixel."""
    return bool(np.allclose(np.asarray(first, float), np.asarray(second, float), rtol=0, atol=tolerance))


def test_a_box_is_stored_in_percent() -> None:
    region = box(CONTROL, xyxy=(10, 20, 60, 120), size=(200, 400), label="automobile", score=0.75, id="a1")
    assert region == {
        "id": "a1",
        "from_name": "box",
        "to_name": "photo",
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 400,
        "image_rotation": 0,
        "value": {
            "x": 5.0,
            "y": 5.0,
            "width": 25.0,
            "height": 25.0,
            "rotation": 0.0,
            "rectanglelabels": ["Car"],
        },
        "score": 0.75,
    }


@given(pictures_with_box())
@settings(max_examples=300, deadline=None)
def test_upright_boxes_come_back_in_every_form(case: tuple[Any, Any]) -> None:
    size, (left, top, right, bottom) = case
    forms = {
        "xyxy": (left, top, right, bottom),
        "xywh": (left, top, right - left, bottom - top),
        "cxcywh": ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
    }
    for name, numbers in forms.items():
        region = box(PLAIN, size=size, clip=False, **{name: numbers})  # type: ignore[arg-type]
        assert region is not None
        assert near(getattr(box_of(region), name), numbers)
        json.dumps(region, allow_nan=False)


@given(pictures_with_box(), st.floats(-720, 720))
@settings(max_examples=300, deadline=None)
def test_turned_boxes_come_back(case: tuple[Any, Any], rotation: float) -> None:
    size, (left, top, right, bottom) = case
    centred = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    region = box(PLAIN, cxcywh=centred, rotation=rotation, size=size)
    if region is None:  # upright, and without an area
        assert rotation % 360 == 0
        return
    back = box_of(region)
    assert near(back.corners, Box(*centred, rotation).corners)
    assert math.isclose(math.cos(math.radians(back.rotation - rotation)), 1, abs_tol=1e-6)


@given(pictures_with_box(), st.floats(0, 359.9), st.booleans())
@settings(max_examples=300, deadline=None)
def test_oriented_corners_come_back(case: tuple[Any, Any], rotation: float, backwards: bool) -> None:
    size, (left, top, right, bottom) = case
    if right - left < 0.01 or bottom - top < 0.01:
        return
    corners = Box((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, rotation).corners
    given_corners = [corners[1], corners[0], corners[3], corners[2]] if backwards else list(corners)
    region = box(PLAIN, corners=given_corners, size=size, clip=False)
    assert region is not None
    assert near(box_of(region).corners, corners)


def test_a_turned_box_turns_clockwise_around_its_centre() -> None:
    region = box(PLAIN, xywh=(100, 100, 40, 20), rotation=90, size=(1000, 500))
    assert region is not None
    back = box_of(region)
    assert near(back.corners, [(130, 90), (130, 130), (110, 130), (110, 90)])
    assert near(back.xyxy, (110, 90, 130, 130))
    assert near(back.xywh, (110, 90, 20, 40))
    assert near((region["value"]["x"], region["value"]["y"]), (13, 18))


def test_relative_numbers() -> None:
    expected = {"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "rotation": 0.0}
    without_size = box(PLAIN, xyxy=(0.1, 0.2, 0.4, 0.6), relative=True)
    assert without_size is not None
    assert without_size["value"] == expected
    assert "original_width" not in without_size
    with_size = box(PLAIN, cxcywh=(0.25, 0.4, 0.3, 0.4), relative=True, size=(300, 200))
    assert with_size is not None
    assert with_size["value"] == expected
    assert near(box_of(with_size).xyxy, (30, 40, 120, 120))
    assert near(box_of(without_size, size=(300, 200)).xyxy, (30, 40, 120, 120))
    turned = box(PLAIN, cxcywh=(0.5, 0.5, 0.2, 0.4), rotation=30, relative=True, size=(300, 200))
    assert turned is not None
    assert near(box_of(turned).cxcywh, (150, 100, 60, 80))
    corners = box(PLAIN, corners=[0.1, 0.1, 0.4, 0.1, 0.4, 0.3, 0.1, 0.3], relative=True, size=(300, 200))
    assert corners is not None
    assert near(box_of(corners).xyxy, (30, 20, 120, 60))
    with pytest.raises(ValueError, match="does not say how large its picture is"):
        box_of(without_size)
    with pytest.raises(ValueError, match="turned needs size"):
        box(PLAIN, cxcywh=(0.5, 0.5, 0.2, 0.4), rotation=30, relative=True)


@pytest.mark.parametrize(
    "picture",
    [
        (200, 100),
        [200.0, 100.0],
        np.array([200, 100]),
        Image.new("L", (200, 100)),
        np.zeros((100, 200, 3)),
        np.zeros((100, 200)),
    ],
)
def test_the_size_may_be_that_of_a_picture(picture: Any) -> None:
    region = box(PLAIN, xywh=(20, 10, 100, 50), size=picture)
    assert region is not None
    assert (region["original_width"], region["original_height"]) == (200, 100)
    assert (region["value"]["x"], region["value"]["width"], region["value"]["height"]) == (10, 50, 50)


def test_boxes_are_clipped_to_the_picture() -> None:
    part = box(PLAIN, xyxy=(-10, -10, 50, 1000), size=(100, 200))
    assert part is not None
    assert near(box_of(part).xyxy, (0, 0, 50, 200))
    assert box(PLAIN, xyxy=(100, 0, 120, 50), size=(100, 200)) is None
    assert box(PLAIN, cxcywh=(500, 500, 20, 10), rotation=30, size=(100, 200)) is None
    half = box(PLAIN, cxcywh=(100, 100, 20, 10), rotation=30, size=(100, 200))
    assert half is not None
    assert near(box_of(half).cxcywh, (100, 100, 20, 10))
    assert box(PLAIN, cxcywh=(500, 500, 20, 10), rotation=30, size=(100, 200), clip=False) is not None
    whole = box(PLAIN, xyxy=(-10, -10, 50, 1000), size=(100, 200), clip=False)
    assert whole is not None
    assert near(box_of(whole).xyxy, (-10, -10, 50, 1000))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Pass one of xyxy, xywh, cxcywh, corners, not none of them"),
        ({"xyxy": (1, 2, 3, 4), "xywh": (1, 2, 3, 4)}, "not xyxy and xywh"),
        ({"xyxy": (5, 2, 3, 4)}, "xyxy must have x1 <= x2 and y1 <= y2, not"),
        ({"xywh": (5, 2, -3, 4)}, "xywh must have a width and height of 0 or more"),
        ({"xyxy": (1, 2, 3)}, "xyxy must be 4 numbers"),
        ({"xyxy": (1, 2, float("nan"), 4)}, "xyxy must be a finite number, not nan"),
        ({"xyxy": (1, 2, "x", 4)}, "xyxy must be a number, not 'x'"),
        ({"xyxy": (1, 2, 3, 4), "size": None}, "Pass size="),
        ({"xyxy": (1, 2, 3, 4), "size": (0, 5)}, "size must be positive, not 0 x 5"),
        ({"xyxy": (1, 2, 3, 4), "size": 100}, "size must be"),
        ({"xyxy": (1, 2, 3, 4), "score": float("inf")}, "score must be a finite number"),
        ({"xywh": (1, 2, 3, 4), "rotation": float("nan")}, "rotation must be a finite number"),
        ({"corners": [(0, 0), (10, 0), (5, 5), (0, 5)]}, "whose opposite sides are equal"),
        ({"corners": [(0, 0), (10, 0)]}, "corners must be four points"),
        ({"corners": [(0, 0), (20, 0), (0, 10), (20, 10)]}, "in their order around it"),
        ({"corners": [(0, 0), (20, 0), (30, 20), (10, 20)]}, "angles are right"),
        ({"corners": [(0, 0), (9, 0), (9, 5), (0, 5)], "rotation": 30}, "leave the rotation out"),
        ({"xyxy": (1, 2, 10**400, 4)}, "xyxy is larger than any number"),
        ({"xyxy": (-1e308, 2, 1e308, 4)}, "The coordinates are too large"),
        ({"xywh": (1e308, 2, 3, 4), "clip": False}, "The coordinates are too large"),
    ],
)
def test_numbers_that_are_no_box_are_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        box(PLAIN, **{"size": (100, 100), **arguments})


def test_labels_are_mapped_and_needed() -> None:
    with pytest.raises(LabelConfigError, match="need a label") as missing:
        box(CONTROL, xyxy=(1, 2, 3, 4), size=(100, 100))
    assert missing.value.fix == "Pass label=…, one of: Car, Person"
    with pytest.raises(LabelConfigError, match="has no label 'Bus'"):
        box(CONTROL, xyxy=(1, 2, 3, 4), size=(100, 100), label="Bus")
    with pytest.raises(LabelConfigError, match="have no labels of their own") as own:
        box(PLAIN, xyxy=(1, 2, 3, 4), size=(100, 100), label="Car")
    assert "regions.attach" in own.value.fix
    assert box(CONTROL.map_labels(unknown="drop"), xyxy=(1, 2, 3, 4), size=(100, 100), label="Bus") is None
    several = box(CONTROL, xyxy=(1, 2, 3, 4), size=(100, 100), label=["person", "automobile"])
    assert several is not None
    assert several["value"]["rectanglelabels"] == ["Person", "Car"]


def test_many_boxes_of_arrays() -> None:
    array = np.array([[10, 10, 20, 20], [30, 30, 40, 50], [200, 200, 300, 300]], dtype=np.float32)
    made = boxes(
        CONTROL,
        xyxy=array,
        labels=["Car", "person", "Car"],
        scores=np.array([0.9, 0.2, 0.8]),
        size=(100, 100),
    )
    assert [near(box_of(region).xyxy, row) for region, row in zip(made, array, strict=False)] == [True, True]
    assert [region["score"] for region in made] == [0.9, 0.2]
    assert len({region["id"] for region in made}) == 2
    sure = boxes(CONTROL, xyxy=array, labels="Car", scores=[0.9, 0.2, 0.8], min_score=0.5, size=(1000, 1000))
    assert [region["score"] for region in sure] == [0.9, 0.8]
    turned = boxes(PLAIN, cxcywh=array[:2], rotations=[0, 45], size=(100, 100))
    assert [region["value"]["rotation"] for region in turned] == [0, 45]
    assert boxes(PLAIN, xyxy=np.zeros((0, 4)), size=(100, 100)) == []
    with pytest.raises(ValueError, match="xyxy must have a row for each box, not 3"):
        boxes(PLAIN, xyxy=3, size=(100, 100))
    with pytest.raises(ValueError, match="scores must be a number, not 'high'"):
        boxes(PLAIN, xyxy=array, scores=["high"] * 3, size=(100, 100))
    with pytest.raises(ValueError, match="labels must have an entry for each of the 3 boxes, not 2"):
        boxes(CONTROL, xyxy=array, labels=["Car", "Car"], size=(100, 100))


class Tensor:
    """What a tensor has in common with an array: `tolist`."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def tolist(self) -> Any:
        return self.values


def test_tensors_of_a_detector() -> None:
    control = CONTROL.map_labels({"0": "Person", "2": "Car"})
    made = boxes(
        control,
        xyxy=Tensor([[10.0, 10.0, 20.0, 20.0], [30.0, 30.0, 40.0, 50.0]]),
        labels=Tensor([2.0, 0.0]),
        scores=Tensor([0.9, 0.2]),
        size=Tensor([100, 100]),
    )
    assert [region["value"]["rectanglelabels"] for region in made] == [["Car"], ["Person"]]
    one = box(control, xyxy=Tensor([1, 2, 3, 4]), label=Tensor(2.0), size=(100, 100))
    assert one is not None
    assert one["value"]["rectanglelabels"] == ["Car"]
    both = box(control, xyxy=(1, 2, 3, 4), label=np.array(["Car", "Person"]), size=(100, 100))
    assert both is not None
    assert both["value"]["rectanglelabels"] == ["Car", "Person"]


def test_a_control_for_another_shape_is_an_error() -> None:
    controls = Controls(
        '<View><Image name="i" value="$i"/><Polygon name="p" toName="i"/><Labels name="l" toName="i"/>'
        '<Choices name="c" toName="i" perRegion="true"><Choice value="a"/></Choices></View>'
    )
    for name, label in (("p", None), ("c", "a")):
        with pytest.raises(LabelConfigError, match=f'name="{name}"> for <Image> holds no box') as raised:
            box(controls[name], xyxy=(1, 2, 3, 4), size=(10, 10), label=label)
        assert raised.value.fix == "Pass one of <Rectangle>, <RectangleLabels>"
    assert box(controls["l"], xyxy=(1, 2, 3, 4), size=(10, 10), label="a") is not None


def test_the_time_of_boxes_grows_as_their_number_does() -> None:
    def prepare(count: int) -> Callable[[], object]:
        array = np.random.default_rng(0).random((count, 4)) * 100
        return lambda: boxes(CONTROL, xywh=array, labels="Car", scores=array[:, 0] / 100, size=(300, 300))

    assert time_growth(prepare, 500, 4000) < 8 * 4


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (
            np.zeros((3, 100, 200)),
            r"channels first, of shape \(3, 100, 200\): pass .*, here \(200, 100\), or",
        ),
        (np.zeros((1, 100, 200)), "channels first"),
        (np.zeros((1, 100, 200, 3)), r"or one picture, not an array of shape \(1, 100, 200, 3\)"),
        (np.zeros(3), r"not an array of shape \(3,\)"),
    ],
)
def test_arrays_that_are_no_picture_are_no_size(picture: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        box(PLAIN, xywh=(20, 10, 100, 50), size=picture)


@pytest.mark.parametrize("size", [None, (300, 200)])
def test_pixels_are_no_shares(size: Any) -> None:
    for arguments in ({"xyxy": (10, 20, 60, 120)}, {"corners": [(0, 0), (10, 0), (10, 5), (0, 5)]}):
        with pytest.raises(
            ValueError, match=r"With relative=True, numbers must be shares .* leave relative out"
        ):
            box(PLAIN, relative=True, size=size, **arguments)
    over_the_edge = box(PLAIN, xyxy=(-0.5, 0.1, 1.5, 0.2), relative=True, size=size)
    assert over_the_edge is not None
    assert over_the_edge["value"]["width"] == 100


def test_a_picture_of_several_is_named_by_its_index() -> None:
    region = box(PLAIN, xyxy=(1, 2, 3, 4), size=(100, 100), item_index=2)
    assert region is not None
    assert region["item_index"] == 2


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from label_studio_ml.controls import Controls\n"
        "from label_studio_ml.regions.pictures.box import boxes\n"
        'xml = \'<View><Image name="i" value="$i"/><Rectangle name="r" toName="i"/></View>\'\n'
        "assert len(boxes(Controls(xml)['r'], xyxy=[[1, 2, 3, 4]] * 3, size=(10, 10))) == 3\n"
        "print([name for name in ('numpy', 'PIL', 'torch', 'label_studio_sdk') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert run.stdout.decode().strip() == "[]"


@given(left=st.integers(0, 4000), width=st.integers(1, 4000), side=st.integers(1, 50_000))
def test_whole_pixels_come_back_whole(left: int, width: int, side: int) -> None:
    region = box(CONTROL, xyxy=(left, 0, left + width, 10), size=(side, 10), label="Car", clip=False)
    assert region is not None
    assert box_of(region).xyxy == (left, 0, left + width, 10)


def test_a_size_is_unpacked_as_whole_numbers() -> None:
    width, height = size_of((640.0, 480.5))
    assert (width, type(width), height) == (640, int, 480.5)
