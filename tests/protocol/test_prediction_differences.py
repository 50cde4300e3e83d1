"""Where two predictions differ."""

from typing import Any

import pytest

from label_studio_ml.protocol.prediction_differences import CHANGING, are_equal, difference, is_permutation


def prediction(**more: Any) -> dict[str, Any]:
    return {"result": [{"id": "a", "value": {"x": 1.0, "labels": ["A"]}}], "score": 0.5, **more}


@pytest.mark.parametrize(
    ("left", "right", "path"),
    [
        (prediction(), prediction(score=0.7), "score"),
        (prediction(), prediction(result=[]), "the length of result"),
        ({"result": [{"value": {"x": 1}}]}, {"result": [{"value": {"x": 2}}]}, "result[0].value.x"),
        ({"a": 1, "b": 2}, {"b": 3, "a": 2}, "a"),
        ({"a": 1}, {"a": 1, "b": 2}, "b"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({"a": None}, {}, "a"),
        ([1], [True], "[0]"),
        (1, "1", "the prediction"),
        ([[1], [2, 3]], [[1], [2, 4]], "[1][1]"),
    ],
)
def test_the_first_difference_is_named(left: Any, right: Any, path: str) -> None:
    assert difference(left, right) == path


def test_rounding_is_no_difference() -> None:
    """0.1234565 is rounded up and 0.12345649 down, to six digits: the distance counts."""
    assert are_equal(prediction(score=0.1234565), prediction(score=0.12345649))
    assert are_equal(prediction(score=1), prediction(score=1.0))
    assert not are_equal(prediction(score=0.5), prediction(score=0.51))


def test_what_is_new_in_each_call_is_no_difference_of_predictions() -> None:
    other = prediction(model_version="b", result=[{"id": "c", "value": {"x": 1.0, "labels": ["A"]}}])
    assert are_equal(prediction(model_version="a"), other)
    assert difference(prediction(model_version="a"), other) == "result[0].id"
    assert difference(prediction(model_version="a"), other, CHANGING) == ""


def test_deep_values_are_compared() -> None:
    left: Any = [1]
    right: Any = [2]
    for _ in range(10_000):
        left, right = [left], [right]
    assert difference(left, left) == ""
    assert difference(left, right).startswith("[0][0]")


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [([1, 2, 2], [2, 1, 2], True), ([1, 2, 2], [2, 1, 1], False), ([1], [1, 1], False), ([], [], True)],
)
def test_another_order(left: list[Any], right: list[Any], expected: bool) -> None:
    assert is_permutation(left, right) is expected
