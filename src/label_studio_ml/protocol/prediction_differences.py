"""Compare predictions, as JSON values: where two of them differ, but for rounding and for what is new in each call."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

#: Keys of a prediction whose values are new in each call, or are set by the server.
CHANGING = frozenset({"id", "model_version", "parentID", "from_id", "to_id", "created_at"})
#: Numbers that are nearer to each other are equal: batches of other sizes round differently.
_TOLERANCE = 2e-3
#: The place of a difference of two values that have no part in common.
_WHOLE = "the prediction"
#: Stands for a value that one side lacks.
_ABSENT = object()

#: Two values, and the path of both.
_Pair = tuple[Any, Any, str]


def difference(left: Any, right: Any, ignored: frozenset[str] = frozenset()) -> str:
    """Return the path of the first difference of two JSON values, empty if they are equal but for rounding.

    Keys that are `ignored` are so at any depth. The path of values that differ as a whole is `the prediction`. It needs
    no recursion, so that no value is nested too deep.
    """
    pairs: list[_Pair] = [(left, right, "")]
    while pairs:
        first, second, path = pairs.pop()
        if isinstance(first, dict) and isinstance(second, dict):
            pairs += reversed(list(_of_dicts(first, second, path, ignored)))
        elif isinstance(first, list) and isinstance(second, list):
            if len(first) != len(second):
                return f"the length of {path or 'result'}"
            parts = enumerate(zip(first, second, strict=True))
            pairs += reversed([(own, other, f"{path}[{number}]") for number, (own, other) in parts])
        elif not _are_equal(first, second):
            return path or _WHOLE
    return ""


def _of_dicts(
    left: dict[str, Any], right: dict[str, Any], path: str, ignored: frozenset[str]
) -> Iterator[_Pair]:
    for name in {**left, **right}:
        if name not in ignored:
            yield left.get(name, _ABSENT), right.get(name, _ABSENT), f"{path}.{name}" if path else str(name)


def _are_equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(left == right)


def are_equal(left: Any, right: Any) -> bool:
    """Tell whether two predictions, or the predictions of two tasks, are equal."""
    return not difference(left, right, CHANGING)


def is_permutation(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Tell whether both sequences have equal predictions in another order, or in the same."""
    rest = list(right)
    for value in left:
        match = next((number for number, other in enumerate(rest) if are_equal(value, other)), None)
        if match is None:
            return False
        del rest[match]
    return not rest
