"""Confident learning: which labels of single choices predictions contradict, and how surely.

This is confident learning (Northcutt, Jiang and Chuang, JAIR 2021) with its confident joint as the rule. The threshold
of a label is the mean of the probabilities that it is predicted with where it is annotated. Of the labels whose
probability reaches their threshold, the most probable one is taken for the true label; the annotation is a likely error
if that is another one than the annotated and the predicted label differs from it, too. If no label reaches its
threshold, nothing is taken for an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """An annotated label and the prediction of a model that has not seen it; `probabilities` are by label."""

    given: str
    predicted: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How surely a prediction contradicts a label.

    `margin` (0 to 1) is by how much the predicted label is more probable than the given one, 0 if they are the same.
    `likely` tells that the given label is a likely error.
    """

    margin: float
    likely: bool


def contradictions(examples: Sequence[LabelledExample]) -> list[Contradiction]:
    """Return the contradiction of each example, in order."""
    by_label: dict[str, list[float]] = {}
    for example in examples:
        by_label.setdefault(example.given, []).append(example.probabilities.get(example.given, 0.0))
    thresholds = {label: fmean(values) for label, values in by_label.items()}
    return [_contradiction(example, thresholds) for example in examples]


def _contradiction(example: LabelledExample, thresholds: Mapping[str, float]) -> Contradiction:
    if example.predicted == example.given:
        return Contradiction(0.0, likely=False)
    probabilities = example.probabilities
    margin = probabilities.get(example.predicted, 0.0) - probabilities.get(example.given, 0.0)
    confident = [
        label
        for label, threshold in thresholds.items()
        if threshold > 0 and probabilities.get(label, 0.0) >= threshold
    ]
    most_probable = max(confident, key=lambda label: probabilities.get(label, 0.0), default=example.given)
    return Contradiction(min(max(margin, 0.0), 1.0), likely=most_probable != example.given)


def label_probabilities(
    reported: Mapping[str, float] | None, predicted: str, score: float | None, labels: Sequence[str]
) -> dict[str, float] | None:
    """Return the probability of each label, None if nothing tells them.

    `reported` are the prediction's probabilities, which are taken if `predicted` is in them. Otherwise `score` is the
    probability of the predicted label if it is from 0 to 1, and the rest is spread evenly over the other `labels`.
    """
    if reported is not None and predicted in reported:
        return dict(reported)
    if score is None or not 0 <= score <= 1:
        return None
    others = [label for label in labels if label != predicted]
    return {predicted: score, **{label: (1 - score) / len(others) for label in others}}
