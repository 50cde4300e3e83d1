"""Errors for wrong arguments of functions that users call: each names the argument, what was meant and what it was."""

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 40


def wrong(name: str, meant: str, given: Any) -> ValueError:
    """Return the error that says that the argument `name` must be what `meant` says, not `given`."""
    return ValueError(f"{name} must be {meant}, not {described(given)}")


def described(value: Any) -> str:
    """Return what a value is, in a few words: its kind, and the value itself where it is short."""
    if value is None or isinstance(value, bool | numbers.Number):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value if len(value) <= _LONGEST else f'{value[:_LONGEST]}…'!r}"
    return f"a {type(value).__name__}"


def text(name: str, value: Any, meant: str = "text") -> str:
    """Return `value` if it is text, else raise ValueError."""
    if not isinstance(value, str):
        raise wrong(name, meant, value)
    return value


def texts(name: str, values: Any, meant: str) -> list[str]:
    """Return `values` as a list if they are several texts, else raise ValueError."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise wrong(name, meant, values)
    found = list(values)
    for number, value in enumerate(found):
        text(f"element {number} of {name}", value)
    return found


def task(name: str, value: Any) -> Mapping[str, Any]:
    """Return `value` if it can be a task of Label Studio, else raise ValueError."""
    if not isinstance(value, Mapping):
        raise wrong(name, "a task, a dict with 'data' in it", value)
    return value


def tasks(name: str, values: Any) -> list[Mapping[str, Any]]:
    """Return `values` as a list if they are tasks of Label Studio, else raise ValueError."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise wrong(name, "a list of tasks", values)
    return [task(f"element {number} of {name}", value) for number, value in enumerate(values)]


def count(name: str, value: Any) -> int:
    """Return `value` if it is a whole number of at least 1, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise wrong(name, "a whole number of at least 1", value)
    return int(value)


def dictionary(name: str, value: Any, meant: str) -> dict[str, Any]:
    """Return a copy of `value` if it is a dict, an empty one for None, else raise ValueError."""
    if not isinstance(value, Mapping | None):
        raise wrong(name, meant, value)
    return dict(value or {})
