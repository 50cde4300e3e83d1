"""Checks of `fit` with annotations that have no regions, or that annotators have skipped."""

from collections.abc import Callable, Iterator

from label_studio_ml.test_kit.annotated_tasks import with_annotation
from label_studio_ml.test_kit.child.failure_texts import asks_elsewhere, is_unexplained
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child.trainings import Training, WatchedAnnotation
from label_studio_ml.test_kit.report import Failure

_METHODS = ("fit",)
#: One of so many labelled tasks has no regions.
_EACH = 3


def skipped_annotations(tested: TestedClass, again: Callable[[str], Training]) -> Iterator[Failure]:
    """Fail if a `fit(event, data)` reads the result of a skipped annotation without looking whether it is.

    Also fail if it raises for one with an empty result, which most skipped annotations have, without explaining it.
    `again` returns a training in a folder of this name.
    """
    if tested.info.generation != "event":
        tested.values["skipped"] = "the backend leaves skipped annotations out"
        return
    source = tested.plan.labelled[0]
    for name, result in (("skipped", source["annotations"][0]["result"]), ("skipped-empty", [])):
        task = with_annotation(source, result, was_cancelled=True)
        annotation = WatchedAnnotation(task["annotations"][0])
        try:
            again(name).send_event("ANNOTATION_CREATED", {**task, "annotations": [annotation]}, annotation)
        except Exception as error:  # noqa: BLE001 (user code may raise anything)
            if result or _is_explained(tested, error):
                continue  # an exception is a way to leave it out
            beginning = "for a skipped annotation, whose result is empty, fit raises"
            yield tested.raised(
                "fit-skipped", error, beginning, field="was_cancelled", task=task, methods=_METHODS
            )
            return
        if result and "result" in annotation.keys_read and "was_cancelled" not in annotation.keys_read:
            yield tested.failure(
                "fit-skipped",
                "fit reads the result of a skipped annotation and does not look at was_cancelled",
                field="was_cancelled",
                task=task,
                methods=_METHODS,
            )
            return


def empty_results(tested: TestedClass, again: Callable[[str], Training]) -> Iterator[Failure]:
    """Fail if `fit` does not take annotations without regions among others, nor explains why."""
    labelled = tested.plan.labelled
    training = again("empty-results")
    training.run(
        [with_annotation(task, []) if number % _EACH == 0 else task for number, task in enumerate(labelled)]
    )
    error = training.error
    if error is None or _is_explained(tested, error):
        return
    yield tested.raised(
        "fit-empty-results",
        error,
        "for annotations of which some have no regions, fit raises",
        field="result",
        task=labelled[0],
        methods=_METHODS,
    )


def _is_explained(tested: TestedClass, error: BaseException) -> bool:
    return not is_unexplained(tested.code, error) or asks_elsewhere(error)
