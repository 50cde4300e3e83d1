"""Each kind of problem of a region's value: how it is told, whether Label Studio shows it, and its repair."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.converter.brush import mask2rle

from label_studio_ml.validation.finding import Finding
from label_studio_ml.validation.region_checks import RegionChecks
from label_studio_ml.validation.repair import repaired

Json = dict[str, Any]

LABEL = '<Label value="A"/>'
#: Object tag and control of each kind of region.
CONFIGS = {
    "box": ('<Image name="o" value="$i"/>', "RectangleLabels"),
    "ellipse": ('<Image name="o" value="$i"/>', "EllipseLabels"),
    "key point": ('<Image name="o" value="$i"/>', "KeyPointLabels"),
    "polygon": ('<Image name="o" value="$i"/>', "PolygonLabels"),
    "vector": ('<Image name="o" value="$i"/>', "VectorLabels"),
    "brush": ('<Image name="o" value="$i"/>', "BrushLabels"),
    "bitmask": ('<Image name="o" value="$i"/>', "BitmaskLabels"),
    "text": ('<Text name="o" value="$text"/>', "Labels"),
    "page": ('<HyperText name="o" value="$page"/>', "HyperTextLabels"),
    "paragraphs": ('<Paragraphs name="o" value="$talk"/>', "ParagraphLabels"),
    "audio": ('<Audio name="o" value="$a"/>', "Labels"),
    "series": ('<TimeSeries name="o" value="$s"/>', "TimeSeriesLabels"),
    "timeline": ('<Video name="o" value="$v"/>', "TimelineLabels"),
    "track": ('<Video name="o" value="$v"/>', "VideoRectangle"),
}
TASK: Json = {
    "id": 1,
    "data": {
        "i": "https://example.org/1.png",
        "text": "a😀b cat",
        "talk": [{"author": "Ann", "text": "hi 😀 you"}, {"author": "Bob", "text": "good day"}],
    },
}
SIZE: Json = {"original_width": 400, "original_height": 200}
KEY: Json = {"frame": 1, "enabled": True, "x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
MASK = mask2rle(__import__("numpy").full((2, 3), 255, "uint8"))
#: A value of each kind without a problem.
GOOD: dict[str, Json] = {
    "box": {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0},
    "ellipse": {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 0},
    "key point": {"x": 50, "y": 50, "width": 1},
    "polygon": {"points": [[10, 10], [60, 10], [60, 80]], "closed": True},
    "vector": {"vertices": [{"x": 1, "y": 2}, {"x": "3", "y": 4}]},
    "brush": {"format": "rle", "rle": [int(byte) for byte in MASK]},
    "bitmask": {"imageDataURL": "data:image/png;base64,AAAA"},
    "text": {"start": 1, "end": 2, "text": "😀"},
    "page": {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 2},
    "paragraphs": {"start": "0", "end": "0", "startOffset": 3, "endOffset": 5},
    "audio": {"start": 0.5, "end": 1.25, "channel": 0},
    "series": {"start": 110, "end": 120.5},
    "timeline": {"ranges": [{"start": 1, "end": 10}, {"start": 12.0, "end": 12}]},
    "track": {"sequence": [KEY]},
}
GONE = "gone"


def config(kind: str) -> str:
    item, tag = CONFIGS[kind]
    return f'<View>{item}<{tag} name="c" toName="o">{LABEL if tag.endswith("Labels") else ""}</{tag}></View>'


def region(kind: str, value: Json, **more: Any) -> Json:
    tag = CONFIGS[kind][1].lower()
    labels = {tag: ["A"]} if tag.endswith("labels") else {}
    size = SIZE if kind == "vector" else {}
    return {
        "id": "r",
        "from_name": "c",
        "to_name": "o",
        "type": tag,
        "value": {**labels, **value},
        **size,
        **more,
    }


def findings(kind: str, *regions: Json, task: Json | None = TASK) -> list[Finding]:
    return RegionChecks(config(kind)).findings(list(regions), task=task)


def after_repair(kind: str, *regions: Json) -> list[Any]:
    checks = RegionChecks(config(kind))
    found = checks.findings(list(regions), task=TASK)
    return repaired(checks, list(regions), found, task=TASK)


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_value_has_no_problem(kind: str) -> None:
    assert findings(kind, region(kind, GOOD[kind])) == []
    assert findings(kind, region(kind, GOOD[kind]), task=None) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("box", {"x": -0.4, "width": 100.8}),  # models round and pad
        ("box", {"x": 95, "width": 30, "rotation": 45}),  # a turned box may overhang
        ("box", {"x": -300, "rotation": 45}),  # the picture's size is not known
        ("box", {"rotation": 450}),
        ("ellipse", {"x": -10}),
        ("text", {"start": "1", "end": 2.0}),
        ("text", {"text": ""}),
        ("text", {"start": 0, "end": 7, "text": "a😀b  \\ncat"}),  # white space is not compared
        ("page", {"start": 3, "end": 5, "startOffset": None}),
        ("page", {"start": "", "end": "", "globalOffsets": {"start": 1, "end": 2}}),
        ("series", {"start": "2024-01-05", "end": "2024-01-10"}),
        ("polygon", {"points": [[0, 0], [100.2, 0], [50, 100, 7]]}),
    ],
)
def test_what_label_studio_shows_has_no_problem(kind: str, change: Json) -> None:
    assert findings(kind, region(kind, {**GOOD[kind], **change})) == []


#: Kind, what is changed in the value, the field, and a part of the text. Label Studio was seen to break on each.
FAULTS = [
    ("box", {"x": "10"}, "x", "'x' of its value is not a number: '10'"),
    ("box", {"x": True}, "x", "not a number"),
    ("box", {"y": math.nan}, "y", "not a number"),
    ("box", {"y": None}, "y", "its value has no 'y'"),
    ("box", {"rotation": None}, "rotation", "null"),
    ("box", {"rectanglelabels": "A"}, "rectanglelabels", "is not a list: 'A'"),
    ("box", {"rectanglelabels": None}, "rectanglelabels", "is not a list: None"),
    ("box", {"rectanglelabels": [1]}, "rectanglelabels", "the label 1 is not in the label config"),
    ("ellipse", {"radiusX": -20}, "radiusX", "its radius is negative"),
    ("ellipse", {"x": "10"}, "x", "not a number"),
    ("key point", {"width": None}, "width", "its value has no 'width'"),
    ("key point", {"y": "5"}, "y", "not a number"),
    ("polygon", {"points": [[10, None], [60, 10], [60, 80]]}, "points", "not all pairs of numbers"),
    ("polygon", {"points": [10, 10, 60, 10, 60, 80]}, "points", "not all pairs of numbers"),
    ("polygon", {"points": "x"}, "points", "not a list of points"),
    ("vector", {"vertices": [[1, 2], [3, 4]]}, "vertices", "not a list of dicts"),
    ("vector", {"vertices": [{"x": 1}]}, "vertices", "numbers x and y"),
    ("brush", {"rle": [1, 2, 3]}, "rle", "it ends too early"),
    ("brush", {"rle": [0, 0, 0, 1]}, "rle", "it ends too early"),
    ("brush", {"rle": [int(byte) for byte in MASK][:-2]}, "rle", "it ends too early"),
    ("brush", {"rle": [-1] * 30}, "rle", "not a list of whole numbers"),
    ("brush", {"rle": [300] * 30}, "rle", "not a list of whole numbers"),
    ("brush", {"rle": "abc"}, "rle", "not a list of whole numbers"),
    ("bitmask", {"imageDataURL": 7}, "imageDataURL", "is not a text"),
    ("text", {"start": 0.5}, "start", "not a whole number: 0.5"),
    ("text", {"end": None}, "end", "is missing"),
    ("text", {"text": None}, "text", "is not a text: NoneType"),
    ("text", {"text": ["😀"]}, "text", "is not a text: list"),
    ("text", {"labels": "A"}, "labels", "is not a list"),
    ("page", {"start": None}, "start", "its value has no 'start'"),
    ("page", {"startOffset": None}, "startOffset", "is missing"),
    ("page", {"endOffset": 1.5}, "endOffset", "not a whole number"),
    ("page", {"text": None}, "text", "is not a text"),
    ("paragraphs", {"start": 0}, "start", "not a text: 0"),
    ("paragraphs", {"startOffset": 0.5}, "startOffset", "not a whole number"),
    ("paragraphs", {"startOffset": "1"}, "startOffset", "not a whole number"),
    ("paragraphs", {"endOffset": None}, "endOffset", "is missing"),
    ("paragraphs", {"text": None}, "text", "is not a text"),
    ("audio", {"start": "1"}, "start", "not a number: '1'"),
    ("audio", {"end": None}, "end", "is missing"),
    ("audio", {"channel": "0"}, "channel", "not a whole number"),
    ("audio", {"channel": None}, "channel", "not a whole number"),
    ("series", {"start": None}, "start", "its value has no 'start'"),
    ("series", {"end": True}, "end", "neither a number nor a text"),
    ("timeline", {"ranges": [{"start": 1.5, "end": 3}]}, "ranges", "a frame that is no whole number: 1.5"),
    ("timeline", {"ranges": [{"start": "1", "end": 3}]}, "ranges", "no whole number: '1'"),
    ("timeline", {"ranges": [[1, 3]]}, "ranges", "not a list of dicts"),
    ("track", {"sequence": [1]}, "sequence", "not a list of key frames"),
]


@pytest.mark.parametrize(("kind", "change", "field", "text"), FAULTS)
def test_what_label_studio_does_not_show_is_a_fault(kind: str, change: Json, field: str, text: str) -> None:
    found = findings(kind, region(kind, {**GOOD[kind], **change}))
    assert [(finding.is_fault, finding.field) for finding in found] == [(True, field)], found
    assert text in str(found[0])


@pytest.mark.parametrize(
    ("kind", "change", "repaired_value"),
    [
        ("box", {"rectanglelabels": "A"}, {"rectanglelabels": ["A"]}),
        ("key point", {"width": None}, {"width": 0.5}),
        ("paragraphs", {"start": 0}, {"start": "0"}),
        ("text", {"text": None}, {"text": GONE}),
        ("box", {"rectanglelabels": ["A", "B"]}, {"rectanglelabels": ["A"]}),
    ],
)
def test_some_faults_can_be_repaired(kind: str, change: Json, repaired_value: Json) -> None:
    value = {**GOOD[kind], **change}
    expected = {**region(kind, value)["value"], **repaired_value}
    expected = {name: field for name, field in expected.items() if field != GONE}
    (found,) = after_repair(kind, region(kind, value))
    assert found == {**region(kind, value), "value": expected}


#: Kind, what is changed in the value, the field, a part of the text, and what the repair changes (None: nothing).
WARNINGS: list[tuple[str, Json, str, str, Any]] = [
    ("box", {"x": 80}, "x", "it reaches out of the picture (x from 80 to 110", {"x": 80.0, "width": 20.0}),
    ("box", {"y": -5}, "y", "it reaches out of the picture", {"y": 0.0, "height": 35.0}),
    ("box", {"x": 250}, "x", "it is outside of the picture", GONE),
    ("box", {"width": 0}, "width", "nothing to see", GONE),
    ("box", {"height": 0, "rotation": 30}, "height", "nothing to see", GONE),
    ("box", {"x": 40, "width": -30}, "width", "is negative", {"x": 10.0, "width": 30.0}),
    ("ellipse", {"radiusY": 0}, "radiusY", "nothing to see", GONE),
    ("ellipse", {"x": 130}, "x", "outside of the picture", GONE),
    ("key point", {"width": 0}, "width", "nothing to see", {"width": 0.5}),
    ("key point", {"y": 120}, "y", "outside of the picture", GONE),
    ("polygon", {"points": [[0, 0], [200, 0], [200, 100]]}, "points", "reaches out of the picture",
     {"points": [[100.0, 50.0], [0, 0], [100.0, 0.0]]}),
    ("polygon", {"points": [[110, 0], [120, 0], [120, 50]]}, "points", "outside of the picture", GONE),
    ("polygon", {"points": [[1, 1], [2, 2]]}, "points", "fewer than three points", GONE),
    ("polygon", {"closed": False}, "closed", "cannot be submitted", {"closed": True}),
    ("vector", {"vertices": [{"x": 1, "y": 200}]}, "vertices", "reaches out of the picture", None),
    ("brush", {"rle": []}, "rle", "nothing to see", GONE),
    ("bitmask", {"imageDataURL": "https://example.org/mask.png"}, "imageDataURL", "not the data URL", None),
    ("text", {"start": 9, "end": 3}, "end", "nothing to see", GONE),
    ("text", {"start": 3, "end": 3, "text": ""}, "end", "nothing to see", GONE),
    ("text", {"start": 50, "end": 60}, "start", "outside of the text", GONE),
    ("text", {"start": 4, "end": 9, "text": "cat"}, "end", "reaches out of the text", {"end": 7}),
    ("text", {"start": -2, "end": 1, "text": "a"}, "start", "reaches out of the text", {"start": 0}),
    ("text", {"start": 2, "end": 3}, "text", "its text is not the one at its offsets", {"text": "b"}),
    ("paragraphs", {"end": "7"}, "start", "outside of the text", GONE),
    ("paragraphs", {"start": "x"}, "start", "not the index of a paragraph", GONE),
    ("paragraphs", {"endOffset": 3}, "end", "nothing to see", GONE),
    ("paragraphs", {"endOffset": 10}, "endOffset", "a paragraph of 9 UTF-16 units", None),
    ("audio", {"start": 2}, "end", "its end is before its start", {"start": 1.25, "end": 2}),
    ("audio", {"start": -1}, "start", "below 0", {"start": 0}),
    ("audio", {"start": -2, "end": -1}, "end", "before the recording begins", GONE),
    ("series", {"start": 130}, "end", "its end is before its start", {"start": 120.5, "end": 130}),
    ("series", {"start": "110"}, "end", "different types", None),
    ("timeline", {"ranges": [{"start": 0, "end": 3}]}, "ranges", "frames below 1",
     {"ranges": [{"start": 1, "end": 3}]}),
    ("timeline", {"ranges": [{"start": -4, "end": 0}]}, "ranges", "frames below 1", GONE),
    ("timeline", {"ranges": [{"start": 9, "end": 3}]}, "ranges", "its end is before its start",
     {"ranges": [{"start": 3, "end": 9}]}),
    ("timeline", {"ranges": []}, "ranges", "nothing to see", GONE),
    ("track", {"sequence": []}, "sequence", "nothing to see", GONE),
    ("track", {"sequence": [{**KEY, "frame": 0}]}, "sequence", "frames below 1", {"sequence": [KEY]}),
    ("track", {"sequence": [{**KEY, "frame": 2.5}]}, "sequence", "no whole number",
     {"sequence": [{**KEY, "frame": 2}]}),
    ("track", {"sequence": [KEY, {**KEY, "x": None, "frame": 3}]}, "sequence", "'x' of its value is null",
     {"sequence": [KEY]}),
    ("track", {"sequence": [{**KEY, "x": 80}]}, "sequence", "a key frame: it reaches out of the picture",
     {"sequence": [{**KEY, "x": 80.0, "width": 20.0, "y": 20.0, "height": 40.0}]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "field", "text", "changed"), WARNINGS)
def test_what_label_studio_shows_in_part_is_a_warning_and_is_repaired(
    kind: str, change: Json, field: str, text: str, changed: Any
) -> None:
    bad, good = region(kind, {**GOOD[kind], **change}), region(kind, GOOD[kind], id="good")
    found = findings(kind, bad, good)
    assert [(finding.region, finding.is_fault, finding.field) for finding in found] == [(0, False, field)], (
        found
    )
    assert text in str(found[0])
    assert found[0].fix
    left = after_repair(kind, bad, good)
    assert left[-1] is good
    if changed == GONE:
        assert left == [good]
    elif changed is None:
        assert left[0] is bad
    else:
        expected = {**bad["value"], **changed}
        assert left[0] == {**bad, "value": expected}


def test_a_mask_of_another_size_is_a_warning() -> None:
    mask = region("brush", GOOD["brush"], original_width=3, original_height=2)
    assert findings("brush", mask) == []
    (found,) = findings("brush", {**mask, "original_width": 4})
    assert (found.is_fault, found.field) == (False, "rle")
    assert "6 pixels, not 4 x 2" in str(found)


def test_a_turned_box_is_outside_if_no_point_of_it_is_in_the_picture() -> None:
    def outside(x: float, rotation: float) -> bool:
        box = {"x": x, "y": 50, "width": 10, "height": 10, "rotation": rotation}
        return bool(findings("box", region("box", box, **SIZE)))

    assert [outside(105, 0.001), outside(105, 180), outside(-4, 90), outside(-4, 0.001)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_text_in_a_file_is_not_compared_however_valuetype_is_written() -> None:
    for attribute in ('valueType="url"', 'valuetype="URL"'):
        checks = RegionChecks(config("text").replace('value="$text"', f'value="$text" {attribute}'))
        assert checks.findings([region("text", {"start": 500, "end": 510})], task=TASK) == []


def test_a_vector_needs_the_size_of_its_picture() -> None:
    vector = region("vector", GOOD["vector"])
    (found,) = findings("vector", {**vector, "original_width": None})
    assert (found.is_fault, "original_width" in str(found)) == (True, True)


@pytest.mark.parametrize(("closable", "found"), [("", 1), ('closable="true"', 0), ('CLOSABLE="True"', 0)])
def test_a_closed_vector_needs_a_control_with_closable(closable: str, found: int) -> None:
    checks = RegionChecks(config("vector").replace("<VectorLabels", f"<VectorLabels {closable}"))
    findings = checks.findings([region("vector", {**GOOD["vector"], "closed": True})])
    assert [finding.field for finding in findings] == ["closed"] * found


@pytest.mark.parametrize(
    ("score", "is_fault", "text"),
    [
        ("0.9", True, "is not a number: '0.9'"),
        (True, True, "not a number"),
        (95, False, "not between 0 and 1 (95)"),
    ],
)
def test_a_score_of_a_region(score: Any, is_fault: bool, text: str) -> None:
    bad = region("box", GOOD["box"], score=score)
    (found,) = findings("box", bad)
    assert (found.is_fault, found.field, text in str(found)) == (is_fault, "score", True)
    (left,) = after_repair("box", bad)
    assert ("score" in left) == (not is_fault)


@pytest.mark.parametrize(
    ("source", "index", "is_fault"),
    [
        ("value", 0, False), ("value", 3, True), ("valueList", 1, False), ("valueList", 2, True),
        ("valueList", -1, True), ("valueList", "0", True), ("valueList", 1.5, True), ("valueList", None, False),
    ],
)  # fmt: skip
def test_the_index_of_a_picture(source: str, index: Any, is_fault: bool) -> None:
    checks = RegionChecks(config("box").replace("value=", f"{source}=", 1))
    result = [region("box", GOOD["box"], item_index=index)]
    assert (checks.refusal(result, task={"data": {"i": ["a", "b"]}}) is not None) == is_fault
    assert (checks.refusal(result) is not None) == (is_fault and (source == "value" or index != 2))


FIELDS = """<View><Text name="o" value="$text"/><Rating name="rating" toName="o" maxRating="3"/>
<Number name="number" toName="o" min="0" max="10"/><DateTime name="datetime" toName="o"/>
<TextArea name="textarea" toName="o"/><Taxonomy name="taxonomy" toName="o"><Choice value="P"/></Taxonomy>
<Choices name="choices" toName="o"><Choice value="x"/><Choice value="y"/></Choices>
<Pairwise name="pairwise" toName="o,p"/><Text name="p" value="$text"/></View>"""


@pytest.mark.parametrize(
    ("kind", "field", "value", "text", "changed"),
    [
        ("rating", "rating", 3, "", None),
        ("rating", "rating", 2.5, "", None),
        ("rating", "rating", "3", "not a number: '3'", GONE),
        ("rating", "rating", 4, "above what the control allows (4, limits 0 and 3)", 3),
        ("number", "number", 7.25, "", None),
        ("number", "number", "7", "not a number: '7'", GONE),
        ("number", "number", -0.5, "below what the control allows", 0),
        ("number", "number", 70, "above what the control allows", 10),
        ("datetime", "datetime", "some day", "", None),
        ("datetime", "datetime", 7, "not a text: 7", GONE),
        ("textarea", "text", "one", "", None),
        ("textarea", "text", [7], "not a list of texts: [7]", GONE),
        ("taxonomy", "taxonomy", "P", "not a list: 'P'", GONE),
        ("choices", "choices", ["x"], "", None),
        ("choices", "choices", ["x", "y"], "cannot be submitted (2 choices)", ["x"]),
        ("choices", "choices", ["x", "z"], "the label 'z' is not in the label config", ["x"]),
        ("choices", "choices", ["z"], "the label 'z' is not in the label config", GONE),
        ("choices", "choices", "x", "not a list: 'x'", ["x"]),
        ("pairwise", "selected", "left", "", None),
        ("pairwise", "selected", "neither", "neither 'left' nor 'right': 'neither'", GONE),
    ],
)
def test_values_without_a_position(kind: str, field: str, value: Any, text: str, changed: Any) -> None:
    checks = RegionChecks(FIELDS)
    result = [{"from_name": kind, "to_name": "o", "type": kind, "value": {field: value}}]
    found = checks.findings(result, task=TASK)
    assert bool(found) == bool(text), found
    assert text in " ".join(map(str, found))
    left = repaired(checks, result, found, task=TASK)
    if changed == GONE:
        assert left == []
    else:
        assert left == [{**result[0], "value": {field: value if changed is None else changed}}]


def test_several_choices_of_a_control_that_takes_several() -> None:
    checks = RegionChecks(FIELDS.replace('name="choices"', 'name="choices" choice="multiple"'))
    result = [{"from_name": "choices", "to_name": "o", "type": "choices", "value": {"choices": ["x", "y"]}}]
    assert checks.findings(result) == []


NESTED = """<View><Text name="o" value="$text"/><Choices name="choices" toName="o" allowNested="true">
<Choice value="P"><Choice value="Q"/></Choice></Choices></View>"""


def test_nested_choices_are_paths() -> None:
    checks = RegionChecks(NESTED)
    good = {"from_name": "choices", "to_name": "o", "type": "choices", "value": {"choices": [["P", "Q"]]}}
    assert checks.findings([good]) == []
    (found,) = checks.findings([{**good, "value": {"choices": [["P", "R"]]}}])
    assert "the label 'R' is not in the label config" in str(found)
    assert repaired(checks, [{**good, "value": {"choices": [["P", "R"], ["P"]]}}], [found])[0]["value"] == {
        "choices": [["P"]]
    }


@pytest.mark.parametrize(
    ("allowed", "chosen", "text", "left"),
    [
        ("true", ["P"], "each choice is the path", [["P"]]),
        ("true", ["Q"], "each choice is the path", [["P", "Q"]]),
        ("true", [["P", "Q"]], "", None),
        ("false", ["P"], "", None),
        ("false", [["P"]], "is one name", ["P"]),
        ("false", ["Q"], "is one name", None),
        ("false", [["P", "Q"]], "is one name", None),
    ],
)
def test_choices_in_the_form_that_is_not_shown(allowed: str, chosen: Any, text: str, left: Any) -> None:
    checks = RegionChecks(NESTED.replace("true", allowed))
    result = [{"from_name": "choices", "to_name": "o", "type": "choices", "value": {"choices": chosen}}]
    found = checks.findings(result)
    assert [finding.is_fault for finding in found] == ([False] if text else [])
    assert text in " ".join(map(str, found))
    [kept] = repaired(checks, result, found)
    assert kept["value"] == {"choices": chosen if left is None else left}


def test_a_choice_of_a_name_that_is_there_twice_is_not_guessed() -> None:
    twice = '<Choice value="P"><Choice value="Q"/></Choice><Choice value="R"><Choice value="Q"/></Choice>'
    label_config = NESTED.replace('<Choice value="P"><Choice value="Q"/></Choice>', twice)
    checks = RegionChecks(label_config)
    result = [{"from_name": "choices", "to_name": "o", "type": "choices", "value": {"choices": ["Q"]}}]
    found = checks.findings(result)
    assert len(found) == 1
    assert repaired(checks, result, found) == result


@pytest.mark.parametrize(
    ("ranking", "text", "left"),
    [
        ({"rank": ["i1", "i2"]}, "", {"rank": ["i1", "i2"]}),
        (["i1"], "not a dict of lists: ['i1']", GONE),
        ({"rank": "i1"}, "not a dict of lists", GONE),
        (
            {"a": ["i9", "i1"], "_": []},
            "an id that the task does not have: the page fails ('i9')",
            {"a": ["i1"], "_": []},
        ),
    ],
)
def test_rankings(ranking: Any, text: str, left: Any) -> None:
    checks = RegionChecks('<View><List name="o" value="$items"/><Ranker name="rank" toName="o"/></View>')
    task = {"id": 1, "data": {"items": [{"id": "i1"}, {"id": "i2"}]}}
    result = [{"from_name": "rank", "to_name": "o", "type": "ranker", "value": {"ranker": ranking}}]
    found = checks.findings(result, task=task)
    assert [finding.is_fault for finding in found] == ([True] if text else [])
    assert text in " ".join(map(str, found))
    kept = [region["value"]["ranker"] for region in repaired(checks, result, found, task=task)]
    assert kept == ([] if left == GONE else [left])


def test_texts_in_files_are_not_compared() -> None:
    for attribute in ('valueType="url"', 'encoding="base64"'):
        checks = RegionChecks(config("text").replace('value="$text"', f'value="$text" {attribute}'))
        assert checks.findings([region("text", {"start": 50, "end": 60})], task=TASK) == []


odd = st.one_of(
    st.none(), st.booleans(), st.integers(-300, 300), st.floats(), st.text(max_size=3),
    st.lists(st.one_of(st.none(), st.integers(-300, 300), st.text(max_size=2)), max_size=4), st.just({}),
)  # fmt: skip


@given(
    kind=st.sampled_from(sorted(GOOD)),
    changes=st.dictionaries(st.integers(0, 5), odd, max_size=3),
    data=st.data(),
)
def test_any_value_is_checked_and_repaired_to_one_without_faults(
    kind: str, changes: dict[int, Any], data: st.DataObject
) -> None:
    fields = sorted({*GOOD[kind], CONFIGS[kind][1].lower(), "text"})
    value = {**GOOD[kind], **{fields[number % len(fields)]: odd for number, odd in changes.items()}}
    checks = RegionChecks(config(kind))
    result = [region(kind, value), region(kind, GOOD[kind], id="good", score=data.draw(odd))]
    found = checks.findings(result, task=TASK)
    for finding in found:
        assert len(str(finding)) < 400
    left = repaired(checks, result, found, task=TASK)
    again = checks.findings(left, task=TASK)
    assert not [finding for finding in again if finding.is_fault]
    assert not [finding for finding in again if finding.problem.repair is not None], (left, again)


@pytest.mark.parametrize(
    ("kind", "value", "function"),
    [
        ("box", {"x": 310, "y": 20}, "box"),
        ("box", {"x": 40, "width": 250}, "box"),
        ("box", {"x": 310, "rotation": 30}, "box"),
        ("ellipse", {"x": 310}, "ellipse"),
        ("key point", {"y": 180}, "key_point"),
        ("polygon", {"points": [[10, 10], [360, 10], [360, 180]]}, "polygon"),
        ("vector", {"vertices": [{"x": 10, "y": 20}, {"x": 310, "y": 20}]}, "vector"),
    ],
)
def test_the_advice_about_pixels_is_to_divide(kind: str, value: Json, function: str) -> None:
    (found,) = findings(kind, region(kind, {**GOOD[kind], **value}, **SIZE))
    assert "are percent (0-100) of the picture; these look like pixels: divide by the picture's" in found.fix
    assert f"or use regions.{function}(…, size=…)" in found.fix


def test_the_advice_about_what_a_model_pads_is_to_clip() -> None:
    (found,) = findings("box", region("box", {**GOOD["box"], "x": 90}))
    assert found.fix.startswith("Clip it")
