"""Convert the results of `predict` to strict JSON: exactly one value per task.

Label Studio stores predictions unchecked, or shows the annotator an error if a field has the wrong type (a version
that is null, a score that is not a number). So the fields are normalized here: NaN and infinity become null, NumPy
values plain ones, and the version is always the served one. A prediction without a score gets one (`certainty`),
because Label Studio sorts null behind all scores. A task without prediction gets an object with `error` and no
`result`: Label Studio logs and skips such an entry, and requests that task again later, whereas it would store an empty
`result` as a prediction.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from label_studio_ml.support.texts import plural

logger = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder(enc_hook=lambda value: plain(value))  # bytes become base64 text


#: Error of a task for which `predict` returned nothing while other tasks of the request have predictions.
NOTHING = "predict returned nothing for this task"

#: Beginnings of the errors of tasks that the backend did not come to: clients ask again for them.
NOT_IN_TIME, TAKEN_OVER = "not computed in time", "another version took over meanwhile"

#: Kind of refusal for scores outside of 0 to 1, which Label Studio stores and then shows as meaningless percentages.
ODD_SCORES = "scores that are not between 0 and 1"


#: What is wrong with a prediction that is None. Label Studio asks for its task again.
NONE_FOR_TASK = "predict returned None for this task"


class InvalidPrediction(Exception):
    """A task's prediction cannot be sent; the message says why."""


def listed(returned: Any, count: int) -> list[Any] | None:
    """Return the result of `predict` as a list with one entry for each of `count` tasks, or None if that is impossible.

    Accepted are lists, tuples, generators, arrays, `ModelResponse`, a dict with `predictions` or `results`, and, if
    `count` is 1, a prediction itself.
    """
    if returned is None or isinstance(returned, str | bytes):
        return None
    inner = getattr(returned, "predictions", None)
    if inner is None and isinstance(returned, Mapping):
        inner = returned.get("predictions", returned.get("results"))
        if inner is None:
            return [returned] if count == 1 and "result" in returned else None
    if inner is None and _is_prediction(returned):
        return [returned] if count == 1 else None
    values = returned if inner is None else inner
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping | set | frozenset):
        return None  # a set has no order
    entries = list(islice(values, count + 1))  # a generator may be endless
    return entries if len(entries) == count else None


def is_nothing(returned: Any) -> bool:
    """Tell whether `predict` returned no prediction at all: None, an empty dict, or an empty list, bare or wrapped.

    Models for interactive requests only return that for tasks without a context.
    """
    if isinstance(returned, Mapping):
        if "result" in returned:
            return False
        returned = returned.get("predictions", returned.get("results", returned))
    else:
        returned = getattr(returned, "predictions", returned)
    return returned is None or (isinstance(returned, list | tuple | Mapping) and not returned)


def describe(returned: Any, count: int) -> str:
    """Return in one line why `returned` is not one prediction for each of `count` tasks."""
    if returned is None:
        return f"predict returned None for {plural(count, 'task')}"
    inner = getattr(returned, "predictions", returned)
    if isinstance(inner, Sequence) and not isinstance(inner, str | bytes):
        return f"predict returned {plural(len(inner), 'prediction')} for {plural(count, 'task')}"
    return (
        f"predict returned {type(returned).__name__}, not one prediction for each of {plural(count, 'task')}"
    )


def encode(prediction: Any, version: str, *, interactive: bool = False) -> bytes:
    """Return one task's prediction as JSON: an object, or an array of objects if the model returned several.

    With `interactive`, only the first of several is kept, since Label Studio's page shows one. Raises
    InvalidPrediction.
    """
    if isinstance(prediction, list | tuple):
        several = [_checked(value, version) for value in prediction]
        if interactive:
            if not several:
                raise InvalidPrediction("predict returned an empty list for this task")
            return _encode(several[0])
        return _encode(several)
    return _encode(_checked(prediction, version))


def encode_all(predictions: list[Any], version: str) -> bytes | None:
    """Return all predictions as a JSON array in one pass; None if one of them needs `encode`.

    The fast pass accepts plain dicts with a list as `result` and a number from 0 to 1 as `score`. A null in the output
    may come from NaN, so it needs `encode`.
    """
    stamped = []
    try:
        for prediction in predictions:
            if type(prediction) is not dict or type(prediction.get("result")) is not list:
                return None
            score = prediction["score"] if "score" in prediction else certainty(prediction)
            if type(score) not in (float, int) or not 0 <= score <= 1:
                return None
            stamped.append({**prediction, "score": score, "model_version": version})
        body = _encoder.encode(stamped)
    except Exception:  # noqa: BLE001 (`encode` then finds out which prediction is at fault)
        return None
    return None if b"null" in body else body


def encode_failure(cause: str, version: str) -> bytes:
    """Return the JSON entry of a task without prediction; `cause` is its `error`."""
    return _encode({"error": cause, "model_version": version})


def superseded_results(version: str) -> bytes:
    """Return the results for a click that was dropped for a newer one.

    Label Studio's page uses the answer to its last click only. It is a prediction without regions rather than an error,
    which Label Studio would log.
    """
    return b"[" + _encode({"result": [], "model_version": version, "superseded": True}) + b"]"


def plain(value: Any) -> Any:
    """Convert a value of a type unknown to JSON to a JSON value. Raises TypeError if that is impossible."""
    for method in (
        "_dict",
        "model_dump",
        "tolist",
        "item",
    ):  # an SDK region has both `_dict` and `model_dump`; `_dict` is the wire format
        convert = getattr(value, method, None)
        if callable(convert) and not isinstance(value, type):
            return _called(convert)
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, list | tuple | dict):
        return list(value)
    if hasattr(value, "__float__"):
        return float(value)
    if hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent as JSON")


def _called(convert: Callable[[], Any]) -> Any:
    return convert()


def _is_prediction(value: Any) -> bool:
    """Tell whether a value is the SDK's PredictionValue or similar, rather than a collection."""
    return hasattr(value, "result") and not isinstance(value, Mapping)


def _checked(prediction: Any, version: str) -> dict[str, Any]:
    """Return `prediction` as a dict with the fields that Label Studio expects. Raises InvalidPrediction."""
    if _is_prediction(prediction):
        dump = getattr(prediction, "model_dump", None)
        fields = dict(_called(dump)) if callable(dump) else {"score": getattr(prediction, "score", None)}
        fields["result"] = prediction.result if not callable(dump) else fields["result"]
        if "score" not in getattr(prediction, "model_fields_set", ("score",)):
            fields["score"] = None  # the SDK's default of 0.0 does not come from the model
    elif isinstance(prediction, Mapping):
        fields = dict(prediction)
    elif prediction is None:
        raise InvalidPrediction(NONE_FOR_TASK)
    else:
        raise InvalidPrediction(f"a prediction must be a dict with 'result', not {type(prediction).__name__}")
    if "result" not in fields:
        raise InvalidPrediction(
            f"the prediction has no 'result' (it has: {', '.join(map(str, fields)) or 'nothing'})"
        )
    fields["result"] = _regions(fields["result"])
    score = _score(fields.get("score"))
    fields["score"] = certainty(fields) if score is None else score
    fields["model_version"] = version
    return fields


def _regions(result: Any) -> list[Any]:
    if result is None:
        return []
    if isinstance(result, Mapping) or hasattr(result, "_dict"):
        return [result]
    if hasattr(result, "tolist"):
        result = result.tolist()
    if isinstance(result, Iterable) and not isinstance(result, str | bytes):
        return list(result)
    raise InvalidPrediction(f"'result' must be a list of regions, not {type(result).__name__}")


def certainty(fields: Mapping[Any, Any]) -> float:
    """Return a score for a prediction without one; from 0 to 1 if the numbers that it is computed from are.

    It is the share of the most probable class in `probabilities` if the prediction has them, else the mean score of its
    regions, else 0, as in the SDK, so that such tasks come first.
    """
    shares = fields.get("probabilities")
    numbers = _numbers(list(shares.values()) if isinstance(shares, Mapping) else shares)
    if numbers and min(numbers) >= 0 and 0 < sum(numbers) < math.inf:
        return max(numbers) / sum(numbers)
    regions = fields.get("result")
    if isinstance(regions, list):
        scores = [_number(region.get("score")) for region in regions if isinstance(region, Mapping)]
        if known_scores := [score for score in scores if score is not None]:
            return math.fsum(score / len(known_scores) for score in known_scores)
    return 0.0


def _numbers(values: Any) -> list[float]:
    """Return the elements of a list, tuple or array as finite floats; empty if one of them is not a finite number."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, list | tuple):
        return []
    numbers = [_number(value) for value in values]
    finite = [number for number in numbers if number is not None]
    return finite if len(finite) == len(numbers) else []


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _score(score: Any) -> float | None:
    """Return a score that Label Studio's database accepts, a finite number; None for any other value."""
    number = _number(score)
    if number is None and score is not None:
        cause = score if isinstance(score, float) else f"{type(score).__name__}, not a finite number"
        logger.warning("A prediction's score is %s: a computed score is sent instead", cause)
    return number


def _encode(value: Any) -> bytes:
    """Encode a value as strict JSON, after `_simple` if the encoder refuses it. Raises InvalidPrediction."""
    try:
        body = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        try:
            body = _encoder.encode(_simple(value))
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            raise InvalidPrediction(f"the prediction cannot be sent as JSON: {error}") from None
    if b"null" in body and _has_nan(value):
        logger.warning("A prediction holds NaN or infinity: sent as null")
    return body


def _simple(value: Any) -> Any:
    """Return `value` rebuilt from plain dicts with text keys, lists, numbers and text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _simple(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_simple(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return _simple(plain(value))


def _has_nan(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_has_nan, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_nan, value))
    if hasattr(value, "tolist"):
        return _has_nan(value.tolist())
    return False
