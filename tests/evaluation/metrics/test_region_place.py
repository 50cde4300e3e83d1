"""What is said of the wrong object, item, channel or page is wrong: values worked out by hand."""

from typing import Any

import pytest

from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.region_place import place_of
from label_studio_ml.evaluation.metrics.results import Measured

Json = dict[str, Any]

TWO_TEXTS = '<View><Text name="a" value="$a"/><Text name="b" value="$b"/>{}</View>'


def _measure(config: str, *tasks: tuple[list[Json], list[Json]]) -> dict[str, Measured]:
    observations = Observations(config)
    for truth, found in tasks:
        observations.add(truth, found)
    return observations.measure()


def _region(kind: str, value: Json, *, to_name: str | None = "a", **fields: Any) -> Json:
    region = {"from_name": "c", "type": kind, "value": value, **fields}
    return region if to_name is None else {**region, "to_name": to_name}


def _box(x: float = 10, *, label: str = "L", **fields: Any) -> Json:
    value = {"x": x, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": [label]}
    value |= fields.pop("value", {})
    return _region("rectanglelabels", value, original_width=100, original_height=100, **fields)


def _span(start: float = 0, end: float = 5, *, label: str = "L", **fields: Any) -> Json:
    value = {"start": start, "end": end, "labels": [label], **fields.pop("value", {})}
    return _region("labels", value, **fields)


def _choice(label: str = "A", **fields: Any) -> Json:
    return _region("choices", {"choices": [label]}, **fields)


#: (annotated, predicted): the same but for one part of the identity.
WRONG_PLACES: dict[str, tuple[Json, Json]] = {
    "to_name": ({"to_name": "a"}, {"to_name": "b"}),
    "item_index": ({"item_index": 0}, {"item_index": 1}),
    "item_index left out": ({}, {"item_index": 1}),
    "channel": ({"value": {"channel": 0}}, {"value": {"channel": 1}}),
    "channel left out": ({"value": {"channel": 1}}, {}),
    "page": ({"value": {"page": 2}}, {"value": {"page": 3}}),
    "pageIndex": ({"value": {"pageIndex": 1}}, {"value": {"pageIndex": 0}}),
    "frame": ({"value": {"frame": 7}}, {"value": {"frame": 8}}),
}


@pytest.mark.parametrize("part", WRONG_PLACES)
def test_a_box_in_the_wrong_place_is_a_false_and_a_missing_one(part: str) -> None:
    truth, found = WRONG_PLACES[part]
    measured = _measure("", ([_box(**truth), _box(60)], [_box(**found), _box(60)]))["c"]
    # One of two predicted boxes is right, one of two annotated ones is found.
    assert measured.metrics["precision"] == measured.metrics["recall"] == measured.metrics["f1"] == 0.5
    # Both predictions have the score 1: right at a recall of 1/2 with a precision of 1 or 1/2, as they come.
    assert (measured.metrics["map_50"] or 0) < 0.51
    assert measured.tasks == 1


@pytest.mark.parametrize("part", WRONG_PLACES)
def test_a_span_in_the_wrong_place_is_a_false_and_a_missing_one(part: str) -> None:
    truth, found = WRONG_PLACES[part]
    measured = _measure("", ([_span(**truth), _span(7, 9)], [_span(**found), _span(7, 9)]))["c"]
    for strictness in ("strict", "boundary", "overlap", "type"):
        assert measured.metrics[f"{strictness}_f1"] == 0.5, strictness
    assert measured.labels["L"]["f1"] == 0.5
    assert measured.labels["L"]["support"] == 2.0
    assert measured.tasks == 1


@pytest.mark.parametrize("part", ["to_name", "item_index", "item_index left out"])
def test_a_choice_in_the_wrong_place(part: str) -> None:
    truth, found = WRONG_PLACES[part]
    measured = _measure("", ([_choice(**truth)], [_choice(**found)]), ([_choice()], [_choice()]))["c"]
    assert measured.labels["A"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2.0}
    # Three places: one right, one where nothing was to be said, one where nothing was said.
    assert measured.metrics["accuracy"] == pytest.approx(1 / 3)
    assert measured.tasks == 2


def test_several_choices_in_the_wrong_place() -> None:
    value = {"choices": ["A", "B"]}
    measured = _measure("", ([_region("choices", value)], [_region("choices", value, to_name="b")]))["c"]
    assert measured.kind == "multiple choices"
    assert measured.metrics["accuracy"] == measured.metrics["micro_f1"] == 0.0


def test_choices_of_each_item_are_compared_item_by_item() -> None:
    truth = [_choice("A", item_index=0), _choice("B", item_index=1), _choice("B", item_index=2)]
    found = [_choice("B", item_index=1), _choice("A", item_index=0), _choice("A", item_index=2)]
    measured = _measure("", (truth, found))["c"]
    assert (measured.kind, measured.tasks) == ("choices", 1)
    assert measured.metrics["accuracy"] == pytest.approx(2 / 3)


def test_a_text_in_the_wrong_place() -> None:
    said = {"text": ["four"]}
    right = ([_region("textarea", said)], [_region("textarea", said)])
    measured = _measure("", right, ([_region("textarea", said)], [_region("textarea", said, to_name="b")]))[
        "c"
    ]
    # Of 8 annotated characters 4 are missing, and 4 are said where there is nothing.
    assert measured.metrics["cer"] == measured.metrics["wer"] == 1.0
    assert measured.metrics["accuracy"] == pytest.approx(1 / 3)


def test_a_number_in_the_wrong_place() -> None:
    right = ([_region("number", {"number": 3})], [_region("number", {"number": 4})])
    wrong = ([_region("number", {"number": 3})], [_region("number", {"number": 3}, item_index=2)])
    measured = _measure("", right, wrong)["c"]
    assert (measured.metrics["mae"], measured.metrics["predicted"]) == (1.0, 0.5)


def test_the_wrong_kind_of_region_is_wrong() -> None:
    label = '<Labels name="c" toName="a"><Label value="L"/></Labels>'
    measured = _measure(TWO_TEXTS.format(label), ([_span()], [_region("choices", {"choices": ["L"]})]))["c"]
    assert measured.kind == "spans"
    assert measured.labels["L"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "overlap_f1": 0.0,
        "support": 1.0,
    }
    choices = '<Choices name="c" toName="a"><Choice value="L"/></Choices>'
    config = TWO_TEXTS.format(choices)
    # The first thing said is a prediction of the wrong kind: the config says what the control is.
    measured = _measure(config, ([], [_span()]), ([_choice("L")], [_choice("L")]))["c"]
    assert (measured.kind, measured.tasks) == ("choices", 2)
    assert measured.metrics["accuracy"] == 0.5


def test_what_is_left_out_is_the_same_as_what_is_said() -> None:
    labels = '<Labels name="c" toName="a"><Label value="L"/></Labels>'
    assert (
        _measure(TWO_TEXTS.format(labels), ([_span()], [_span(to_name=None)]))["c"].metrics["strict_f1"] == 1
    )
    said = _span(item_index=0, value={"channel": 0, "page": "0"})
    assert _measure("", ([_span()], [said]))["c"].metrics["strict_f1"] == 1
    assert _measure("", ([_box(item_index=1)], [_box(item_index="1")]))["c"].metrics["f1"] == 1


def test_both_sides_of_a_pairwise_comparison_are_one_place() -> None:
    left, right = (_region("pairwise", {"selected": "left"}, to_name=name) for name in ("a,b", "a"))
    assert _measure("", ([left], [right]))["c"].metrics["accuracy"] == 1.0


def test_pages_have_their_own_size() -> None:
    # On a page of 1000 by 10 pixels a box that is turned by 90 degrees covers another part than on a square.
    wide = {**_box(50, item_index=1), "original_width": 1000, "original_height": 10}
    turned = {**wide, "value": {**wide["value"], "rotation": 90}}
    measured = _measure("", ([_box(), turned], [_box(), {**turned, "item_index": 1.0}]))["c"]
    assert measured.metrics["f1"] == 1.0
    measured = _measure("", ([_box(), turned], [_box(), wide]))["c"]
    assert measured.metrics["f1"] == 0.5


def test_offsets_in_the_whole_text_are_not_compared_with_offsets_in_a_paragraph() -> None:
    def said(paragraph: int, offset: int, whole: int | None) -> Json:
        value: Json = {"start": str(paragraph), "end": str(paragraph), "startOffset": offset}
        value |= {"endOffset": offset + 4, "paragraphlabels": ["L"]}
        if whole is not None:
            value["globalOffsets"] = {"start": whole, "end": whole + 4}
        return _region("paragraphlabels", value)

    # The model knows the paragraph alone; its position is the annotated one, and then it is not.
    assert _measure("", ([said(2, 3, 40)], [said(2, 3, None)]))["c"].metrics["strict_f1"] == 1.0
    assert _measure("", ([said(2, 3, 0)], [said(0, 3, None)]))["c"].metrics["overlap_f1"] == 0.0


def test_regions_without_a_metric_beside_others_are_named() -> None:
    vector = _region("labels", {"vertices": [], "labels": ["L"]})
    observations = Observations()
    observations.add([vector], [])
    observations.add([vector, _span()], [_span()])
    assert observations.measure()["c"].metrics["strict_f1"] == 1.0
    assert "2 of its regions" in observations.not_measured()["c"]


@pytest.mark.parametrize("value", [None, "text", 3.5, [1], float("inf")])
def test_parts_that_are_no_number_do_not_stop_it(value: Any) -> None:
    place = place_of(_span(item_index=value, value={"channel": value}))
    assert place.item == (0 if value is None else str(value))
    assert place == place_of(_span(item_index=value, value={"channel": value}))
