"""Values on which the labelling page breaks: our checks call exactly these faults.

Each value stands in the second of three regions. The page loses that region, others with it, or fails.
"""

from typing import Any

import pytest
from label_studio_sdk.converter.brush import mask2rle
from playwright.sync_api import Error as BrowserError

from label_studio_ml.validation.region_checks import RegionChecks

from ..studio import Json
from .labelling import Labelling, region
from .test_control_facts import CHOICES, CONTROL, RELATIONS, TEXT, span
from .test_image_facts import DATA, FILLED, RED, mask

BOX = {"x": 10, "y": 20, "width": 30, "height": 20, "rotation": 0}
TALK = {"p": [{"author": "Ann", "text": "hello you"}]}
PAGE = {"h": "<p>hello you</p>"}
PARAGRAPHS = """<View><ParagraphLabels name="label" toName="data"><Label value="A"/></ParagraphLabels>
    <Paragraphs name="data" value="$p"/></View>"""
HYPERTEXT = """<View><HyperTextLabels name="label" toName="data"><Label value="A"/></HyperTextLabels>
    <HyperText name="data" value="$h"/></View>"""
RLE = [int(byte) for byte in mask2rle(mask())]

#: Label config, data, type and good value of each kind of region.
KINDS: dict[str, tuple[str, Json, str, Json]] = {
    "box": (RED.format("RectangleLabels", FILLED), DATA, "rectanglelabels", BOX),
    "polygon": (
        RED.format("PolygonLabels", FILLED),
        DATA,
        "polygonlabels",
        {"points": [[10, 10], [60, 10], [60, 80]]},
    ),
    "key point": (RED.format("KeyPointLabels", ""), DATA, "keypointlabels", {"x": 50, "y": 50, "width": 2}),
    "brush": (RED.format("BrushLabels", ""), DATA, "brushlabels", {"format": "rle", "rle": RLE}),
    "text": (RELATIONS, TEXT, "labels", {"start": 1, "end": 3}),
    "paragraphs": (
        PARAGRAPHS,
        TALK,
        "paragraphlabels",
        {"start": "0", "startOffset": 0, "end": "0", "endOffset": 2},
    ),
    "page": (
        HYPERTEXT,
        PAGE,
        "hypertextlabels",
        {"start": "/p[1]/text()[1]", "startOffset": 0, "end": "/p[1]/text()[1]", "endOffset": 2},
    ),
}

BROKEN: list[tuple[str, Json]] = [
    ("box", {"x": "10"}),
    ("box", {"x": True}),
    ("box", {"rotation": None}),
    ("box", {"rectanglelabels": "A"}),
    ("box", {"rectanglelabels": None}),
    ("polygon", {"points": [[10, None], [60, 10], [60, 80]]}),
    ("polygon", {"points": [10, 10, 60, 10, 60, 80]}),
    ("key point", {"x": "10"}),
    ("key point", {"width": None}),
    ("brush", {"rle": [0, 0, 0, 1]}),
    ("brush", {"rle": RLE[:40]}),
    ("text", {"start": None}),
    ("text", {"text": None}),
    ("text", {"text": ["el"]}),
    ("text", {"labels": "A"}),
    ("paragraphs", {"startOffset": 0.5}),
    ("paragraphs", {"startOffset": "1"}),
    ("paragraphs", {"text": None}),
    ("page", {"startOffset": None}),
    ("page", {"startOffset": 0.5}),
    ("page", {"text": None}),
]
SHOWN: list[tuple[str, Json]] = [
    ("box", {"width": 0}),
    ("box", {"x": 250}),
    ("box", {"rectanglelabels": []}),
    ("polygon", {"points": [[1, 1]]}),
    ("polygon", {"points": [[1, 2, 3], [40, 5, 6], [7, 80, 9]]}),
    ("key point", {"width": 0}),
    ("brush", {"rle": []}),
    ("text", {"start": 9}),
    ("text", {"start": 100, "end": 110}),
    ("paragraphs", {"endOffset": 90}),
    ("paragraphs", {"start": "x"}),
]


def is_broken(
    labelling: Labelling, config: str, data: Json, result: list[Json], patience: float | None = 8_000
) -> bool:
    """Tell whether the page fails, or does not have all regions. See `Labelling.open` for the `patience`."""
    try:
        labelling.open(config, data, result, patience=patience)
        shown = {str(item["id"]) for item in labelling.regions()}
        labelling.evaluate("() => SELECTED.serializeAnnotation()")
    except BrowserError:
        return True
    return shown != {item["id"] for item in result if "id" in item}


def has_fault(config: str, data: Json, result: list[Json]) -> bool:
    return RegionChecks(config).refusal(result, task={"id": 1, "data": data}) is not None


@pytest.mark.soak
@pytest.mark.parametrize(
    ("kind", "change", "broken"),
    [*((kind, change, True) for kind, change in BROKEN), *((kind, change, False) for kind, change in SHOWN)],
)
def test_a_value_is_a_fault_where_the_page_breaks(
    labelling: Labelling, kind: str, change: Json, broken: bool
) -> None:
    config, data, region_type, good = KINDS[kind]
    value = {region_type: ["A"], **good}
    result = [region(name, region_type, value) for name in "abc"]
    result[1]["value"] = {**value, **change}
    # A page that is to be whole has the time that a slow machine needs.
    assert is_broken(labelling, config, data, result, 8_000 if broken else None) == broken
    assert has_fault(config, data, result) == broken


@pytest.mark.soak
@pytest.mark.parametrize("field", [{"score": "0.9"}, {"score": True}, {"item_index": 3}, {"item_index": "0"}])
def test_a_field_beside_the_value_is_a_fault_where_the_page_breaks(labelling: Labelling, field: Json) -> None:
    config, data, region_type, good = KINDS["box"]
    result = [region(name, region_type, {**good, region_type: ["A"]}) for name in "abc"]
    result[1] |= field
    assert is_broken(labelling, config, data, result)
    assert has_fault(config, data, result)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("tag", "field", "value"),
    [
        ("Rating", "rating", "4"),
        ("Rating", "rating", None),
        ("DateTime", "datetime", 7),
        ("TextArea", "text", [7]),
        ("Choices", "choices", [1]),
    ],
)
def test_a_field_without_a_position_is_a_fault_where_the_page_fails(
    labelling: Labelling, tag: str, field: str, value: Any
) -> None:
    config = CONTROL.format(tag, "", CHOICES if tag == "Choices" else "")
    result = [region("r", tag.lower(), {field: value})]
    assert labelling.breaks(config, TEXT, result)
    assert has_fault(config, TEXT, result)


@pytest.mark.soak
def test_of_two_regions_with_one_id_one_is_lost(labelling: Labelling) -> None:
    result = [span("a", 0, 5), span("b", 0, 2), span("b", 6, 8)]
    labelling.open(RELATIONS, TEXT, result)
    assert [item["text"] for item in labelling.regions()] == ["hello", "he"]
    assert has_fault(RELATIONS, TEXT, result)
