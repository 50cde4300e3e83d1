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
    for each in compared:
        by_control.setdefault((each.control, each.kind), []).append(each)
    strongest: dict[tuple[int, int], tuple[_Order, Judged]] = {}
    for (control, kind), several in by_control.items():
        for judged in _judged(kind, several, control in scored):
            disagreement, doubt, likely = judged
            place = disagreement.source.place
            order = (not likely, -doubt, place, disagreement.control)
            if doubt > 0 and (place not in strongest or order < strongest[place][0]):
                strongest[place] = order, judged
    return [_doubt(*judged) for _, judged in sorted(strongest.values(), key=lambda entry: entry[0])]


def _doubt(each: Disagreement, doubt: float, likely: bool) -> Doubt:
    return Doubt(
        task=each.source.task,
        annotation=each.source.annotation,
        annotator=each.source.annotator,
        control=each.control,
        kind=each.kind,
        doubt=round(doubt, 6),
        likely=likely,
        given=each.given,
        predicted=each.predicted,
    )


def _judged(kind: str, several: Sequence[Disagreement], has_scores: bool) -> Iterator[Judged]:
    """Yield the comparisons of one control, as far as they can be judged.

    Without `has_scores`, scores do not count: libraries write a score of 0 where the model gives none.
    """
    if kind == CHOICES.name and _are_exclusive(several):
        yield from _judged_choices(several, has_scores)
        return
    if kind == "numbers":
        pairs = [(each, pair) for each in several for pair in each.pairs]
        for (each, _), doubt in zip(pairs, number_doubts([pair for _, pair in pairs]), strict=True):
            yield each, doubt, False
        return
    for each in several:
        is_share = has_scores and each.score is not None and 0 <= each.score <= 1
        yield each, (1 - each.agreement) * (each.score or 0.0 if is_share else 1.0), False


def _are_exclusive(several: Sequence[Disagreement]) -> bool:
    return all(len(given) <= 1 and len(predicted) <= 1 for each in several for given, predicted in each.pairs)


def _judged_choices(several: Sequence[Disagreement], has_scores: bool) -> Iterator[Judged]:
    labels = sorted({label for each in several for given, _ in each.pairs for label in given})
    with_probabilities: list[tuple[Disagreement, LabelledExample]] = []
    others: list[tuple[Disagreement, str, str]] = []
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for each in several:
        for given, predicted in each.pairs:
            if not given or not predicted:
                continue
            total[predicted[0]] += 1
            right[predicted[0]] += predicted[0] == given[0]
            score = each.score if has_scores else None
            probabilities = label_probabilities(each.probabilities, predicted[0], score, labels)
            if probabilities is None:
                others.append((each, given[0], predicted[0]))
            else:
                with_probabilities.append((each, LabelledExample(given[0], predicted[0], probabilities)))
    found = contradictions([example for _, example in with_probabilities])
    for (each, _), contradiction in zip(with_probabilities, found, strict=True):
        yield each, contradiction.margin, contradiction.likely
    for each, given, predicted in others:
        # The share of right predictions with this label; one right and one wrong are added, so that it is never 0.
        share = (right[predicted] + 1) / (total[predicted] + 2)
        yield each, share if given != predicted else 0.0, False
