"""Call `predict` as the server does, and compare what it returns for tasks."""

import contextlib
import copy
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import MAX_BATCH, call_predict
from label_studio_ml.model_calls.class_attributes import limit
from label_studio_ml.processes.forked_children import UserCode
from label_studio_ml.protocol.prediction_differences import CHANGING, difference
from label_studio_ml.protocol.prediction_json import (
    InvalidPrediction,
    describe,
    encode,
    is_nothing,
    listed,
)
from label_studio_ml.test_kit.calls.announced_calls import announced
from label_studio_ml.test_kit.child.effects.side_effects import SideEffects
from label_studio_ml.test_kit.child_plan import CallKind

Json = dict[str, Any]


@dataclass
class Answer:
    """What one call of `predict` gave: a `raw` entry for each task, or an `error`, or the `wrong_count` as a sentence.

    `tasks` are the tasks as the call left them. `abstains`: predict returned nothing at all.
    """

    raw: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    wrong_count: str = ""
    abstains: bool = False
    tasks: list[Json] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether there is an entry for each task."""
        return self.error is None and not self.wrong_count


def ask(
    model: LabelStudioMLBase,
    tasks: Sequence[Json],
    effects: SideEffects | None = None,
    *,
    context: Json | None = None,
) -> Answer:
    """Call `predict` for copies of the tasks, with a `context` for a click. KeyboardInterrupt alone is raised."""
    params = {} if context is None else {"context": copy.deepcopy(context)}
    copies = copy.deepcopy(list(tasks))
    given = list(copies)
    answer = Answer(tasks=copies)
    parts = math.ceil(len(copies) / limit(type(model), "max_batch_size", MAX_BATCH, least=1))
    try:
        with announced(CallKind.PREDICT, copies, parts=max(1, parts)):
            with effects.watching() if effects is not None else contextlib.nullcontext():
                returned = call_predict(model, given, params)
            with UserCode():  # a returned generator runs user code
                entries = listed(returned, len(copies))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (user code may raise anything, SystemExit too)
        answer.error = error
        return answer
    if entries is None and is_nothing(returned):
        answer.abstains = True
        answer.raw = [{"result": []} for _ in copies]
    elif entries is None:
        answer.wrong_count = describe(returned, len(copies))
    else:
        answer.raw = entries
        answer.error = next((entry for entry in entries if isinstance(entry, BaseException)), None)
    return answer


def decoded(entry: Any) -> list[Json]:
    """Return the predictions of one entry as they are sent. Raises InvalidPrediction."""
    value = msgspec.json.decode(encode(entry, ""))
    return value if isinstance(value, list) else [value]


def comparable(answer: Answer) -> list[Any]:
    """Return the predictions of each task, for `first_unlike`. Raises InvalidPrediction."""
    return [decoded(entry) for entry in answer.raw]


def comparable_or_error(answer: Answer) -> list[Any] | str:
    """Return the predictions for comparisons, or why there are none."""
    if answer.error is not None:
        return f"predict raised {type(answer.error).__name__}"
    if answer.wrong_count:
        return answer.wrong_count
    try:
        return comparable(answer)
    except InvalidPrediction as error:
        return str(error)


def by_task(model: LabelStudioMLBase, tasks: Sequence[Json], effects: SideEffects | None = None) -> list[Any]:
    """Return the predictions of each task alone for comparisons, or the reason why a task has none."""
    predicted: list[Any] = []
    for task in tasks:
        predictions = comparable_or_error(ask(model, [task], effects))
        predicted.append(predictions if isinstance(predictions, str) else predictions[0])
    return predicted


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)


def shown_path(path: str) -> str:
    """Return the path of a difference in the predictions of one task without the index of the prediction."""
    return path.removeprefix("[0]").removeprefix(".")


def infinite(value: Any, path: str = "") -> str:
    """Return the path of the first number in an entry of user code that is NaN or infinite; empty if there is none."""
    if isinstance(value, Mapping):
        items: Any = ((_joined(path, str(name)), item) for name, item in value.items())
    elif hasattr(value, "model_dump"):
        return infinite(value.model_dump(), path)
    elif hasattr(value, "tolist"):
        return infinite(value.tolist(), path)
    elif isinstance(value, list | tuple):
        items = ((f"{path}[{number}]", item) for number, item in enumerate(value))
    else:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)
        return path or "score" if is_number and not math.isfinite(float(value)) else ""
    return next((where for name, item in items if (where := infinite(item, name))), "")


def first_unlike(left: Sequence[Any], right: Sequence[Any]) -> tuple[int, str] | None:
    """Return the number of the first task whose predictions differ, and where; None if there is none."""
    for number, (first, second) in enumerate(zip(left, right, strict=True)):
        if where := difference(first, second, CHANGING):
            return number, shown_path(where)
    return None
