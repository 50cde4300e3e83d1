"""Judge how surely predictions contradict annotations, from all comparisons of a control."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from label_studio_ml.evaluation.doubtful.contradictions import (
    LabelledExample,
    contradictions,
    label_probabilities,
)
from label_studio_ml.evaluation.doubtful.disagreement import Disagreement, number_doubts
from label_studio_ml.evaluation.metrics.region_kinds import CHOICES


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation that a prediction contradicts, with the control that it contradicts most.

    `doubt` is from 0 to 1: for a single choice, by how much the predicted label is more probable than the given one,
    or without a score how often predictions of this label agree with annotations; for numbers, how far the difference
    is beyond the usual one; for other kinds, the disagreement times the prediction's score. `likely` tells that
    confident learning takes the label for an error, and is False for other kinds and without a score. `given` and
    `predicted` count labels or values. `url` is the annotation's page in Label Studio, if known.
    """

    task: int | None
    annotation: int | None
    annotator: int | str | None
    control: str
    kind: str
    doubt: float
    likely: bool
    given: dict[str, int]
    predicted: dict[str, int]
    url: str = ""


#: A comparison with its doubt, and whether it is a likely error.
Judged = tuple[Disagreement, float, bool]
#: Key that sorts the surest contradictions first, those of equal doubt by the place of task and annotation.
_Order = tuple[bool, float, tuple[int, int], str]


def doubts_of(compared: Iterable[Disagreement], scored: Collection[str]) -> list[Doubt]:
    """Return one doubt for each contradicted annotation, the surest first.

    `scored` are the controls for which a prediction has a score above 0.
    """
    by_control: dict[tuple[str, str], list[Disagreement]] = {}
    for comparison in compared:
        by_control.setdefault((comparison.control, comparison.kind), []).append(comparison)
    strongest: dict[tuple[int, int], tuple[_Order, Judged]] = {}
    for (control, kind), comparisons in by_control.items():
        for judged in _judged(kind, comparisons, control in scored):
            disagreement, doubt, likely = judged
            place = disagreement.source.place
            order = (not likely, -doubt, place, disagreement.control)
            if doubt > 0 and (place not in strongest or order < strongest[place][0]):
                strongest[place] = order, judged
    return [_doubt(*judged) for _, judged in sorted(strongest.values(), key=lambda entry: entry[0])]


def _doubt(comparison: Disagreement, doubt: float, likely: bool) -> Doubt:
    return Doubt(
        task=comparison.source.task,
        annotation=comparison.source.annotation,
        annotator=comparison.source.annotator,
        control=comparison.control,
        kind=comparison.kind,
        doubt=round(doubt, 6),
        likely=likely,
        given=comparison.given,
        predicted=comparison.predicted,
    )


def _judged(kind: str, comparisons: Sequence[Disagreement], has_scores: bool) -> Iterator[Judged]:
    """Yield the comparisons of one control, as far as they can be judged.

    Without `has_scores`, scores do not count: libraries write a score of 0 where the model gives none.
    """
    if kind == CHOICES.name and _are_exclusive(comparisons):
        yield from _judged_choices(comparisons, has_scores)
        return
    if kind == "numbers":
        pairs = [(comparison, pair) for comparison in comparisons for pair in comparison.pairs]
        for (comparison, _), doubt in zip(pairs, number_doubts([pair for _, pair in pairs]), strict=True):
            yield comparison, doubt, False
        return
    for comparison in comparisons:
        is_share = has_scores and comparison.score is not None and 0 <= comparison.score <= 1
        yield comparison, (1 - comparison.agreement) * (comparison.score or 0.0 if is_share else 1.0), False


def _are_exclusive(comparisons: Sequence[Disagreement]) -> bool:
    return all(
        len(given) <= 1 and len(predicted) <= 1
        for comparison in comparisons
        for given, predicted in comparison.pairs
    )


def _judged_choices(comparisons: Sequence[Disagreement], has_scores: bool) -> Iterator[Judged]:
    labels = sorted({label for comparison in comparisons for given, _ in comparison.pairs for label in given})
    with_probabilities: list[tuple[Disagreement, LabelledExample]] = []
    others: list[tuple[Disagreement, str, str]] = []
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for comparison in comparisons:
        for given, predicted in comparison.pairs:
            if not given or not predicted:
                continue
            total[predicted[0]] += 1
            right[predicted[0]] += predicted[0] == given[0]
            score = comparison.score if has_scores else None
            probabilities = label_probabilities(comparison.probabilities, predicted[0], score, labels)
            if probabilities is None:
                others.append((comparison, given[0], predicted[0]))
            else:
                with_probabilities.append(
                    (comparison, LabelledExample(given[0], predicted[0], probabilities))
                )
    judgements = contradictions([example for _, example in with_probabilities])
    for (comparison, _), contradiction in zip(with_probabilities, judgements, strict=True):
        yield comparison, contradiction.margin, contradiction.likely
    for comparison, given, predicted in others:
        # The share of right predictions with this label; one right and one wrong are added, so that it is never 0.
        share = (right[predicted] + 1) / (total[predicted] + 2)
        yield comparison, share if given != predicted else 0.0, False
