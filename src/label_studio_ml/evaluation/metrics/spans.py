"""Metrics of labelled spans in a text, dialogue, recording or time series."""

from typing import NamedTuple

from label_studio_ml.evaluation.metrics.results import Measured, number, ordered

#: A position that can be ordered among others of its task: (kind of position, position, offset in it).
Position = tuple[int, float | str, float]


class Span(NamedTuple):
    """A labelled span from `start` (inclusive) to `end` (exclusive)."""

    label: str
    start: Position
    end: Position


#: A task's annotated spans and its predicted ones.
Pair = tuple[list[Span], list[Span]]

#: Metric prefix in reports -> nervaluate's name of the scheme.
_SCHEMES = {"strict": "strict", "boundary": "exact", "overlap": "partial", "type": "ent_type"}


def measure(pairs: list[Pair], config_labels: list[str]) -> Measured:
    """Return span-level precision, recall and F1 by four matching schemes, and by label.

    strict: boundaries and label are equal. boundary: boundaries are equal. overlap: as boundary, and overlapping
    spans count half. type: the labels are equal and the spans overlap. By label, `overlap` compares spans of that
    label only.
    """
    from nervaluate import Evaluator

    labels = ordered({span.label for pair in pairs for side in pair for span in side}, config_labels)
    truth, predicted = [], []
    for reference, candidates in pairs:
        ranks = _ranks([*reference, *candidates])
        truth.append([_entity(span, ranks) for span in reference])
        predicted.append([_entity(span, ranks) for span in _best_first(candidates, reference)])
    scores = Evaluator(truth, predicted, tags=labels, loader="dict").evaluate()
    metrics = {
        f"{name}_{metric}": number(getattr(scores["overall"][scheme], metric))
        for name, scheme in _SCHEMES.items()
        for metric in ("precision", "recall", "f1")
    }
    by_label: dict[str, dict[str, float | None]] = {}
    for label in labels:
        strict, overlap = scores["entities"][label]["strict"], scores["entities"][label]["partial"]
        by_label[label] = {
            "precision": number(strict.precision),
            "recall": number(strict.recall),
            "f1": number(strict.f1),
            "overlap_f1": number(overlap.f1),
            "support": float(strict.possible),
        }
    return Measured(kind="spans", tasks=len(pairs), metrics=metrics, labels=by_label)


def _ranks(spans: list[Span]) -> dict[Position, int]:
    """Return the rank of each position of a task, because positions may be seconds or paragraphs.

    nervaluate needs whole numbers.
    """
    return {
        position: rank
        for rank, position in enumerate(
            sorted({position for span in spans for position in (span.start, span.end)})
        )
    }


def _entity(span: Span, ranks: dict[Position, int]) -> dict[str, object]:
    """Return a span for nervaluate, whose ends are inclusive."""
    start = ranks[span.start]
    return {"label": span.label, "start": start, "end": max(start, ranks[span.end] - 1)}


def _best_first(candidates: list[Span], reference: list[Span]) -> list[Span]:
    """Sort predicted spans by how well they fit.

    nervaluate matches in order: a span that only overlaps must not take the annotated span from an equal one.
    """
    exact = set(reference)
    bounds = {(span.start, span.end) for span in reference}

    def rank(span: Span) -> int:
        if span in exact:
            return 0
        if (span.start, span.end) in bounds:
            return 1
        overlapping = (other for other in reference if other.start < span.end and span.start < other.end)
        return 2 if any(other.label == span.label for other in overlapping) else 3

    return sorted(candidates, key=rank)
