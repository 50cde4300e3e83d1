"""Check arguments of functions that users call: errors name the argument, what is expected and what was given."""

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

_MAX_TEXT_LENGTH = 40


def wrong(name: str, expected: str, given: Any) -> ValueError:
    """Return the ValueError that the argument `name` must be `expected` (a description), not `given`."""
    return ValueError(f"{name} must be {expected}, not {described(given)}")


def described(value: Any) -> str:
    """Return a short description of a value: its type, and the value itself if it is a number or text."""
    if value is None or isinstance(value, bool | numbers.Number):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value if len(value) <= _MAX_TEXT_LENGTH else f'{value[:_MAX_TEXT_LENGTH]}…'!r}"
    return f"a {type(value).__name__}"


def text(name: str, value: Any, expected: str = "text") -> str:
    """Return `value` if it is a str. Raises ValueError if not."""
    if not isinstance(value, str):
        raise wrong(name, expected, value)
    return value


def texts(name: str, values: Any, expected: str) -> list[str]:
    """Return `values` as a list if it is an iterable of str, but no str itself. Raises ValueError if not."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise wrong(name, expected, values)
    elements = list(values)
    for number, value in enumerate(elements):
        text(f"element {number} of {name}", value)
    return elements


def task(name: str, value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, as a Label Studio task is. Raises ValueError if not."""
    if not isinstance(value, Mapping):
        raise wrong(name, "a task, a dict with 'data' in it", value)
    return value


def tasks(name: str, values: Any) -> list[Mapping[str, Any]]:
    """Return `values` as a list if it is an iterable of tasks. Raises ValueError if not."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise wrong(name, "a list of tasks", values)
    return [task(f"element {number} of {name}", value) for number, value in enumerate(values)]


def count(name: str, value: Any) -> int:
    """Return `value` as an int if it is a whole number of at least 1. Raises ValueError if not."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise wrong(name, "a whole number of at least 1", value)
    return int(value)


def dictionary(name: str, value: Any, expected: str) -> dict[str, Any]:
    """Return a copy of the dict `value`, `{}` for None. Raises ValueError for anything else."""
    if not isinstance(value, Mapping | None):
        raise wrong(name, expected, value)
    return dict(value or {})
