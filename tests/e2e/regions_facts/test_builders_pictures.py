"""Shapes that the builders make of a model's output: drawn on the right pixels, accepted, and given back as targets."""

import dataclasses
import io
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls

from ..browser import Browser
from .labelling import Labelling, white
from .round_trip import Accepted, assert_drawn, open_prediction

#: The picture has ten cells of 200 x 200 pixels, with one shape in each but the last.
SIZE = (1000, 400)
CELL = 200

FILLED = 'fillOpacity="1" strokeWidth="0"'
ATTRIBUTES = {
    "RectangleLabels": FILLED,
    "EllipseLabels": FILLED,
    "KeyPointLabels": 'opacity="1"',
    "PolygonLabels": FILLED,
    "BrushLabels": "",
    "BitmaskLabels": "",
    "VectorLabels": 'strokeWidth="3"',
}
CONTROL = '<{0} name="{0}" toName="picture" {1}><Label value="A" background="#ff0000"/></{0}>'
CONFIG = f"""<View><Image name="picture" value="$image"/>
    {"".join(CONTROL.format(tag, attributes) for tag, attributes in ATTRIBUTES.items())}</View>"""

Points = list[tuple[float, float]]
#: Whether each point of the picture, given by arrays of x and y, is inside of a shape.
Inside = Callable[[Any, Any], Any]


def ring() -> Any:
    """Return a mask with a hole that is not symmetric."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.ellipse(mask, (490, 90), (70, 50), 20, 0, 360, 1, -1)
    mask[70:120, 460:500] = 0
    return mask.astype(bool)


def blob(x: int, y: int) -> Any:
    """Return a mask: a letter L whose corner is at a point."""
    mask = np.zeros(SIZE[::-1], bool)
    mask[y : y + 120, x : x + 41] = True
    mask[y + 80 : y + 120, x : x + 101] = True
    return mask


def turned(x: Any, y: Any, centre: tuple[float, float], rotation: float) -> tuple[Any, Any]:
    """Return coordinates along the axes of a shape that is turned clockwise around its centre by degrees."""
    angle = np.radians(rotation)
    right, down = x - centre[0], y - centre[1]
    return (
        right * np.cos(angle) + down * np.sin(angle),
        down * np.cos(angle) - right * np.sin(angle),
    )


def in_box(centre: tuple[float, float], size: tuple[float, float], rotation: float) -> Inside:
    def inside(x: Any, y: Any) -> Any:
        along, across = turned(x, y, centre, rotation)
        return (abs(along) <= size[0] / 2) & (abs(across) <= size[1] / 2)

    return inside


def in_ellipse(centre: tuple[float, float], radii: tuple[float, float], rotation: float) -> Inside:
    def inside(x: Any, y: Any) -> Any:
        along, across = turned(x, y, centre, rotation)
        return (along / radii[0]) ** 2 + (across / radii[1]) ** 2 <= 1

    return inside


def in_mask(mask: Any) -> Inside:
    def inside(x: Any, y: Any) -> Any:
        return mask[np.clip(y.astype(int), 0, SIZE[1] - 1), np.clip(x.astype(int), 0, SIZE[0] - 1)]

    return inside


def near_line(points: Points, distance: float) -> Inside:
    def inside(x: Any, y: Any) -> Any:
        near = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            length = (x1 - x0) ** 2 + (y1 - y0) ** 2
            share = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1)
            near |= np.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0)) <= distance
        return near

    return inside


def filled(points: Points) -> Any:
    """Return the mask of a polygon."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillPoly(mask, [np.array(points, np.int32)], 1)
    return mask.astype(bool)


@dataclass(frozen=True)
class Shape:
    """A model's output in one cell of a picture.

    `build` makes the region for a control and the picture's size, `inside` is where it should be drawn, and `read`
    should give `output` of the target. What is drawn may be `within` pixels of the screen from where it should be.
    """

    tag: str
    cell: tuple[int, int]
    build: Callable[[Control, tuple[int, int]], Any]
    inside: Inside
    output: Any
    read: Callable[[Any], Any]
    within: int = 2


def numbers_of(target: Any) -> tuple[float, ...]:
    """Return centre, width and height, and rotation of a box target."""
    return (*target.cxcywh, target.rotation)


def axes_of(target: Any) -> tuple[float, ...]:
    """Return centre, radii and rotation of an ellipse target."""
    return dataclasses.astuple(target.ellipse)


CORNERS = [(620.0, 30.0), (770.0, 60.0), (700.0, 100.0), (760.0, 170.0), (630.0, 150.0)]
LINE = [(40.0, 370.0), (60.0, 240.0), (160.0, 300.0)]
BRUSH, BITMASK = blob(450, 240), blob(650, 240)

SHAPES = {
    "upright box": Shape(
        "RectangleLabels",
        (0, 0),
        lambda control, picture: regions.box(
            control, xyxy=(30.25, 50.5, 150.75, 130), size=picture, label="A"
        ),
        in_box((90.5, 90.25), (120.5, 79.5), 0),
        (90.5, 90.25, 120.5, 79.5, 0),
        numbers_of,
    ),
    "turned box": Shape(
        "RectangleLabels",
        (1, 0),
        lambda control, picture: regions.box(
            control, xyxy=(220, 70, 370, 130), rotation=35, size=picture, label="A"
        ),
        in_box((295, 100), (150, 60), 35),
        (295, 100, 150, 60, 35),
        numbers_of,
    ),
    "outline of a mask with a hole": Shape(
        "PolygonLabels",
        (2, 0),
        lambda control, _: regions.polygons(control, ring(), tolerance=0, label="A")[0],
        in_mask(ring()),
        ring(),
        lambda target: regions.mask_of(target.region),
    ),
    "polygon": Shape(
        "PolygonLabels",
        (3, 0),
        lambda control, picture: regions.polygon(control, points=CORNERS, size=picture, label="A"),
        in_mask(filled(CORNERS)),
        CORNERS,
        lambda target: target.points,
    ),
    "turned ellipse": Shape(
        "EllipseLabels",
        (4, 0),
        lambda control, picture: regions.ellipse(
            control, center=(900, 100), radii=(80, 30), rotation=60, size=picture, label="A"
        ),
        in_ellipse((900, 100), (80, 30), 60),
        (900, 100, 80, 30, 60),
        axes_of,
    ),
    "vector": Shape(
        "VectorLabels",
        (0, 1),
        lambda control, picture: regions.vector(control, points=LINE, size=picture, label="A"),
        near_line(LINE, 1.5),
        LINE,
        lambda target: target.vector.points,
        within=5,
    ),
    "key point": Shape(
        "KeyPointLabels",
        (1, 1),
        lambda control, picture: regions.key_point(
            control, xy=(310.25, 290.5), size=picture, label="A", width=2
        ),
        in_ellipse((310.25, 290.5), (20, 20), 0),
        (310.25, 290.5),
        lambda target: (target.x, target.y),
    ),
    "brush": Shape(
        "BrushLabels",
        (2, 1),
        lambda control, _: regions.mask(control, BRUSH, label="A"),
        in_mask(BRUSH),
        BRUSH,
        lambda target: target.pixels(),
    ),
    "bitmask": Shape(
        "BitmaskLabels",
        (3, 1),
        lambda control, _: regions.mask(control, BITMASK, label="A"),
        in_mask(BITMASK),
        BITMASK,
        lambda target: target.pixels(),
    ),
}


def red_pixels(labelling: Labelling, size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Return which pixels of the screen are red, and the place of each in the picture of a size: x and y."""
    left, top, width, height, _, _ = labelling.image_place()
    labelling.page.mouse.move(5, 5)
    screen = Image.open(io.BytesIO(labelling.page.screenshot())).convert("RGB")
    right, bottom = min(screen.width, int(left + width)), min(screen.height, int(top + height))
    colours = np.asarray(screen)[int(top) : bottom, int(left) : right].astype(int)
    red = (colours[..., 0] > 150) & (colours[..., 1] < 120) & (colours[..., 2] < 120)
    y, x = np.mgrid[int(top) : bottom, int(left) : right] + 0.5
    return red, (x - left) / width * size[0], (y - top) / height * size[1]


def is_near(pixels: Any, others: Any, distance: int) -> bool:
    """Return whether each pixel that is set has one of the others at this distance or nearer."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * distance + 1, 2 * distance + 1))
    return not (pixels & ~cv2.dilate(others.astype(np.uint8), kernel).astype(bool)).any()


def misplaced(
    labelling: Labelling, shapes: Mapping[str, Shape], size: tuple[int, int] = SIZE, cell_size: int = CELL
) -> list[str]:
    """Return the names of the shapes that are not drawn where they should be, and "nothing" for other red pixels."""
    red, x, y = red_pixels(labelling, size)
    column, row = x // cell_size, y // cell_size
    names = []
    free = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    for name, shape in shapes.items():
        cell = (column == shape.cell[0]) & (row == shape.cell[1])
        free &= ~cell
        expected, drawn = shape.inside(x, y) & cell, red & cell
        if not (is_near(expected, drawn, shape.within) and is_near(drawn, expected, shape.within)):
            names.append(name)
    return names + ["nothing"] * bool((free & red).any())


def test_shapes(labelling: Labelling, browser: Browser) -> None:
    controls = Controls(CONFIG)
    built = {name: shape.build(controls[shape.tag], SIZE) for name, shape in SHAPES.items()}
    open_prediction(labelling, CONFIG, {"image": white(*SIZE)}, built.values())
    assert_drawn(lambda: misplaced(labelling, SHAPES), [])
    browser.keep(labelling.page, "builders-pictures")

    accepted = Accepted(labelling)
    targets = {tag: accepted.regions(controls[tag]) for tag in ATTRIBUTES}
    assert {tag: len(found) for tag, found in targets.items()} == Counter(
        shape.tag for shape in SHAPES.values()
    )
    for name, shape in SHAPES.items():
        assert_output(shape, targets[shape.tag][built[name]["id"]], name)


def assert_output(shape: Shape, target: Any, name: str) -> None:
    """Assert that a target gives the model's output back, and its label."""
    assert target.label == "A", name
    output, read = np.array(shape.output, float), np.array(shape.read(target), float)
    np.testing.assert_allclose(read, output, rtol=0, atol=0.01, err_msg=name)


ROTATIONS = (0, 30.5, 90, 135, 180, 211, 270, 330)


def turned_box(cell: tuple[int, int], cell_size: int, rotation: float) -> Shape:
    """Return a box in the middle of a cell."""
    middle = ((cell[0] + 0.5) * cell_size, (cell[1] + 0.5) * cell_size)
    size = (0.7 * cell_size, 0.3 * cell_size)
    return Shape(
        "RectangleLabels",
        cell,
        lambda control, picture: regions.box(
            control, cxcywh=(*middle, *size), rotation=rotation, size=picture, label="A"
        ),
        in_box(middle, size, rotation),
        (*middle, *size, rotation),
        numbers_of,
    )


def turned_ellipse(cell: tuple[int, int], cell_size: int, rotation: float) -> Shape:
    """Return an ellipse in the middle of a cell."""
    middle = ((cell[0] + 0.5) * cell_size, (cell[1] + 0.5) * cell_size)
    radii = (0.4 * cell_size, 0.2 * cell_size)
    return Shape(
        "EllipseLabels",
        cell,
        lambda control, picture: regions.ellipse(
            control, center=middle, radii=radii, rotation=rotation, size=picture, label="A"
        ),
        in_ellipse(middle, radii, rotation),
        (*middle, *radii, rotation),
        axes_of,
    )


@pytest.mark.soak
@pytest.mark.parametrize("cell_size", [83, 300])
@pytest.mark.parametrize("make", [turned_box, turned_ellipse])
def test_rotations(labelling: Labelling, make: Callable[..., Shape], cell_size: int) -> None:
    picture = (4 * cell_size, 2 * cell_size)
    shapes = {
        str(rotation): make((number % 4, number // 4), cell_size, rotation)
        for number, rotation in enumerate(ROTATIONS)
    }
    tag = shapes["0"].tag
    control = Controls(CONFIG)[tag]
    built = {name: shape.build(control, picture) for name, shape in shapes.items()}
    open_prediction(labelling, CONFIG, {"image": white(*picture)}, built.values())
    assert_drawn(lambda: misplaced(labelling, shapes, picture, cell_size), [])

    targets = Accepted(labelling).regions(control)
    for name, shape in shapes.items():
        assert_output(shape, targets[built[name]["id"]], name)


@pytest.mark.soak
def test_pages(labelling: Labelling) -> None:
    config = CONFIG.replace('value="$image"', 'valueList="$pages"')
    control = Controls(config)["RectangleLabels"]
    pages = [(1000, 400), (600, 400)]
    shapes = [turned_box((1, 0), 200, 20), turned_box((2, 1), 200, 70)]
    built = []
    for number, (page, shape) in enumerate(zip(pages, shapes, strict=True)):
        x, y, width, height, rotation = shape.output
        place = {"cxcywh": (x, y, width, height), "rotation": rotation, "size": page, "item_index": number}
        built.append(regions.box(control, label="A", **place))
    open_prediction(labelling, config, {"pages": [white(*page) for page in pages]}, built)
    for number, (page, shape) in enumerate(zip(pages, shapes, strict=True)):
        labelling.evaluate("(page) => SELECTED.objects[0].setCurrentImage(page)", number)
        assert_drawn(partial(misplaced, labelling, {"box": shape}, page), [])

    examples = list(Accepted(labelling).tasks.targets(control, files=False))
    assert [(example.item, len(example.boxes)) for example in examples] == [(0, 1), (1, 1)]
    for example, shape in zip(examples, shapes, strict=True):
        assert_output(shape, example.boxes[0], str(example.item))
