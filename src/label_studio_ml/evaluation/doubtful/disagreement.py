"""Compare one annotation with the prediction for its task, by control: the facts from which doubts follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.region_kinds import CHOICES
from label_studio_ml.evaluation.metrics.regions import Region
from label_studio_ml.evaluation.worst_tasks import label_counts, task_agreement
from label_studio_ml.protocol.label_config import parse_label_config

#: Numbers that differ by this many times the usual difference contradict each other.
_OUTLIER = 3.0
#: Median absolute deviation -> standard deviation of a normal distribution.
_MAD_FACTOR = 1.4826


@dataclass(frozen=True, slots=True)
class AnnotationSource:
    """The annotation that was compared: ids of task, annotation and annotator, each None if it is not known.

    `place` is the task's place among all tasks and the annotation's in its task.
    """

    place: tuple[int, int]
    task: int | None
    annotation: int | None
    annotator: int | str | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An annotation and a prediction, as far as one control is concerned.

    `kind` is the name of the kind of regions. `agreement` is from 0 to 1. `given` and `predicted` count labels or
    values. `pairs` are the compared values of choices and numbers, one for each place; empty for other kinds. `score`
    is the prediction's for this control, None if it has none. `probabilities` are the prediction's by label, None if it
    has none or they are another control's.
    """

    source: AnnotationSource
    control: str
    kind: str
    agreement: float
    given: dict[str, int]
    predicted: dict[str, int]
    pairs: Sequence[tuple[Any, Any]]
    score: float | None
    probabilities: Mapping[str, float] | None


#: Kinds whose pairs are kept, because their doubts depend on those of all tasks.
_KEPT_PAIRS = frozenset({CHOICES.name, "numbers"})


def disagreements(
    source: AnnotationSource,
    annotated: Sequence[Region],
    prediction: Mapping[str, Any],
    label_config: str,
    not_compared: dict[str, str],
) -> list[Disagreement]:
    """Return the comparison by control; add controls that cannot be compared to `not_compared` with the reason."""
    predicted = [region for region in prediction.get("result") or [] if isinstance(region, Mapping)]
    observations = Observations(label_config)
    score = _number(prediction.get("score"))
    compared = observations.add(annotated, predicted, 1.0 if score is None else score)
    for control, cause in observations.not_measured().items():
        if control in compared or any(_of(control, [*annotated, *predicted])):
            not_compared[control] = cause
    probabilities = probabilities_in(prediction)
    owner = _owner(probabilities or {}, compared, label_config)
    return [
        Disagreement(
            source=source,
            control=control,
            kind=kind,
            agreement=task_agreement(kind, pairs),
            given=label_counts(_of(control, annotated)),
            predicted=label_counts(_of(control, predicted)),
            pairs=pairs if kind in _KEPT_PAIRS else (),
            score=_score(_of(control, predicted), prediction),
            probabilities=probabilities if control == owner else None,
        )
        for control, (kind, pairs) in compared.items()
    ]


def probabilities_in(prediction: Mapping[str, Any]) -> dict[str, float] | None:
    """Return a prediction's `probabilities` if they are a dict of numbers from 0 to 1 by label, else None."""
    reported = prediction.get("probabilities")
    if not isinstance(reported, Mapping):
        return None
    values = {str(label): _number(value) for label, value in reported.items()}
    shares = {label: value for label, value in values.items() if value is not None and 0 <= value <= 1}
    return shares if len(shares) == len(values) else None


def _owner(
    probabilities: Mapping[str, float],
    compared: Mapping[str, tuple[str, Sequence[tuple[Any, Any]]]],
    label_config: str,
) -> str | None:
    """Return the control whose labels a prediction's probabilities are of, None if it is none or several.

    It has predicted one of these labels, once. If that holds for several controls, it is the only one that has just
    these labels, else the only one whose predicted label is the most probable.
    """
    predicted = {
        control: pairs[0][1][0]
        for control, (kind, pairs) in compared.items()
        if kind == CHOICES.name
        and len(pairs) == 1
        and len(pairs[0][1]) == 1
        and pairs[0][1][0] in probabilities
    }
    if len(predicted) > 1:
        labels = _labels_by_control(label_config)
        exact = {control for control in predicted if set(labels.get(control, ())) == probabilities.keys()}
        predicted = {control: predicted[control] for control in exact} or predicted
    if len(predicted) > 1:
        highest = max(probabilities.values())
        predicted = {
            control: label for control, label in predicted.items() if probabilities[label] == highest
        }
    return next(iter(predicted)) if len(predicted) == 1 else None


@lru_cache(maxsize=4)
def _labels_by_control(label_config: str) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(control.get("labels", ())) for name, control in parse_label_config(label_config).items()
    }


def number_doubts(pairs: Sequence[tuple[float | None, float | None]]) -> list[float]:
    """Return the doubt (0 to 1) of each pair of an annotated and a predicted number of one control.

    The usual difference is the median absolute deviation of all differences. A difference within `_OUTLIER` times of it
    is no doubt; beyond, the doubt grows towards 1. A number on one side only is no doubt, because nothing says how sure
    that is.
    """
    differences = [
        predicted - given for given, predicted in pairs if given is not None and predicted is not None
    ]
    if not differences:
        return [0.0] * len(pairs)
    middle = median(differences)
    deviations = [abs(difference - middle) for difference in differences]
    # If most predictions are exactly right, the mean deviation takes the place of the median one, which is 0.
    usual = _MAD_FACTOR * median(deviations) or sum(deviations) / len(deviations)
    doubts = []
    for given, predicted in pairs:
        outlying = (
            abs(predicted - given - middle) / usual
            if given is not None and predicted is not None and usual
            else 0.0
        )
        doubts.append(1 - _OUTLIER / outlying if outlying > _OUTLIER else 0.0)
    return doubts


def _of(control: str, regions: Sequence[Region]) -> list[Region]:
    return [
        region for region in regions if isinstance(region, Mapping) and region.get("from_name") == control
    ]


def _score(regions: Sequence[Region], prediction: Mapping[str, Any]) -> float | None:
    """Return the mean score of a control's regions, else the prediction's score, None if there is neither."""
    scores = [score for region in regions if (score := _number(region.get("score"))) is not None]
    return sum(scores) / len(scores) if scores else _number(prediction.get("score"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
