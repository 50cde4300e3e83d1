"""Entries with one id, values per region, relations; and their repair."""

from typing import Any

import pytest

from label_studio_ml.validation.region_checks import RegionChecks
from label_studio_ml.validation.repair import repaired

Json = dict[str, Any]

CONFIG = """<View><Image name="i" value="$i"/><Rectangle name="box" toName="i"/>
<Labels name="label" toName="i"><Label value="A"/></Labels>
<TextArea name="words" toName="i" perRegion="true"/><Choices name="all" toName="i"><Choice value="x"/></Choices>
<Relations><Relation value="r"/></Relations></View>"""
PLACE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
OTHER = {**PLACE, "x": 60}
CHECKS = RegionChecks(CONFIG)


def box(name: Any, place: Json = PLACE) -> Json:
    return {"id": name, "from_name": "box", "to_name": "i", "type": "rectangle", "value": place}


def label(name: Any, place: Json | None = None) -> Json:
    value = {**(place or {}), "labels": ["A"]}
    return {"id": name, "from_name": "label", "to_name": "i", "type": "labels", "value": value}


def words(name: Any, place: Json | None = None) -> Json:
    value = {**(place or {}), "text": ["hello"]}
    return {"id": name, "from_name": "words", "to_name": "i", "type": "textarea", "value": value}


def relation(start: Any, end: Any) -> Json:
    return {"type": "relation", "from_id": start, "to_id": end, "direction": "right"}


WHOLE = {"from_name": "all", "to_name": "i", "type": "choices", "value": {"choices": ["x"]}}


def found(*result: Json, interactive: bool = False) -> list[tuple[int, bool, str]]:
    findings = CHECKS.findings(list(result), interactive=interactive)
    return [(finding.region, finding.is_fault, str(finding)) for finding in findings]


def after_repair(*result: Json) -> list[Any]:
    return repaired(CHECKS, list(result), CHECKS.findings(list(result)))


@pytest.mark.parametrize(
    "result",
    [
        [box("a"), label("a"), words("a")],
        [box("a"), label("a", PLACE), words("a", PLACE), box("b", OTHER), label("b")],
        [box(1), label("1")],
        [box(None), box(None, OTHER)],
        [relation("a", "b"), box("a"), box("b", OTHER)],
        [box("a"), box("a")],
        [WHOLE, {**WHOLE, "id": "w"}],
    ],
)
def test_what_belongs_together_has_no_problem(result: list[Json]) -> None:
    assert found(*result) == []


def test_two_regions_of_one_control_need_ids_of_their_own() -> None:
    result = [box("a"), label("a"), words("a", PLACE), box("a", OTHER), label("a", OTHER), words("a", OTHER)]
    assert [(at, is_fault) for at, is_fault, _ in found(*result)] == [(3, True), (4, True), (5, True)]
    assert "another region has its id and another position" in found(*result)[0][2]
    left = after_repair(*result)
    assert left[:3] == result[:3]
    assert len({region["id"] for region in left[3:]}) == 1
    assert left[3]["id"] not in ("a", None)
    assert [region["value"] for region in left] == [region["value"] for region in result]
    assert CHECKS.findings(left) == []


def test_another_position_in_what_another_control_says_of_a_region_is_ignored() -> None:
    ((at, is_fault, text),) = found(box("a"), label("a", OTHER))
    assert (at, is_fault) == (1, False)
    assert "its position is not that of the first entry of its id" in text


def test_the_first_entry_of_an_id_has_the_position() -> None:
    result = [words("a"), box("a"), box("b")]
    ((at, is_fault, text),) = found(*result)
    assert (at, is_fault) == (1, True)
    assert "an entry without a position comes before it" in text
    assert after_repair(*result) == [box("b")]


def test_labels_without_a_region_are_not_shown() -> None:
    ((at, is_fault, text),) = found(box("a"), label("b"))
    assert (at, is_fault) == (1, True)
    assert "it has no position, and its id is that of no region before it" in text


def test_a_value_per_region_needs_a_region() -> None:
    for name in ("b", None):
        ((at, is_fault, text),) = found(box("a"), words(name))
        assert (at, is_fault) == (1, False)
        assert "no region of the prediction has its id" in text
        assert found(box("a"), words(name), interactive=True) == [], "the annotation may have the region"


@pytest.mark.parametrize("ends", [("a", "z"), ("z", "a"), (None, "a"), ("a", [])])
def test_a_relation_needs_its_regions(ends: tuple[Any, Any]) -> None:
    ((at, is_fault, text),) = found(box("a"), relation(*ends))
    assert (at, is_fault, "is no id of a region of the prediction" in text) == (1, True, True)
    assert found(box("a"), relation(*ends), interactive=True) == []
    assert after_repair(box("a"), relation(*ends)) == [box("a")]


def test_with_a_region_goes_all_that_belongs_to_it() -> None:
    outside = {**PLACE, "x": 200}
    result = [
        box("a", outside),
        label("a", outside),
        words("a"),
        box("b"),
        label("b"),
        relation("a", "b"),
        WHOLE,
    ]
    assert after_repair(*result) == [box("b"), label("b"), WHOLE]


def test_with_a_region_its_other_entries_are_clipped() -> None:
    over = {**PLACE, "x": 80}
    left = after_repair(box("a", over), label("a", over), words("a"), words("a", over))
    clipped = {**PLACE, "x": 80.0, "y": 20.0, "width": 20.0, "height": 40.0}
    assert [region["value"] for region in left] == [
        clipped,
        {**clipped, "labels": ["A"]},
        {"text": ["hello"]},
        {**clipped, "text": ["hello"]},
    ]


def test_what_was_given_is_not_changed() -> None:
    result = [box("a", {**PLACE, "x": 80}), box("b")]
    before = repr(result)
    left = repaired(CHECKS, result, CHECKS.findings(result))
    assert repr(result) == before
    assert left[1] is result[1]


def test_findings_are_told_by_kind_without_numbers() -> None:
    findings = CHECKS.findings([box("a", {**PLACE, "x": 80}), box("b", {**PLACE, "x": 81})])
    assert {finding.kind for finding in findings} == {"regions of 'box': it reaches out of the picture"}
    assert len({str(finding) for finding in findings}) == 2


CHAT = """<View><Chat name="chat" value="$chat"/><Rating name="accuracy" toName="chat" perRegion="true"/></View>"""


def test_a_value_may_belong_to_a_chat_message() -> None:
    message: Json = {"id": "m", "from_name": "chat", "to_name": "chat", "type": "chatmessage", "value": {}}
    rating: Json = {"from_name": "accuracy", "to_name": "chat", "type": "rating", "value": {"rating": 3}}
    checks = RegionChecks(CHAT)
    assert checks.findings([message, {**rating, "id": "m"}]) == []
    (finding,) = checks.findings([message, {**rating, "id": "other"}])
    assert "perRegion" in str(finding)


def test_a_label_that_is_a_list_is_left_out_with_its_relations() -> None:
    listed = {**label("b", PLACE), "type": "rectanglelabels", "value": {**PLACE, "rectanglelabels": [["A"]]}}
    empty = {**listed, "value": {**PLACE, "rectanglelabels": [[]]}}
    for odd in (listed, empty):
        assert after_repair(box("a"), odd, relation("a", "b")) == [box("a")]
        kept = {**odd, "value": {**PLACE, "rectanglelabels": ["A", *odd["value"]["rectanglelabels"]]}}
        assert after_repair(box("a"), kept, relation("a", "b")) == [
            box("a"),
            {**odd, "value": {**PLACE, "rectanglelabels": ["A"]}},
            relation("a", "b"),
        ]


def test_a_taxonomy_that_labels_spans_needs_no_id() -> None:
    checks = RegionChecks(
        '<View><Text name="t" value="$t"/><Taxonomy name="x" toName="t" labeling="true">'
        '<Choice value="P"/></Taxonomy></View>'
    )
    span: Json = {
        "from_name": "x",
        "to_name": "t",
        "type": "taxonomy",
        "value": {"start": 0, "end": 2, "taxonomy": [["P"]]},
    }
    assert checks.findings([span]) == []
    assert len(checks.findings([{**span, "value": {"taxonomy": [["P"]]}}])) == 1
