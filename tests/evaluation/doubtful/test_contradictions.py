"""Confident learning on made-up probabilities."""

import pytest

from label_studio_ml.evaluation.doubtful.contradictions import (
    Contradiction,
    LabelledExample,
    contradictions,
    label_probabilities,
)


def _example(given: str, cat: float) -> LabelledExample:
    return LabelledExample(given, "cat" if cat >= 0.5 else "dog", {"cat": cat, "dog": 1 - cat})


def test_a_label_that_the_prediction_contradicts_is_a_likely_error() -> None:
    examples = [*[_example("cat", 0.9)] * 5, *[_example("dog", 0.2)] * 4, _example("dog", 0.95)]
    found = contradictions(examples)
    assert found[:9] == [Contradiction(0.0, likely=False)] * 9
    assert found[9].margin == pytest.approx(0.9)
    assert found[9].likely


def test_a_hesitant_contradiction_is_no_likely_error() -> None:
    found = contradictions([*[_example("cat", 0.9)] * 5, *[_example("dog", 0.1)] * 4, _example("dog", 0.6)])
    assert found[9].margin == pytest.approx(0.2)
    assert not found[9].likely, "0.6 is below what cats usually get"


def test_the_threshold_is_each_labels_own() -> None:
    """Cats are predicted with 0.6 only: a dog with 0.65 for cat is then a likely error."""
    found = contradictions([*[_example("cat", 0.6)] * 5, *[_example("dog", 0.1)] * 9, _example("dog", 0.65)])
    assert found[-1].likely


def test_probabilities_of_the_model_or_of_its_score() -> None:
    labels = ["cat", "dog", "eel"]
    reported = {"cat": 0.5, "dog": 0.3, "eel": 0.2}
    assert label_probabilities(reported, "cat", 0.9, labels) == reported
    expected = pytest.approx({"cat": 0.8, "dog": 0.1, "eel": 0.1})
    assert label_probabilities(None, "cat", 0.8, labels) == expected
    assert label_probabilities({"cow": 1.0}, "cat", 0.8, labels) == expected
    assert label_probabilities(None, "cat", 0.0, labels) == {"cat": 0.0, "dog": 0.5, "eel": 0.5}
    assert label_probabilities(None, "cat", 1.0, ["cat"]) == {"cat": 1.0}
    assert label_probabilities(None, "cat", 95.0, labels) is None
    assert label_probabilities(None, "cat", None, labels) is None
