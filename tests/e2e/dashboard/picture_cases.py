"""Regions of two pictures, one in each cell of 200 x 200 pixels: those of the builders' tests, and rarer ones."""

from typing import Any

import numpy as np
from label_studio_sdk.converter.brush import mask2rle

from label_studio_ml.controls import Controls

from ..regions_facts.labelling import png, region, white
from ..regions_facts.test_builders_pictures import ATTRIBUTES, CELL, CONTROL, FILLED, SHAPES, SIZE
from ..studio import Json

Cell = tuple[int, int]

_LABEL = '<Label value="A" background="#ff0000"/>'
CONFIG = f"""<View><Image name="picture" valueList="$images"/>
    {"".join(CONTROL.format(tag, attributes) for tag, attributes in ATTRIBUTES.items())}
    <VectorLabels name="closable" toName="picture" closable="true" strokeWidth="3">{_LABEL}</VectorLabels>
    <PolygonLabels name="line" toName="picture" strokeWidth="3">{_LABEL}</PolygonLabels>
    <Rectangle name="plain" toName="picture" {FILLED}/><MagicWand name="wand" toName="picture" opacity="1"/>
    <Labels name="kind" toName="picture">{_LABEL}</Labels></View>"""


#: Two white pictures. Label Studio does not show the second one if they are equal.
PICTURES = [white(*SIZE), png(np.full((*SIZE[::-1], 3), 254))]


def first_picture() -> list[Json]:
    """Return the regions of the builders' tests."""
    controls = Controls(CONFIG)
    return [shape.build(controls[shape.tag], SIZE) for shape in SHAPES.values()]


def second_picture() -> list[Json]:
    """Return the regions of `CASES`."""
    return [item for _, items in CASES.values() for item in items]


def _item(kind: str, control: str, value: Json, name: str = "") -> Json:
    """Return an item on the second picture; its id is `name`, by default the control's."""
    size = {"original_width": SIZE[0], "original_height": SIZE[1], "image_rotation": 0}
    return region(name or control, kind, value, control, "picture", item_index=1, **size)


def _labelled(control: str, value: Json, name: str) -> Json:
    kind = control.lower()
    return _item(kind, control, {**value, kind: ["A"]}, name)


def _at(x: float, y: float) -> Json:
    """Return a point of the picture, in pixels, as a region has it."""
    return {"x": x / SIZE[0] * 100, "y": y / SIZE[1] * 100}


def _box(x: float, y: float, width: float, height: float, rotation: float) -> Json:
    return {
        **_at(x, y),
        "width": width / SIZE[0] * 100,
        "height": height / SIZE[1] * 100,
        "rotation": rotation,
    }


def _corner(column: int, row: int) -> Any:
    """Return a mask of the picture with a letter L in a cell."""
    made = np.zeros(SIZE[::-1], np.uint8)
    left, top = column * CELL + 50, row * CELL + 40
    made[top : top + 120, left : left + 41] = 255
    made[top + 80 : top + 120, left : left + 101] = 255
    return made


def _smaller_bitmask() -> str:
    """Return a bitmask with half of the picture's columns and rows, whose alpha is the mask."""
    pixels = np.zeros((SIZE[1] // 2, SIZE[0] // 2, 4), np.uint8)
    pixels[..., 3] = _corner(4, 0)[::2, ::2]
    return png(pixels, "RGBA")


#: One handle at the first point, two at the second, none at the third.
_CURVE = [
    {
        "id": "p1",
        **_at(20, 180),
        "isBezier": True,
        "controlPoint1": _at(20, 180),
        "controlPoint2": _at(20, 20),
    },
    {"id": "p2", **_at(90, 180), "isBezier": True, "prevPointId": "p1"}
    | {"controlPoint1": _at(90, 20), "controlPoint2": _at(150, 190)},
    {"id": "p3", **_at(180, 80), "isBezier": False, "prevPointId": "p2"},
]
_SKELETON = [
    {"id": "p1", **_at(300, 20), "prevPointId": None},
    {"id": "p2", **_at(300, 100), "prevPointId": "p1"},
    {"id": "p3", **_at(230, 180), "prevPointId": "p2"},
    {"id": "p4", **_at(370, 180), "prevPointId": "p2"},
]
_TRIANGLE = [{"id": f"p{x}", **_at(x, y)} for x, y in [(430, 30), (570, 60), (450, 180)]]
_WAND = {"format": "rle", "rle": mask2rle(_corner(2, 1))}

#: Cell (column and row) and items of each region of the second picture, by its name.
CASES: dict[str, tuple[Cell, list[Json]]] = {
    "curves": ((0, 0), [_labelled("VectorLabels", {"vertices": _CURVE, "closed": False}, "curves")]),
    "skeleton": ((1, 0), [_labelled("VectorLabels", {"vertices": _SKELETON, "closed": False}, "skeleton")]),
    "closed vector": (
        (2, 0),
        [_item("vectorlabels", "closable", {"vertices": _TRIANGLE, "closed": True, "vectorlabels": ["A"]})],
    ),
    "negative size": ((3, 0), [_labelled("RectangleLabels", _box(760, 160, -100, -80, -15), "negative")]),
    "smaller bitmask": (
        (4, 0),
        [_labelled("BitmaskLabels", {"imageDataURL": _smaller_bitmask()}, "smaller")],
    ),
    "beyond the rim": ((0, 1), [_labelled("RectangleLabels", _box(-60, 290, 150, 50, 20), "rim")]),
    "label of its own": (
        (1, 1),
        [
            _item("rectangle", "plain", _box(290, 240, 90, 60, 70)),
            _item("labels", "kind", {"labels": ["A"]}, "plain"),
        ],
    ),
    "magic wand": (
        (2, 1),
        [_item("magicwand", "wand", _WAND), _item("labels", "kind", {**_WAND, "labels": ["A"]}, "wand")],
    ),
    "two points": (
        (3, 1),
        [_item("polygonlabels", "line", {"points": [[65, 60], [75, 95]], "polygonlabels": ["A"]})],
    ),
    "turned ellipse": (
        (4, 1),
        [
            _labelled(
                "EllipseLabels", {**_at(900, 300), "radiusX": 8, "radiusY": 10, "rotation": -40}, "ellipse"
            )
        ],
    ),
}
