"""What the label config does not allow is named; what the SDK accepts is never refused."""

import importlib.metadata
from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from label_studio_ml.validation.region_checks import RegionChecks

#: Before 2.0, the SDK's validator did not look at all of a region.
CURRENT_SDK = int(importlib.metadata.version("label-studio-sdk").partition(".")[0]) >= 2

#: A code of one pixel: 4 values of 8 bits, lengths of 4, 3, 2 and 1 bits, and a block that repeats 255 four times.
RLE = list(int(f"{4:032b}{7:05b}{3:04b}{2:04b}{1:04b}{0:04b}1{0:02b}{3:04b}{255:08b}{0:04b}", 2).to_bytes(9))

BOX = {"x": 10, "y": 20.5, "width": 30, "height": 4}
SPAN = {"start": 0, "end": 3}

#: Label config → regions that it allows.
ALLOWED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "rectangles": (
        '<Image name="i" value="$i"/><RectangleLabels name="b" toName="i"><Label value="cat"/></RectangleLabels>',
        [
            {
                "from_name": "b",
                "to_name": "i",
                "type": "rectanglelabels",
                "value": {**BOX, "rectanglelabels": ["cat"]},
            },
        ],
    ),
    "labels on a rectangle": (
        (
            '<Image name="i" value="$i"/><Rectangle name="r" toName="i"/>'
            '<Labels name="l" toName="i"><Label value="cat"/></Labels>'
        ),
        [
            {"id": "1", "from_name": "r", "to_name": "i", "type": "rectangle", "value": BOX},
            {
                "id": "1",
                "from_name": "l",
                "to_name": "i",
                "type": "labels",
                "value": {**BOX, "labels": ["cat"]},
            },
            {
                "id": "2",
                "from_name": "l",
                "to_name": "i",
                "type": "rectanglelabels",
                "value": {**BOX, "rectanglelabels": ["cat"]},
            },
        ],
    ),
    "polygons": (
        '<Image name="i" value="$i"/><PolygonLabels name="p" toName="i"><Label value="cat"/></PolygonLabels>',
        [
            {
                "from_name": "p",
                "to_name": "i",
                "type": "polygonlabels",
                "value": {"points": [[1, 2], [3, 4], [5, 6]], "polygonlabels": ["cat"]},
            },
        ],
    ),
    "key points": (
        '<Image name="i" value="$i"/><KeyPointLabels name="k" toName="i"><Label value="cat"/></KeyPointLabels>',
        [
            {
                "from_name": "k",
                "to_name": "i",
                "type": "keypointlabels",
                "value": {"x": 1, "y": 2, "width": 0.5, "keypointlabels": ["cat"]},
            }
        ],
    ),
    "ellipses": (
        '<Image name="i" value="$i"/><EllipseLabels name="e" toName="i"><Label value="cat"/></EllipseLabels>',
        [
            {
                "from_name": "e",
                "to_name": "i",
                "type": "ellipselabels",
                "value": {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "ellipselabels": ["cat"]},
            }
        ],
    ),
    "spans": (
        (
            '<Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="PER" alias="person"/>'
            '<Label value="LOC"/>'
            "</Labels>"
        ),
        [
            {"from_name": "l", "to_name": "t", "type": "labels", "value": {**SPAN, "labels": ["person"]}},
            {
                "from_name": "l",
                "to_name": "t",
                "type": "labels",
                "value": {**SPAN, "text": "abc", "labels": ["LOC"]},
            },
        ],
    ),
    "choices": (
        '<Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="yes"/><Choice value="no"/></Choices>',
        [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["yes", "no"]}}],
    ),
    "choices of the task": (
        '<Text name="t" value="$t"/><Choices name="c" toName="t" value="$options"/>',
        [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["anything"]}}],
    ),
    "taxonomy": (
        (
            '<Text name="t" value="$t"/><Taxonomy name="x" toName="t"><Choice value="a">'
            '<Choice value="b"/></Choice></Taxonomy>'
        ),
        [{"from_name": "x", "to_name": "t", "type": "taxonomy", "value": {"taxonomy": [["a"], ["a", "b"]]}}],
    ),
    "texts, numbers and ratings": (
        (
            '<Text name="t" value="$t"/><TextArea name="a" toName="t"/><Number name="n" toName="t"/>'
            '<Rating name="r" toName="t"/><DateTime name="d" toName="t"/>'
        ),
        [
            {"from_name": "a", "to_name": "t", "type": "textarea", "value": {"text": ["x"]}},
            {"from_name": "n", "to_name": "t", "type": "number", "value": {"number": 0}},
            {"from_name": "r", "to_name": "t", "type": "rating", "value": {"rating": 0}},
            {"from_name": "d", "to_name": "t", "type": "datetime", "value": {"datetime": "2026-01-01"}},
        ],
    ),
    "brush": (
        '<Image name="i" value="$i"/><BrushLabels name="b" toName="i"><Label value="cat"/></BrushLabels>',
        [
            {
                "from_name": "b",
                "to_name": "i",
                "type": "brushlabels",
                "value": {"format": "rle", "rle": RLE, "brushlabels": ["cat"]},
            }
        ],
    ),
    "relations": (
        (
            '<Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="A"/></Labels><Relations>'
            '<Relation value="r"/></Relations>'
        ),
        [
            {
                "id": "1",
                "from_name": "l",
                "to_name": "t",
                "type": "labels",
                "value": {**SPAN, "labels": ["A"]},
            },
            {
                "id": "2",
                "from_name": "l",
                "to_name": "t",
                "type": "labels",
                "value": {**SPAN, "labels": ["A"]},
            },
            {"type": "relation", "from_id": "1", "to_id": "2", "direction": "right", "labels": ["r"]},
        ],
    ),
}

CASES = [
    pytest.param(f"<View>{config}</View>", regions, id=name) for name, (config, regions) in ALLOWED.items()
]


@pytest.mark.parametrize(("config", "regions"), CASES)
def test_what_the_config_allows_is_not_refused(config: str, regions: list[dict[str, Any]]) -> None:
    assert RegionChecks(config).refusal(regions) is None


@pytest.mark.parametrize(("config", "regions"), CASES)
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"from_name": "nothing"}, "no control with this from_name"),
        ({"from_name": None}, "no control with this from_name"),
        ({"to_name": "nothing"}, "is not what this control labels"),
        ({"type": "videorectangle"}, "does not match the control"),
        ({"type": None}, "has no 'type'"),
        ({"value": None}, "has no 'value'"),
        ({"value": {}}, "has no 'value'"),
        ({"value": "text"}, "has no 'value'"),
    ],
    ids=str,
)
def test_each_part_of_a_region_has_to_fit(
    config: str, regions: list[dict[str, Any]], change: dict[str, Any], fault: str
) -> None:
    refusal = RegionChecks(config).refusal([{**regions[0], **change}, *regions[1:]])
    assert refusal is not None
    assert fault in refusal.fault
    assert refusal.region == 0
    if CURRENT_SDK and change != {"from_name": None}:  # the SDK takes None for the only control there is
        assert not LabelInterface(config).validate_prediction({"result": [{**regions[0], **change}]})


def breaks(region: dict[str, Any], field: str, value: Any) -> bool:
    """Tell whether Label Studio breaks on a value that the SDK accepts."""
    if field == "text" and region["type"] == "labels":
        return not isinstance(value, str)
    if field in ("start", "end") and region["type"] == "labels":
        return not isinstance(value, float)
    if field == "width" and region["type"] == "keypointlabels":
        return not isinstance(value, float)
    return field == "labels" and not isinstance(value, list | dict)


@pytest.mark.parametrize(("config", "regions"), CASES)
@pytest.mark.skipif(not CURRENT_SDK, reason="the SDK's validator is an older one")
def test_what_the_sdk_accepts_is_accepted(config: str, regions: list[dict[str, Any]]) -> None:
    """Take each field of each region's value away, or spoil it: whatever the SDK still accepts is not refused.

    Exceptions are those on which Label Studio was seen to break (docs/region-formats.md, tests/e2e/regions_facts).
    """
    interface, checks = LabelInterface(config), RegionChecks(config)
    spoilt = 0
    for number, region in enumerate(regions):
        for field in region.get("value", {}):
            values: list[Any] = [None, "text", [], ["unknown"], 1e9, {}]
            for value in values:
                changed = {**region, "value": {**region["value"], field: value}}
                result = [*regions[:number], changed, *regions[number + 1 :]]
                if interface.validate_prediction({"result": result}) and not breaks(region, field, value):
                    assert checks.refusal(result) is None, result
                spoilt += checks.refusal(result) is not None
    assert spoilt > 0


@pytest.mark.parametrize(
    ("name", "field", "value", "fault"),
    [
        (
            "rectangles",
            "rectanglelabels",
            ["Cat"],
            "the label 'Cat' is not in the label config (it has: cat)",
        ),
        ("rectangles", "width", None, "its value has no 'width'"),
        ("rectangles", "x", "left", "'x' of its value is not a number: 'left'"),
        ("spans", "labels", ["PER"], "the label 'PER' is not in the label config (it has: LOC, person)"),
        ("choices", "choices", "maybe", "'choices' of its value is not a list: 'maybe'"),
        ("choices", "choices", ["maybe"], "the label 'maybe' is not in the label config (it has: no, yes)"),
        ("taxonomy", "taxonomy", [["a", "c"]], "the label 'c' is not in the label config (it has: a, b)"),
        ("polygons", "points", None, "its value has no 'points'"),
        ("brush", "rle", None, "its value has no 'rle'"),
    ],
)
def test_a_fault_in_a_value_is_named(name: str, field: str, value: Any, fault: str) -> None:
    config, regions = ALLOWED[name]
    region = {**regions[0], "value": {**regions[0]["value"], field: value}}
    refusal = RegionChecks(f"<View>{config}</View>").refusal([*regions, region])
    assert refusal is not None
    assert str(refusal) == f"region {len(regions)} of {region['from_name']!r}: {fault}"
    assert refusal.kind == f"regions of {region['from_name']!r}: {fault}"


@pytest.mark.parametrize("flag", ["idx", "i"])
def test_names_inside_a_repeater_have_an_index(flag: str) -> None:
    attribute = "" if flag == "idx" else 'indexFlag="{{i}}"'
    config = f"""<View><Repeater on="$pages" {attribute}>
    <Image name="page_{{{{idx}}}}" value="$pages[{{{{idx}}}}].url"/>
    <RectangleLabels name="box_{{{{idx}}}}" toName="page_{{{{idx}}}}"><Label value="cat"/></RectangleLabels>
    </Repeater></View>"""
    checks = RegionChecks(config.replace("{{idx}}", f"{{{{{flag}}}}}"))
    value = {**BOX, "rectanglelabels": ["cat"]}

    def fault(from_name: str, to_name: str) -> str:
        region = {"from_name": from_name, "to_name": to_name, "type": "rectanglelabels", "value": value}
        refusal = checks.refusal([region])
        return "" if refusal is None else refusal.fault

    assert fault("box_0", "page_0") == fault("box_12", "page_12") == ""
    assert f"it has: box_{{{{{flag}}}}}" in fault("box_x", "page_0")
    assert "to_name 'picture' is not what this control labels" in fault("box_1", "picture")


@pytest.mark.parametrize(
    "config", ["", None, "<View></View>", "<View><Text name='t' value='$t'/></View>", "<oops"]
)
def test_a_project_without_controls_allows_everything(config: str | None) -> None:
    assert RegionChecks(config).refusal([{"anything": 1}]) is None


def test_a_region_that_is_no_object_is_named() -> None:
    config = f"<View>{ALLOWED['choices'][0]}</View>"
    refusal = RegionChecks(config).refusal(["text"])
    assert str(refusal) == "region 0: it is not a dict but str"


def test_a_message_to_the_page_passes_where_an_annotator_asked() -> None:
    """The interactive video example of the event generation answers so: no tag has a type of that name."""
    checks = RegionChecks(f"<View>{ALLOWED['rectangles'][0]}</View>")
    for message in (
        {"type": "capabilities", "value": {"prompts": ["box"]}},
        {"type": "track_progress", "from_name": "b", "to_name": "i", "value": {"frames": [1]}},
    ):
        assert checks.refusal([message], interactive=True) is None
        assert checks.refusal([message]) is not None, "elsewhere it would be stored"


@pytest.mark.parametrize(
    "kind", ["rectanglelabels", "RectangleLabels", "choices", "brushlabels", "labels", ""]
)
def test_a_region_of_a_known_type_is_checked_where_an_annotator_asked_too(kind: str) -> None:
    checks = RegionChecks(f"<View>{ALLOWED['rectangles'][0]}</View>")
    region = {"type": kind, "from_name": "other", "to_name": "i", "value": BOX}
    assert checks.refusal([region], interactive=True) is not None


def test_a_control_with_code_of_its_own_takes_regions_of_any_type() -> None:
    """2.x's docling example sends `rectanglelabels` for a ReactCode, which is its own object."""
    checks = RegionChecks('<View><ReactCode name="d" toName="d" data="$image"/></View>')
    region = {"from_name": "d", "to_name": "d", "type": "rectanglelabels"}
    assert checks.refusal([{**region, "value": {**BOX, "rectanglelabels": ["text"], "level": 1}}]) is None
    assert checks.refusal([{**region, "type": "reactcode", "value": {"reactcode": {"any": 1}}}]) is None
    other = checks.refusal([{**region, "to_name": "e", "value": BOX}])
    assert other is not None
    assert "to_name 'e'" in str(other)
