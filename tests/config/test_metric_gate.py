"""The metric gate: what it lets through, what it says of what it does not, and what it cannot read."""

import math

import pytest

from label_studio_ml.config.metric_gate import Comparison, Metrics, parse_gate


@pytest.mark.parametrize(
    ("gate", "new", "current"),
    [
        ("", {}, {"accuracy": 0.9}),
        ("  ", {}, {}),
        ("accuracy >= current", {"accuracy": 0.9}, {"accuracy": 0.9}),
        ("accuracy>current", {"accuracy": 0.91}, {"accuracy": 0.9}),
        ("loss <= current", {"loss": 0.1}, {"loss": 0.1}),
        ("loss < CURRENT", {"loss": 0.09}, {"loss": 0.1}),
        ("accuracy >= 0.8", {"accuracy": 0.8}, {"accuracy": 0.9}),
        ("accuracy > .8", {"accuracy": 0.81}, {}),
        ("loss < 1e-3", {"loss": 0.0009}, {}),
        ("score > -1", {"score": 0}, {}),
        ("accuracy >= current * 0.9", {"accuracy": 0.9}, {"accuracy": 1.0}),
        ("accuracy >= current*0.9", {"accuracy": 0.9}, {"accuracy": 1.0}),
        ("accuracy >= current - 0.5", {"accuracy": 0.5}, {"accuracy": 1.0}),
        ("loss <= current + 0.5", {"loss": 1.5}, {"loss": 1.0}),
        ("f1 macro >= current and eval/loss <= 1", {"f1 macro": 1, "eval/loss": 1}, {"f1 macro": 1}),
        ("band-width > 1", {"band-width": 2}, {}),
        # nothing to compare with: the first version, or a metric that is new
        ("accuracy >= current", {"accuracy": 0.1}, {}),
        ("accuracy >= current", {"accuracy": 0.1}, {"loss": 0.1}),
        ("accuracy >= current", {"accuracy": 0.1}, {"accuracy": None}),
        ("accuracy >= current", {"accuracy": 0.1}, {"accuracy": math.nan}),
    ],
)
def test_let_through(gate: str, new: Metrics, current: Metrics) -> None:
    assert parse_gate(gate).refusal(new, current) == ""


@pytest.mark.parametrize(
    ("gate", "new", "current", "said"),
    [
        (
            "accuracy >= current",
            {"accuracy": 0.89},
            {"accuracy": 0.9},
            "accuracy is 0.89, not >= 0.9 (the served version has 0.9)",
        ),
        ("accuracy > current", {"accuracy": 0.9}, {"accuracy": 0.9}, "accuracy is 0.9, not > 0.9"),
        ("loss < current", {"loss": 0.1}, {"loss": 0.1}, "loss is 0.1, not < 0.1"),
        ("accuracy >= 0.8", {"accuracy": 0.7}, {"accuracy": 0.1}, "accuracy is 0.7, not >= 0.8"),
        ("accuracy >= 0.8", {"accuracy": 0.7}, {}, "accuracy is 0.7, not >= 0.8"),
        (
            "accuracy >= current * 0.5",
            {"accuracy": 0.4},
            {"accuracy": 1.0},
            "accuracy is 0.4, not >= 0.5 (the served version has 1)",
        ),
        ("a >= current and b <= 1 and c > 0", {"a": 1, "b": 2, "c": 0}, {"a": 1}, "b is 2, not <= 1; c is 0"),
        ("accuracy >= current", {"acc": 1.0}, {"accuracy": 0.9}, "the new version has no accuracy"),
        ("accuracy >= current", {}, {}, "the new version has no accuracy"),
        ("accuracy >= 0", {"accuracy": None}, {}, "the new version has no accuracy"),
        ("accuracy >= 0", {"accuracy": math.nan}, {}, "the new version has no accuracy"),
        ("loss < 9", {"loss": -math.inf}, {}, "the new version has no loss"),
    ],
)
def test_held_back(gate: str, new: Metrics, current: Metrics, said: str) -> None:
    assert said in parse_gate(gate).refusal(new, current)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("accuracy", "'accuracy' is no comparison like accuracy >= current"),
        ("accuracy is good", "'accuracy is good' is no comparison"),
        ("accuracy == current", "no comparison"),
        ("accuracy != current", "no comparison"),
        ("accuracy >= current and", "'current and' is neither a number nor current"),
        ("accuracy >= current and loss", "'loss' is no comparison"),
        (">= current", "no comparison"),
        ("accuracy >=", "no comparison"),
        ("accuracy >= best", "'best' is neither a number nor current"),
        ("current >= accuracy", "'accuracy' is neither"),
        ("accuracy >= current / 2", "'current / 2' is neither"),
        ("accuracy >= current - loss", "'current - loss' is neither"),
        ("accuracy >= nan", "'nan' is neither"),
        ("accuracy >= __import__('os')", "is neither"),
        ("accuracy >= 0.8 or loss < 1", "no comparison"),
        ("0.7 <= accuracy <= 0.9", "no comparison"),
    ],
)
def test_what_cannot_be_read(gate: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"neither|no comparison") as caught:
        parse_gate(gate)
    assert said in str(caught.value)


def test_what_is_measured_on_the_same_tasks_wins() -> None:
    gate = parse_gate("accuracy >= current and loss <= current * 1.5")
    fits = {"accuracy": 0.5625, "loss": 1.0}, {"accuracy": 0.667, "loss": 1.0}
    assert gate.compared == ["accuracy", "loss"]
    assert gate.refusal(*fits) == "accuracy is 0.5625, not >= 0.667 (the served version has 0.667)"
    better = Comparison(version="v1", tasks=16, new={"accuracy": 0.5625}, previous={"accuracy": 0.5})
    assert gate.refusal(*fits, better) == ""
    worse = Comparison(version="v1", tasks=16, new={"accuracy": 0.5}, previous={"accuracy": 0.5625})
    assert (
        gate.refusal({"accuracy": 1.0, "loss": 1.0}, {}, worse)
        == "accuracy is 0.5, not >= 0.5625 (version v1 has 0.5625 on the same 16 tasks)"
    )
    by_fit = Comparison(version="v1", new={"loss": 4.0}, previous={"loss": 2.0})
    assert gate.refusal({"accuracy": 1, "loss": 4.0}, {}, by_fit) == (
        "loss is 4, not <= 3 (version v1 has 2)"
    )


def test_numbers_that_cannot_be_compared_hold_nothing_back() -> None:
    gate = parse_gate("accuracy >= current and accuracy >= 0.5")
    unfair = Comparison(version="v1", unfair="other tasks")
    assert gate.refusal({"accuracy": 0.6}, {"accuracy": 0.9}, unfair) == ""
    assert gate.refusal({"accuracy": 0.4}, {"accuracy": 0.9}, unfair) == "accuracy is 0.4, not >= 0.5"
    assert "has no accuracy" in gate.refusal({}, {"accuracy": 0.9}, unfair)
    assert gate.compared == ["accuracy"]
    assert parse_gate("accuracy > 0.5").compared == []


def test_a_comparison_in_words() -> None:
    measured = Comparison(version="v1", tasks=1, new={"f1": 0.5, "x": None}, previous={"f1": 0.25, "x": 1})
    assert measured.text() == "measured against version v1 on the same 1 task: f1 0.5 (before: 0.25)"
    by_fit = Comparison(version="v1", new={"loss": 2}, previous={"loss": 1}, unfair="other tasks")
    assert by_fit.text() == (
        "measured against version v1 in fit: loss 2 (before: 1); not compared with version v1: other tasks"
    )
