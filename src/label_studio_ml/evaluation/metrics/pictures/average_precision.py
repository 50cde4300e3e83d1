"""COCO's average precision by label, of boxes or of masks, computed by faster-coco-eval."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from label_studio_ml.evaluation.metrics.results import number


class Scored(Protocol):
    """A region with a label and a score between 0 and 1."""

    @property
    def label(self) -> str:
        """Its label."""

    @property
    def score(self) -> float:
        """How sure the model is of it."""


#: Average precision at an overlap of 0.5, and averaged over overlaps of 0.5 to 0.95.
Precisions = tuple[float | None, float | None]


def average_precision(
    pairs: Sequence[tuple[Sequence[Scored], Sequence[Scored]]],
    labels: Sequence[str],
    overlap_of: Literal["bbox", "segm"],
    entry: Callable[[Any], dict[str, Any]],
) -> dict[str, Precisions]:
    """Return the average precisions of each label; None for labels without an annotated region.

    `pairs` are the annotated and predicted regions of each picture. `entry` returns a region's place and area as fields
    of COCO: `bbox` or `segmentation`, and `area`.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    numbers = {label: position for position, label in enumerate(labels, 1)}
    truth: list[dict[str, Any]] = []
    candidates: list[dict[str, Any]] = []
    for image, (reference, predicted) in enumerate(pairs, 1):
        for region in reference:
            place = {"image_id": image, "category_id": numbers[region.label], **entry(region)}
            truth.append({**place, "id": len(truth) + 1, "iscrowd": 0})
        for region in predicted:
            place = {"image_id": image, "category_id": numbers[region.label], **entry(region)}
            candidates.append({**place, "score": region.score})
    annotated = {label for label in labels if any(item["category_id"] == numbers[label] for item in truth)}
    if not candidates or not truth:
        return {label: (0.0, 0.0) if label in annotated else (None, None) for label in labels}
    coco = COCO(
        {
            "images": [{"id": image, "width": 1, "height": 1} for image in range(1, len(pairs) + 1)],
            "categories": [{"id": position, "name": label} for label, position in numbers.items()],
            "annotations": truth,
        }
    )
    evaluator = COCOeval_faster(coco, coco.loadRes(candidates), overlap_of, print_function=_print_nothing)
    evaluator.params.maxDets = [1, 10, max(100, *(len(predicted) for _, predicted in pairs))]
    evaluator.evaluate()
    evaluator.accumulate()
    # Axes: overlap thresholds, recall thresholds, labels, sizes (0: all sizes), maximum numbers of regions per picture.
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    return {
        label: (number(precision[0, :, column].mean()), number(precision[:, :, column].mean()))
        if label in annotated
        else (None, None)
        for column, label in enumerate(labels)
    }


_print_nothing: Callable[..., None] = lambda *_, **__: None  # noqa: E731
