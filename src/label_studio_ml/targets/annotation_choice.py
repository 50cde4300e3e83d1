"""The annotation of a task that counts, for trainings and evaluations alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args

Annotation = Mapping[str, Any]
AnnotationT = TypeVar("AnnotationT", bound=Annotation)

#: Which annotations of a task become examples; see `chosen`.
AnnotationChoice = Literal["latest", "ground_truth", "all", "consensus"]
ANNOTATION_CHOICES: tuple[str, ...] = get_args(AnnotationChoice)


def truth_of(task: Mapping[str, Any], *, only: bool = False) -> dict[str, Any] | None:
    """Return a task's ground truth, or else (unless `only`) its last changed annotation; None if there is neither.

    Of several ground truths, it is the last changed one.
    """
    annotations: list[dict[str, Any]] = task.get("annotations") or []
    truths = [annotation for annotation in annotations if annotation.get("ground_truth")]
    return _last_changed(truths if only or truths else annotations)


def chosen(
    task: Mapping[str, Any],
    choice: AnnotationChoice,
    distance: Callable[[Annotation, Annotation], float],
) -> list[Annotation]:
    """Return the annotations of a task that count.

    - `"latest"`: the ground truth, else the annotation changed last;
    - `"ground_truth"`: the ground truth; none of a task without one;
    - `"all"`: each annotation;
    - `"consensus"`: the ground truth, else the annotation with the least sum of distances to the others (the medoid).
      Of several with the same sum, such as two annotations that differ, it is the one changed last.
    """
    if choice == "all":
        return list(task.get("annotations") or [])
    if choice == "consensus" and truth_of(task, only=True) is None:
        annotation = _medoid(task.get("annotations") or [], distance)
    else:
        annotation = truth_of(task, only=choice == "ground_truth")
    return [] if annotation is None else [annotation]


def _medoid(
    annotations: Sequence[Annotation], distance: Callable[[Annotation, Annotation], float]
) -> Annotation | None:
    if len(annotations) < 3:  # the distance of two is the same from both sides
        return _last_changed(annotations)
    sums = [0.0] * len(annotations)
    for first in range(len(annotations)):
        for second in range(first + 1, len(annotations)):
            between = distance(annotations[first], annotations[second])
            sums[first] += between
            sums[second] += between
    least = min(sums)
    # Sums of the same distances in another order differ in the last digits.
    nearest = [each for each, total in zip(annotations, sums, strict=True) if total - least < 1e-9]
    return _last_changed(nearest)


def _last_changed(annotations: Sequence[AnnotationT]) -> AnnotationT | None:
    """Return the annotation that was changed last: by date, else by id, else the last one. None if there are none."""
    return max(reversed(annotations), key=_changed, default=None)


def _changed(annotation: Annotation) -> tuple[str, int, str]:
    """Return a key that orders annotations by their last change; ids that are no numbers are before those that are."""
    identifier = annotation.get("id")
    number = identifier if isinstance(identifier, int) else 0
    return str(annotation.get("updated_at") or ""), number, str(identifier or "")
