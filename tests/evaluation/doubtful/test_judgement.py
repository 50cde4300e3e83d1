"""How surely comparisons contradict annotations: scores of 0, no scores, the order of equal doubts."""

from typing import Any

import pytest

from label_studio_ml.evaluation.doubtful.disagreement import AnnotationSource, Disagreement
from label_studio_ml.evaluation.doubtful.judgement import Doubt, doubts_of


def _choice(place: int, given: str, predicted: str, score: float | None) -> Disagreement:
    return Disagreement(
        source=AnnotationSource((place, 0), None, None, None),
        control="mood",
        kind="choices",
        agreement=float(given == predicted),
        given={given: 1},
        predicted={predicted: 1},
        pairs=[([given], [predicted])],
        score=score,
        probabilities=None,
    )


def _spans(place: int, agreement: float, score: float | None, *, number: int = 0) -> Disagreement:
    return Disagreement(
        source=AnnotationSource((place, number), None, None, None),
        control="ner",
        kind="spans",
        agreement=agreement,
        given={str(place): 1},
        predicted={},
        pairs=(),
        score=score,
        probabilities=None,
    )


def _given(doubts: list[Doubt]) -> list[Any]:
    return [next(iter(doubt.given)) for doubt in doubts]


def test_a_score_of_0_is_no_certainty() -> None:
    compared = [_spans(1, 0.0, 0.0), _spans(2, 0.5, 0.9), _spans(3, 0.0, 0.4)]
    doubts = doubts_of(compared, {"ner"})
    assert [(*doubt.given, doubt.doubt) for doubt in doubts] == [("2", 0.45), ("3", 0.4)]
    choices = [*[_choice(place, "good", "good", 0.9) for place in range(9)], _choice(9, "bad", "good", 0.0)]
    assert doubts_of(choices, {"mood"}) == []


@pytest.mark.parametrize("score", [None, 0.0])
def test_without_any_score_the_disagreement_counts_alone(score: float | None) -> None:
    doubts = doubts_of([_spans(1, 0.5, score), _spans(2, 0.0, score)], set())
    assert [(*doubt.given, doubt.doubt) for doubt in doubts] == [("2", 1.0), ("1", 0.5)]


@pytest.mark.parametrize("score", [None, 0.0])
def test_without_any_score_labels_that_are_predicted_rightly_come_first(score: float | None) -> None:
    right = [*["good"] * 8, *["bad"] * 2]
    compared = [
        _choice(0, "good", "bad", score),
        _choice(1, "bad", "good", score),
        *(_choice(place, label, label, score) for place, label in enumerate(right, 2)),
    ]
    doubts = doubts_of(compared, set())
    assert _given(doubts) == ["bad", "good"], "good is predicted rightly 8 times of 9, bad 2 times of 3"
    assert [doubt.doubt for doubt in doubts] == [pytest.approx(9 / 11, abs=1e-6), 0.6]
    assert not any(doubt.likely for doubt in doubts), "nothing says how sure the predictions are"


def test_equal_doubts_are_in_the_order_of_the_tasks() -> None:
    compared = [_spans(place, 0.0, None) for place in (3, 1, 2)]
    compared.append(_spans(1, 0.0, None, number=1))
    assert _given(doubts_of(compared, set())) == ["1", "1", "2", "3"]
    assert _given(doubts_of(compared[::-1], set())) == ["1", "1", "2", "3"]
