"""Read the attributes by which a model class sets limits and names, and report wrong ones by their name."""

import math
from collections.abc import Iterable
from typing import Any

from label_studio_ml.config.metric_gate import parse_gate
from label_studio_ml.config.setting_values import MAX_SECONDS
from label_studio_ml.errors import ModelFileError
from label_studio_ml.model import LabelStudioMLBase


def names(cls: type[LabelStudioMLBase], attribute: str, of: str, example: str) -> tuple[str, ...]:
    """Return a class attribute with names; text counts as one. Raises ModelFileError for anything but names."""
    value: object = getattr(cls, attribute)
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(name, str) for name in found):
        raise ModelFileError(
            f"{cls.__name__}.{attribute} is {value!r}: it must be a list of names {of}",
            fix=f"Example: {attribute} = {example}",
            field=attribute,
        )
    return found


def gate(cls: type[LabelStudioMLBase]) -> str:
    """Return the class's `promote_if`. Raises ModelFileError if it is not a valid metric gate."""
    text = cls.promote_if
    try:
        if not isinstance(text, str):
            raise ValueError("it must be text")
        parse_gate(text)
    except ValueError as error:
        raise ModelFileError(
            f"{cls.__name__}.promote_if is {text!r}: {error}",
            fix='Example: promote_if = "accuracy >= current"',
            field="promote_if",
        ) from None
    return text


def class_limit(cls: type, name: str, default: float) -> float:
    """Return the class attribute `name`, in seconds. Raises ModelFileError if it is not a number from 0 to 1e9."""
    return float(limit(cls, name, default, least=0, most=MAX_SECONDS))


def limit(cls: type, name: str, default: Any, *, least: float, most: float = math.inf) -> Any:
    """Return a numeric class attribute, an int if `default` is one. Raises ModelFileError if it is invalid."""
    value = getattr(cls, name, default)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    is_whole = isinstance(default, int)
    if not number or not least <= value <= most or (is_whole and value != int(value)):
        kind = "a whole number" if is_whole else "a number"
        limits = f"of at least {least}" if most == math.inf else f"from {least} to {most:,.15g}"
        raise ModelFileError(f"{cls.__name__}.{name} is {value!r}: it must be {kind} {limits}", field=name)
    return int(value) if is_whole else float(value)
