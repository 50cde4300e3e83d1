"""Whether more of a metric is better, by its name."""

import pytest

from label_studio_ml.dashboard.versions.metric_directions import difference, direction


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", "higher"),
        ("eval/F1", "higher"),
        ("map_50_95", "higher"),
        ("macro_precision", "higher"),
        ("val_loss", "lower"),
        ("loss_accuracy", "higher"),
        ("sentiment: mae", "lower"),
        ("mAP@0.5", "higher"),
        ("epochs", ""),
        ("", ""),
    ],
)
def test_direction(name: str, expected: str) -> None:
    assert direction(name) == expected


def test_differences_of_what_are_no_numbers() -> None:
    assert difference("x", None, 1) is None
    assert difference("x", float("nan"), 1) is None
    assert difference("x", 1, float("inf")) is None
    assert difference("x", 10**400, 1.5) is None
    assert difference("accuracy", 1, 1) == {"by": 0, "verdict": "same"}
