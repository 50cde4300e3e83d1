"""Checks of the answers to clicks: calls of `predict` with a context, as smart tools cause them."""

import inspect
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from label_studio_ml.controls import Controls
from label_studio_ml.errors import BackendError, ModelFileError
from label_studio_ml.inputs.media_size import picture_size_of_file
from label_studio_ml.test_kit.child.answer_checks import problem_of
from label_studio_ml.test_kit.child.failure_texts import is_unexplained
from label_studio_ml.test_kit.child.predict_calls import (
    Answer,
    Json,
    ask,
    comparable_or_error,
    decoded,
    first_unlike,
)
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.test_kit.trial_data.click_contexts import UNKNOWN_REGION, Click, clicks
from label_studio_ml.user_code.import_scan import contains_word
from label_studio_ml.validation.strict_checks import StrictChecks

#: Size of a picture that cannot be read.
_SIZE = (400.0, 200.0)
#: Percent of the picture by which an answer may miss the click.
_NEAR = 10.0
#: What code that reads clicks has in it.
_WORD = b"context"

_NO_ANSWER = "predict answers none of these clicks with a region"


class ClickChecks:
    """Clicks of each kind that the label config's smart controls send, on the first sample task."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested
        self._answers: list[tuple[Click, Answer]] = []

    @cached_property
    def _task(self) -> Json:
        """The first sample task, as Label Studio sends it with a click."""
        return {"annotations": [], "drafts": [], "predictions": [], **self._tested.plan.tasks[0]}

    @cached_property
    def _clicks(self) -> list[Click]:
        config = self._tested.plan.label_config
        return clicks(config, self._task, self._size())

    def _size(self) -> tuple[float, float]:
        """Return the size of the first picture of the task."""
        tested = self._tested
        for item in Controls(tested.plan.label_config).objects:
            value = self._task["data"].get(item.field)
            address = value[0] if isinstance(value, list) and value else value
            if item.tag != "Image" or not isinstance(address, str):
                continue
            try:
                size = picture_size_of_file(tested.model.get_local_path(address))
            except (BackendError, OSError):
                continue
            if size is not None:
                return size.width, size.height
        return _SIZE

    def _ask(self, click: Click) -> Answer:
        return ask(self._tested.model, [self._task], self._tested.effects, context=click.context)

    def answered(self) -> Iterator[Failure]:
        """Fail if a click raises, or has not one prediction."""
        tested = self._tested
        if not self._clicks:
            tested.values["skipped"] = 'no control of the label config is smart (smart="true")'
            return
        if not _reads_context(tested):
            tested.values["skipped"] = "the code of the class does not have the word context"
            return
        self._answers = [(click, self._ask(click)) for click in self._clicks]
        for click, answer in self._answers:
            if answer.error is not None:
                yield tested.raised(
                    "click",
                    answer.error,
                    f"for {click.name}, predict raises:",
                    field="context",
                    task=self._task,
                )
                return
            if answer.wrong_count:
                message = f"for {click.name}: {answer.wrong_count}"
                yield tested.failure("click", message, field="context", task=self._task)
                return

    def regions(self) -> Iterator[Failure]:
        """Fail if an answer cannot be shown, or is far from the click."""
        tested = self._tested
        checks = StrictChecks(tested.plan.label_config)
        has_regions = False
        for click, answer in self._answers:
            for entry in answer.raw:
                if problem := problem_of(tested, checks, entry, self._task, interactive=True):
                    yield tested.failure(
                        "click-regions",
                        f"for {click.name}, {problem.message}",
                        field=problem.field,
                        task=self._task,
                        fix=problem.fix,
                    )
                    return
                shown = [region for prediction in decoded(entry)[:1] for region in prediction["result"]]
                has_regions = has_regions or bool(shown)
                if click.shows is not None and _is_elsewhere(shown, click.shows):
                    yield tested.failure(
                        "click-regions",
                        f"for {click.name}, no region of the answer is within {_NEAR:.0f} % of it",
                        field="value",
                        task=self._task,
                    )
                    return
        if not has_regions:
            tested.values["skipped"] = _NO_ANSWER

    def repeated(self) -> Iterator[Failure]:
        """Fail if the same context gets another answer a second time."""
        tested = self._tested
        for click, answer in self._answers:
            first, second = comparable_or_error(answer), comparable_or_error(self._ask(click))
            if isinstance(first, str):
                continue
            where = second if isinstance(second, str) else ""
            if not isinstance(second, str) and (unlike := first_unlike(first, second)):
                where = f"{unlike[1]} differs"
            if where:
                message = f"a second request with {click.name}: {where}"
                yield tested.failure("click-repeat", message, field="context", task=self._task)
                return

    def unknown(self) -> Iterator[Failure]:
        """Fail if a context without a region, or with one of an unknown type, raises what explains nothing."""
        tested = self._tested
        for click in (
            Click("a context without regions", []),
            Click("a region of an unknown type in the context", [UNKNOWN_REGION]),
        ):
            answer = self._ask(click)
            if answer.error is not None and is_unexplained(tested.code, answer.error):
                yield tested.raised(
                    "click-unknown",
                    answer.error,
                    f"for {click.name}, predict raises:",
                    field="context",
                    task=self._task,
                )
                return


def _reads_context(tested: TestedClass) -> bool:
    """Tell whether the word is in the user's code: the model file and what it imports from its folder."""
    try:
        return contains_word(Path(inspect.getfile(tested.cls)), _WORD)
    except (TypeError, OSError, ModelFileError):
        return True


def _is_elsewhere(regions: list[Json], wanted: tuple[float, float, float, float]) -> bool:
    """Tell whether there are regions with a place, and none of them is near the wanted one."""
    places = [place for region in regions if (place := _place(region)) is not None]
    return bool(places) and not any(_is_near(place, wanted) for place in places)


def _is_near(place: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    left, top, right, bottom = place
    return (
        left - _NEAR <= wanted[2]
        and wanted[0] <= right + _NEAR
        and top - _NEAR <= wanted[3]
        and wanted[1] <= bottom + _NEAR
    )


def _place(region: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of a region in percent of its picture; None for one without a place."""
    value = region.get("value")
    if not isinstance(value, Mapping):
        return None
    if "rle" in value:
        return _place_of_mask(region)
    if isinstance(points := value.get("points"), list) and points:
        across, down = [float(x) for x, _ in points], [float(y) for _, y in points]
        return min(across), min(down), max(across), max(down)
    if "x" not in value or "y" not in value:
        return None
    x, y = float(value["x"]), float(value["y"])
    if "radiusX" in value:
        radius = max(float(value["radiusX"]), float(value["radiusY"]))
        return x - radius, y - radius, x + radius, y + radius
    if "height" not in value:  # a point
        return x, y, x, y
    if value.get("rotation"):  # about its corner
        reach = math.hypot(float(value["width"]), float(value["height"]))
        return x - reach, y - reach, x + reach, y + reach
    return x, y, x + float(value["width"]), y + float(value["height"])


def _place_of_mask(region: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    from label_studio_ml.regions import mask_of

    inside = mask_of(region)
    if not inside.any():
        return None
    height, width = inside.shape
    down, across = (places.tolist() for places in inside.nonzero())
    return (
        100 * min(across) / width,
        100 * min(down) / height,
        100 * (max(across) + 1) / width,
        100 * (max(down) + 1) / height,
    )
