"""Where regions of images are drawn, and what comes back."""

import base64
import contextlib
import io
from typing import Any

import numpy
import pytest
from label_studio_sdk.converter.brush import decode_rle, encode_rle, mask2rle
from PIL import Image

from ..processes import wait_until
from ..studio import Json
from .labelling import Labelling, png, region, white
from .round_trip import assert_drawn

SIZE: Json = {"original_width": 400, "original_height": 200, "image_rotation": 0}
DATA = {"image": white(400, 200)}
BOX = {"x": 50, "y": 20, "width": 30, "height": 20, "rotation": 0}

#: A control whose regions are drawn red.
RED = """<View><Image name="data" value="$image"/>
    <{0} name="label" toName="data" {1}><Label value="A" background="#ff0000"/></{0}></View>"""
FILLED = 'fillOpacity="1" strokeWidth="0"'

OCR = """<View><Image name="data" value="$image"/><Rectangle name="box" toName="data"/>
    <Labels name="label" toName="data"><Label value="A"/></Labels>
    <TextArea name="text" toName="data" perRegion="true"/>
    <Choices name="kind" toName="data" perRegion="true"><Choice value="c1"/><Choice value="c2"/></Choices></View>"""


def drawn_at(labelling: Labelling, within: float = 0.8, **expected: float) -> None:
    """Assert where the outermost red pixels are, at the latest after a while."""
    last: dict[str, float] | None = None

    def holds() -> bool:
        nonlocal last
        drawn = labelling.drawn()
        last = drawn and {name: drawn[name] for name in expected}
        return bool(last == pytest.approx(expected, abs=within))

    with contextlib.suppress(AssertionError):
        wait_until(holds, "the shape")
    assert last == pytest.approx(expected, abs=within)


def rectangle(**value: float) -> list[Json]:
    return [region("r", "rectanglelabels", {"rectanglelabels": ["A"], **value})]


def test_a_rectangle_turns_clockwise_about_its_top_left_corner(labelling: Labelling) -> None:
    labelling.open(RED.format("RectangleLabels", FILLED), DATA, rectangle(**{**BOX, "rotation": 30}))
    # The image has 400 x 200 pixels: 30% of its width are 120, 20% of its height 40. It turns in pixels.
    along = (120 * numpy.cos(numpy.pi / 6), 120 * numpy.sin(numpy.pi / 6))
    down = (-40 * numpy.sin(numpy.pi / 6), 40 * numpy.cos(numpy.pi / 6))
    drawn_at(
        labelling,
        left=50 + down[0] / 4,
        top=20,
        right=50 + along[0] / 4,
        bottom=20 + (along[1] + down[1]) / 2,
    )
    drawn_at(labelling, top_x=50, right_y=20 + along[1] / 2)
    (stored,) = labelling.submit().stored
    assert stored["value"] == {**BOX, "rotation": 30, "rectanglelabels": ["A"]}
    assert {name: stored[name] for name in SIZE} == SIZE


@pytest.mark.soak
@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({}, {"left": 50, "top": 20, "right": 80, "bottom": 40}),
        ({"rotation": 90}, {"left": 40, "top": 20, "right": 50, "bottom": 80}),
        ({"rotation": 450}, {"left": 40, "top": 20, "right": 50, "bottom": 80}),
        ({"rotation": -90, "y": 80}, {"left": 50, "top": 20, "right": 60, "bottom": 80}),
        ({"width": -20, "height": -10}, {"left": 30, "top": 10, "right": 50, "bottom": 20}),
    ],
)
def test_rectangles(labelling: Labelling, value: Json, shape: dict[str, float]) -> None:
    labelling.open(RED.format("RectangleLabels", FILLED), DATA, rectangle(**{**BOX, **value}))
    drawn_at(labelling, **shape)
    assert labelling.submit().values["r"] == {**BOX, **value, "rectanglelabels": ["A"]}


@pytest.mark.soak
def test_a_rectangle_may_reach_beyond_the_image(labelling: Labelling) -> None:
    beyond = {**BOX, "x": -10, "y": 90}
    labelling.open(RED.format("RectangleLabels", FILLED), DATA, rectangle(**beyond))
    # The canvas cuts the image's rim off: up to 3% of it are not on the screen.
    shape = {"left": 0, "top": 90, "right": 20, "bottom": 100}
    drawn_at(labelling, 3.2, **shape)
    assert labelling.submit().values["r"] == {**beyond, "rectanglelabels": ["A"]}


@pytest.mark.soak
@pytest.mark.parametrize("size", [{}, {"original_width": 999, "original_height": 77, "image_rotation": 90}])
def test_a_rectangle_needs_no_size_of_the_image_and_no_rotation(labelling: Labelling, size: Json) -> None:
    result = [{**rectangle(x=10, y=20, width=30, height=40)[0], **size}]
    labelling.open(RED.format("RectangleLabels", FILLED), DATA, result)
    drawn_at(labelling, left=10, top=20, right=40, bottom=60)
    (stored,) = labelling.submit().stored
    assert {name: stored[name] for name in SIZE} == SIZE
    assert stored["value"]["rotation"] == 0


@pytest.mark.soak
@pytest.mark.parametrize(
    ("rotation", "shape"),
    [
        (0, {"left": 30, "top": 40, "right": 70, "bottom": 60}),
        # 80 pixels to each side become 80 up and down.
        (90, {"left": 45, "top": 10, "right": 55, "bottom": 90}),
    ],
)
def test_ellipses(labelling: Labelling, rotation: int, shape: dict[str, float]) -> None:
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": rotation, "ellipselabels": ["A"]}
    labelling.open(RED.format("EllipseLabels", FILLED), DATA, [region("r", "ellipselabels", value)])
    drawn_at(labelling, **shape)
    assert labelling.submit().values["r"] == value


@pytest.mark.soak
def test_the_width_of_a_key_point_is_its_radius(labelling: Labelling) -> None:
    value = {"x": 50, "y": 50, "width": 10, "keypointlabels": ["A"]}
    labelling.open(RED.format("KeyPointLabels", 'opacity="1"'), DATA, [region("r", "keypointlabels", value)])
    # In percent of the image's width, downwards too: 40 pixels.
    drawn_at(labelling, 1.5, left=40, top=30, right=60, bottom=70)
    assert labelling.submit().values["r"] == value


@pytest.mark.soak
def test_a_key_point_without_width_is_no_region(labelling: Labelling) -> None:
    value = {"x": 50, "y": 50, "keypointlabels": ["A"]}
    labelling.open(RED.format("KeyPointLabels", 'opacity="1"'), DATA, [region("r", "keypointlabels", value)])
    assert labelling.drawn() is None
    assert labelling.submit().values["r"] == {"keypointlabels": ["A"]}


@pytest.mark.soak
@pytest.mark.parametrize("closed", [{"closed": True}, {}])
def test_a_polygon_is_closed_unless_it_says_otherwise(labelling: Labelling, closed: Json) -> None:
    value = {"points": [[10, 10], [60, 10], [60, 80]], "polygonlabels": ["A"], **closed}
    labelling.open(RED.format("PolygonLabels", FILLED), DATA, [region("r", "polygonlabels", value)])
    drawn_at(labelling, left=10, top=10, right=60, bottom=80)
    drawn_at(labelling, area=17.5)
    assert labelling.submit().values["r"] == {**value, "closed": True}


@pytest.mark.soak
def test_an_open_polygon_cannot_be_submitted(labelling: Labelling) -> None:
    value = {"points": [[10, 10], [60, 10], [60, 80]], "closed": False, "polygonlabels": ["A"]}
    labelling.open(RED.format("PolygonLabels", FILLED), DATA, [region("r", "polygonlabels", value)])
    assert labelling.is_refused()


def brush(rle: Any, **more: Any) -> list[Json]:
    value = {"format": "rle", "rle": [int(byte) for byte in rle], "brushlabels": ["A"]}
    return [region("r", "brushlabels", value, **more)]


def mask() -> Any:
    found = numpy.zeros((200, 400), numpy.uint8)
    found[40:100, 40:80] = 255
    return found


@pytest.mark.soak
@pytest.mark.parametrize("size", [{}, {"original_width": 77, "original_height": 7}])
def test_a_brush_mask_has_one_pixel_for_each_of_the_image(labelling: Labelling, size: Json) -> None:
    labelling.open(RED.format("BrushLabels", ""), DATA, brush(mask2rle(mask()), **size))
    drawn_at(labelling, left=10, top=20, right=20, bottom=50)
    (stored,) = labelling.submit().stored
    pixels = decode_rle(stored["value"]["rle"]).reshape(200, 400, 4)
    assert (pixels == mask()[..., None]).all()
    assert {name: stored[name] for name in SIZE} == SIZE


@pytest.mark.soak
def test_a_brush_mask_of_another_size_is_not_scaled(labelling: Labelling) -> None:
    half = mask()[::2, ::2]
    size = {"original_width": 200, "original_height": 100}
    labelling.open(RED.format("BrushLabels", ""), DATA, brush(mask2rle(half), **size))
    drawn_at(labelling, left=5, top=5, right=60, bottom=12.5)


@pytest.mark.soak
@pytest.mark.parametrize(("pixel", "visible"), [((0, 0, 0, 255), True), ((255, 255, 255, 0), False)])
def test_only_the_alpha_of_a_brush_mask_counts(
    labelling: Labelling, pixel: tuple[int, ...], visible: bool
) -> None:
    pixels = numpy.zeros((200, 400, 4), numpy.uint8)
    pixels[40:100, 40:80] = pixel
    labelling.open(RED.format("BrushLabels", ""), DATA, brush(encode_rle(list(pixels.reshape(-1)))))
    assert_drawn(lambda: labelling.drawn() is not None, visible)
    stored = decode_rle(labelling.submit().values["r"]["rle"]).reshape(200, 400, 4)
    assert (stored == (mask()[..., None] if visible else 0)).all()


@pytest.mark.soak
def test_a_label_belongs_to_the_region_of_a_magic_wand(labelling: Labelling) -> None:
    config = """<View><Image name="data" value="$image"/><MagicWand name="wand" toName="data" opacity="1"/>
        <Labels name="label" toName="data"><Label value="A" background="#ff0000"/></Labels></View>"""
    place = {"format": "rle", "rle": mask2rle(mask())}
    result = [
        region("r", "magicwand", place, from_name="wand", **SIZE),
        region("r", "labels", {**place, "labels": ["A"]}, **SIZE),
    ]
    labelling.open(config, DATA, result)
    drawn_at(labelling, left=10, top=20, right=20, bottom=50)
    wand, label = labelling.submit().stored
    assert (wand["type"], label["type"], label["value"]["labels"]) == ("magicwand", "labels", ["A"])


@pytest.mark.soak
@pytest.mark.parametrize("scale", [1, 2])
def test_a_bitmask_is_a_png_whose_alpha_counts_and_it_is_scaled(labelling: Labelling, scale: int) -> None:
    pixels = numpy.zeros((200, 400, 4), numpy.uint8)
    pixels[40:100, 40:80, 3] = 255
    url = png(pixels[::scale, ::scale], "RGBA")
    value = {"imageDataURL": url, "bitmasklabels": ["A"]}
    labelling.open(RED.format("BitmaskLabels", ""), DATA, [region("r", "bitmasklabels", value)])
    drawn_at(labelling, left=10, top=20, right=20, bottom=50)
    stored = labelling.submit().values["r"]["imageDataURL"]
    image = Image.open(io.BytesIO(base64.b64decode(stored.split(",")[1])))
    assert image.size == (400 / scale, 200 / scale)


@pytest.mark.soak
def test_a_bitmask_without_alpha_covers_the_image(labelling: Labelling) -> None:
    value = {"imageDataURL": png(mask(), "L"), "bitmasklabels": ["A"]}
    labelling.open(RED.format("BitmaskLabels", ""), DATA, [region("r", "bitmasklabels", value)])
    drawn_at(labelling, 8, area=92)


VERTICES = [{"id": "p1", "x": 10, "y": 10}, {"id": "p2", "x": 60, "y": 10}, {"id": "p3", "x": 60, "y": 80}]


@pytest.mark.soak
def test_a_vector_needs_the_size_of_the_image(labelling: Labelling) -> None:
    value = {"vertices": VERTICES, "closed": False, "vectorlabels": ["A"]}
    config = RED.format("VectorLabels", 'strokeWidth="3"')
    labelling.open(config, DATA, [region("r", "vectorlabels", value, **SIZE)])
    drawn_at(labelling, 1.5, left=10, top=10, right=60, bottom=80)
    assert labelling.submit().values["r"] == value


@pytest.mark.soak
def test_a_vector_without_the_size_of_the_image_is_damaged(labelling: Labelling) -> None:
    value = {"vertices": VERTICES, "closed": False, "vectorlabels": ["A"]}
    labelling.open(RED.format("VectorLabels", 'strokeWidth="3"'), DATA, [region("r", "vectorlabels", value)])
    assert labelling.drawn() is None
    assert [vertex["x"] for vertex in labelling.submit().values["r"]["vertices"]] == [0.025, 0.15, 0.15]


def vector(*vertices: Json, closed: bool = False) -> list[Json]:
    value = {"vertices": list(vertices), "closed": closed, "vectorlabels": ["A"]}
    return [region("r", "vectorlabels", value, **SIZE)]


LINE = 'strokeWidth="3"'


@pytest.mark.soak
def test_a_vector_with_curves(labelling: Labelling) -> None:
    # Half way along a cubic curve, y is (80 + 3 * 20 + 3 * 20 + 80) / 8.
    ends = [
        {"id": "p1", "x": 10, "y": 80, "isBezier": True, "prevPointId": None}
        | {"controlPoint1": {"x": 10, "y": 80}, "controlPoint2": {"x": 10, "y": 20}},
        {"id": "p2", "x": 60, "y": 80, "isBezier": True, "prevPointId": "p1"}
        | {"controlPoint1": {"x": 60, "y": 20}, "controlPoint2": {"x": 60, "y": 80}},
    ]
    labelling.open(RED.format("VectorLabels", LINE), DATA, vector(*ends))
    drawn_at(labelling, 2.5, left=10, right=60, top=35, top_x=35)
    assert labelling.submit().values["r"]["vertices"] == ends


@pytest.mark.soak
def test_a_vector_with_branches(labelling: Labelling) -> None:
    areas = []
    for joined in ("p1", "p2"):
        branches = [VERTICES[0], {**VERTICES[1], "prevPointId": "p1"}]
        branches.append({"id": "p3", "x": 10, "y": 80, "prevPointId": joined})
        labelling.open(RED.format("VectorLabels", LINE), DATA, vector(*branches))
        drawn_at(labelling, 1.5, left=10, top=10, right=60, bottom=80)
        areas.append((labelling.drawn() or {})["area"])
        assert labelling.submit().values["r"]["vertices"] == branches
    # Without the line from the second point to the third one, which is the longest.
    assert areas[0] < 0.7 * areas[1]


@pytest.mark.soak
@pytest.mark.parametrize(("attributes", "closed"), [("", False), ('closable="true"', True)])
def test_a_vector_is_closed_only_if_it_is_closable(
    labelling: Labelling, attributes: str, closed: bool
) -> None:
    labelling.open(RED.format("VectorLabels", f"{LINE} {attributes}"), DATA, vector(*VERTICES, closed=True))
    drawn_at(labelling, 1.5, left=10, top=10, right=60, bottom=80)
    labelling.shows("() => SELECTED.regionStore.regions[0].closed", closed)
    assert labelling.submit().values["r"]["closed"] is closed


@pytest.mark.soak
@pytest.mark.parametrize("attributes", ['closable="true"', 'minPoints="4"', 'maxPoints="2"'])
def test_vectors_can_be_submitted_open_and_with_any_number_of_points(
    labelling: Labelling, attributes: str
) -> None:
    labelling.open(RED.format("VectorLabels", f"{LINE} {attributes}"), DATA, vector(*VERTICES))
    stored = labelling.submit().values["r"]
    assert (len(stored["vertices"]), stored["closed"]) == (3, False)


@pytest.mark.soak
def test_regions_of_several_images(labelling: Labelling) -> None:
    config = """<View><Image name="data" valueList="$images"/><RectangleLabels name="label" toName="data"
        fillOpacity="1" strokeWidth="0"><Label value="A" background="#ff0000"/></RectangleLabels></View>"""
    data = {"images": [white(400, 200), white(200, 200)]}
    first, second = (
        rectangle(x=10, y=20, width=30, height=40)[0],
        rectangle(x=50, y=50, width=10, height=10)[0],
    )
    labelling.open(config, data, [{**first, "item_index": 0}, {**second, "id": "second", "item_index": 1}])
    drawn_at(labelling, left=10, top=20, right=40, bottom=60)
    stored = {item["id"]: item for item in labelling.submit().stored}
    assert {name: item["item_index"] for name, item in stored.items()} == {"r": 0, "second": 1}
    # The second image was never on the screen: its item comes back as it was given, without a size.
    assert stored["r"]["original_width"] == 400
    assert "original_width" not in stored["second"]
    assert "rotation" not in stored["second"]["value"]


@pytest.mark.soak
def test_an_index_without_an_image_breaks_the_page(labelling: Labelling) -> None:
    config = RED.format("RectangleLabels", FILLED).replace('value="$image"', 'valueList="$images"')
    result = [{**rectangle(**BOX)[0], "item_index": 7}]
    assert labelling.breaks(config, {"images": [white(400, 200)]}, result)


PLACE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}


@pytest.mark.soak
@pytest.mark.parametrize("place", [PLACE, {}])
def test_fields_of_a_region_are_items_with_its_id(labelling: Labelling, place: Json) -> None:
    result = [
        region("r", "rectangle", PLACE, "box"),
        region("r", "labels", {**place, "labels": ["A"]}),
        region("r", "textarea", {**place, "text": ["hello"]}, "text"),
        region("r", "choices", {**place, "choices": ["c2"]}, "kind"),
    ]
    labelling.open(OCR, DATA, result)
    (shown,) = labelling.regions()
    assert (shown["type"], shown["labels"]) == ("rectangleregion", ["A"])
    stored = labelling.submit().stored
    # Every item comes back with the rectangle's place, whether it had one or not.
    assert {item["from_name"]: item["value"] for item in stored} == {
        "box": PLACE,
        "label": {**PLACE, "labels": ["A"]},
        "text": {**PLACE, "text": ["hello"]},
        "kind": {**PLACE, "choices": ["c2"]},
    }
    assert {item["id"] for item in stored} == {"r"}


@pytest.mark.soak
def test_the_first_item_of_an_id_must_have_the_place(labelling: Labelling) -> None:
    result = [region("r", "textarea", {"text": ["hello"]}, "text"), region("r", "rectangle", PLACE, "box")]
    labelling.open(OCR, DATA, result)
    assert labelling.regions() == []
    assert {item["from_name"]: item["value"] for item in labelling.submit().stored}["box"] == {}


@pytest.mark.soak
def test_labels_in_the_value_of_a_plain_rectangle_are_lost(labelling: Labelling) -> None:
    labelling.open(OCR, DATA, [region("r", "rectangle", {**PLACE, "labels": ["A"]}, "box")])
    assert [item["value"] for item in labelling.submit().stored] == [PLACE]


@pytest.mark.soak
def test_a_region_is_listed_below_its_parent(labelling: Labelling) -> None:
    config = """<View><Image name="data" value="$image"/>
        <RectangleLabels name="label" toName="data"><Label value="Person"/></RectangleLabels>
        <KeyPointLabels name="point" toName="data"><Label value="Nose"/></KeyPointLabels></View>"""
    dot = {"x": 60, "y": 30, "width": 1, "keypointlabels": ["Nose"]}
    result = [
        region("r", "rectanglelabels", {**BOX, "rectanglelabels": ["Person"]}),
        region("p", "keypointlabels", dot, from_name="point", parentID="r"),
    ]
    labelling.open(config, DATA, result)
    person, nose = labelling.submit().stored
    assert "parentID" not in person
    assert nose["parentID"] == person["id"]
