"""Call `predict` as the server does, and compare predictions."""

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

#: Keys that are new in each call, or that the server sets.
_CHANGING = frozenset({"id", "model_version", "parentID", "from_id", "to_id", "created_at"})
#: Numbers that are nearer to each other are equal: batches of other sizes round differently.
_TOLERANCE = 2e-3
#: The place of a difference of two values that have no part in common.
_WHOLE = "the prediction"


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
    """Return the predictions of each task without what is new in each call. Raises InvalidPrediction."""
    return [_stable(decoded(entry)) for entry in answer.raw]


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
    found: list[Any] = []
    for task in tasks:
        predictions = comparable_or_error(ask(model, [task], effects))
        found.append(predictions if isinstance(predictions, str) else predictions[0])
    return found


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stable(item) for name, item in value.items() if name not in _CHANGING}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    return value


def difference(left: Any, right: Any, path: str = "") -> str:
    """Return the path of the first difference of two JSON values, empty if they are equal but for rounding.

    The path of values that differ as a whole is `the prediction`.
    """
    if isinstance(left, dict) and isinstance(right, dict):
        for name in left:
            if name not in right:
                return _joined(path, name)
            if where := difference(left[name], right[name], _joined(path, name)):
                return where
        return next((_joined(path, name) for name in right if name not in left), "")
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return f"the length of {path or 'result'}"
        for number, (first, second) in enumerate(zip(left, right, strict=True)):
            if where := difference(first, second, f"{path}[{number}]"):
                return where
        return ""
    if isinstance(left, bool) or isinstance(right, bool):
        return "" if left is right else path or _WHOLE
    if isinstance(left, int | float) and isinstance(right, int | float):
        is_near = math.isclose(left, right, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
        return "" if is_near else path or _WHOLE
    return "" if left == right else path or _WHOLE


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
        if where := difference(first, second):
            return number, shown_path(where)
    return None


def is_permutation(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Tell whether both sequences have equal predictions in another order."""
    rest = list(right)
    for value in left:
        match = next((number for number, other in enumerate(rest) if not difference(value, other)), None)
        if match is None:
            return False
        del rest[match]
    return not rest
