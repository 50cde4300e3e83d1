"""The comparison of an annotation with a prediction, by kind of region."""

from typing import Any

import pytest

from label_studio_ml.evaluation.doubtful.disagreement import (
    AnnotationSource,
    Disagreement,
    disagreements,
    number_doubts,
)

SOURCE = AnnotationSource((0, 0), 1, 2, 3)


def _compared(
    annotated: list[dict[str, Any]], predicted: list[dict[str, Any]], config: str = "", **prediction: Any
) -> tuple[list[Disagreement], dict[str, str]]:
    not_compared: dict[str, str] = {}
    found = disagreements(SOURCE, annotated, {"result": predicted, **prediction}, config, not_compared)
    return found, not_compared


def _span(label: str, start: int, end: int) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label]}
    return {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}


def _box(x: float, label: str = "car") -> dict[str, Any]:
    value = {"x": x, "y": 10.0, "width": 20.0, "height": 20.0, "rectanglelabels": [label]}
    size = {"original_width": 100, "original_height": 100}
    return {"from_name": "box", "to_name": "image", "type": "rectanglelabels", **size, "value": value}


def _number(value: float) -> dict[str, Any]:
    return {"from_name": "price", "to_name": "text", "type": "number", "value": {"number": value}}


def test_spans_agree_by_the_share_that_matches() -> None:
    (found,), _ = _compared([_span("PER", 0, 5), _span("LOC", 10, 15)], [_span("PER", 0, 5)], score=0.7)
    assert (found.kind, found.control, found.score) == ("spans", "ner", 0.7)
    assert found.agreement == pytest.approx(2 / 3)
    assert (found.given, found.predicted, found.pairs) == ({"PER": 1, "LOC": 1}, {"PER": 1}, ())


def test_boxes_agree_if_they_overlap_by_half() -> None:
    (near,), _ = _compared([_box(10)], [_box(12)])
    (far,), _ = _compared([_box(10)], [_box(60)])
    assert (near.kind, near.agreement, far.agreement) == ("boxes", 1.0, 0.0)


def _words(text: str) -> list[dict[str, Any]]:
    return [{"from_name": "words", "to_name": "audio", "type": "textarea", "value": {"text": [text]}}]


def test_texts_agree_by_their_characters() -> None:
    (found,), _ = _compared(_words("a good day"), _words("a good dax"))
    assert found.kind == "text"
    assert found.agreement == pytest.approx(0.9)


def test_the_score_of_a_control_is_that_of_its_regions() -> None:
    (found,), _ = _compared([_box(10)], [{**_box(12), "score": 0.4}, {**_box(60), "score": 0.8}], score=0.9)
    assert found.score == pytest.approx(0.6)


def _choice(control: str, label: str) -> dict[str, Any]:
    value = {"choices": [label]}
    return {"from_name": control, "to_name": "text", "type": "choices", "value": value}


#: Three controls with overlapping labels.
CHOICES = "".join(
    f'<Choices name="{name}" toName="text">{"".join(f"<Choice value={label!r}/>" for label in labels)}</Choices>'
    for name, labels in {"a": ["yes", "no"], "b": ["yes", "no"], "c": ["yes", "no", "maybe"]}.items()
)
CONFIG = f'<View><Text name="text" value="$text"/>{CHOICES}</View>'


@pytest.mark.parametrize(
    ("labels", "probabilities", "owner"),
    [
        ({"a": "yes"}, {"yes": 0.8, "no": 0.2}, "a"),
        ({"a": "yes", "c": "maybe"}, {"yes": 0.8, "no": 0.2}, "a"),
        ({"a": "yes", "c": "yes"}, {"yes": 0.8, "no": 0.1, "maybe": 0.1}, "c"),
        ({"a": "yes", "b": "no"}, {"yes": 0.8, "no": 0.2}, "a"),
        ({"a": "yes", "b": "yes"}, {"yes": 0.8, "no": 0.2}, None),
        ({"c": "maybe"}, {"yes": 0.8, "no": 0.2}, None),
        ({"a": "yes"}, {"yes": 95, "no": 5}, None),
        ({"a": "yes"}, {"yes": float("nan"), "no": 0.2}, None),
        ({"a": "yes"}, [0.8, 0.2], None),
    ],
)
def test_probabilities_belong_to_one_control(
    labels: dict[str, str], probabilities: Any, owner: str | None
) -> None:
    regions = [_choice(control, label) for control, label in labels.items()]
    found, _ = _compared(regions, regions, CONFIG, probabilities=probabilities)
    assert len(found) == len(labels)
    assert [each.control for each in found if each.probabilities is not None] == ([owner] if owner else [])


def test_what_cannot_be_compared_is_named() -> None:
    config = (
        '<View><Text name="text" value="$text"/><Choices name="why" toName="text" perRegion="true">'
        '<Choice value="a"/></Choices><Labels name="ner" toName="text"><Label value="PER"/></Labels></View>'
    )
    why = {
        "from_name": "why",
        "to_name": "text",
        "type": "choices",
        "value": {"start": 0, "end": 5, "choices": ["a"]},
    }
    track = {"from_name": "track", "to_name": "video", "type": "videorectangle", "value": {"sequence": []}}
    found, not_compared = _compared([_span("PER", 0, 5), why, track], [], config)
    assert [each.control for each in found] == ["ner"]
    assert "perRegion" in not_compared["why"]
    assert "no metric for this kind" in not_compared["track"]


def test_numbers_are_doubtful_beyond_the_usual_difference() -> None:
    usual = [(float(value), value + (0.5 if value % 2 else -0.5)) for value in range(20)]
    doubts = number_doubts([*usual, (3.0, 30.0), (None, 4.0), (4.0, None)])
    assert doubts[:20] == [0.0] * 20
    assert doubts[20] > 0.8
    assert doubts[21:] == [0.0, 0.0]
    assert number_doubts([(1.0, 1.0)] * 9) == [0.0] * 9
    mostly_right = number_doubts([*[(1.0, 1.0)] * 9, (1.0, 5.0)])
    assert mostly_right[:9] == [0.0] * 9
    assert mostly_right[9] > 0.5
    assert number_doubts([(None, 1.0)]) == [0.0]


def test_pairs_of_numbers_are_kept() -> None:
    (found,), _ = _compared([_number(4)], [_number(5)])
    assert (found.kind, found.pairs) == ("numbers", [(4.0, 5.0)])
