"""Kinds of setting values: how the text of an environment variable becomes a value, and back.

Every `parse` raises SettingsError, naming the variable, if the text is invalid.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError

MEGABYTE = 1 << 20

YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of values.

    `parse` is called with the variable's name and its text, without surrounding blanks unless `verbatim`; None from it
    stands for "not set". `write` returns the text of a value, empty to leave the variable out.
    """

    parse: Callable[[str, str], Any]
    write: Callable[[Any], str] = str
    verbatim: bool = False


def number(least: float, unit: str = "seconds") -> Kind:
    """Return the kind of finite numbers of at least `least`; `unit` is for the error."""

    def parse(name: str, text: str) -> float:
        value = _float(text)
        if not least <= value < math.inf:
            raise SettingsError(
                f"{name}={text!r} is not a number of {unit} of at least {least:g}", field=name
            )
        return value

    return Kind(parse)


def positive_number(scale: int | None = None) -> Kind:
    """Return the kind of numbers above 0. With `scale`, the value is a whole number, `scale` times that of the text."""

    def parse(name: str, text: str) -> float:
        value = _float(text)
        if not 0 < value < 1e12:
            raise SettingsError(f"{name}={text!r} is not a number above 0 and below 1e12", field=name)
        return value if scale is None else int(value * scale)

    return Kind(parse, lambda value: str(value / (scale or 1)))


def integer(least: int, scale: int = 1) -> Kind:
    """Return the kind of whole numbers; the text is a number of at least `least`, the value is `scale` times that."""

    def parse(name: str, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise SettingsError(f"{name}={text!r} is not a whole number of at least {least}", field=name)
        return value * scale

    return Kind(parse, lambda value: str(value // scale))


def choice(values: Mapping[str, Any]) -> Kind:
    """Return the kind whose texts are the keys of `values`, in any case."""

    def parse(name: str, text: str) -> Any:
        word = text.lower()
        if word not in values:
            raise SettingsError(f"{name}={word!r} is unknown", fix=f"Use {' or '.join(values)}", field=name)
        return values[word]

    words = {value: word for word, value in values.items()}
    return Kind(parse, words.__getitem__)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _boolean(name: str, text: str) -> bool:
    word = text.lower()
    if word not in YES | NO:
        raise SettingsError(f"{name}={text!r} is neither true nor false", fix="Use true or false", field=name)
    return word in YES


def _json_object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{name} is not JSON: {error}", field=name) from None
    if not isinstance(value, dict):
        raise SettingsError(f"{name} must be a JSON object", field=name)
    return value


TEXT = Kind(lambda _, text: text)
#: Text whose blanks belong to it, such as a password.
EXACT_TEXT = Kind(lambda _, text: text, verbatim=True)
URL = Kind(lambda _, text: text.rstrip("/"))
PATH = Kind(lambda _, text: Path(text) if text.strip() else None, verbatim=True)
#: Folders, separated as in `PATH`.
FOLDERS = Kind(lambda _, text: tuple(filter(None, text.split(os.pathsep))), os.pathsep.join, verbatim=True)
#: Words, separated by commas.
WORDS = Kind(lambda _, text: tuple(filter(None, map(str.strip, text.split(",")))), ",".join)
BOOLEAN = Kind(_boolean, lambda value: str(value).lower())
JSON_OBJECT = Kind(_json_object, lambda value: json.dumps(dict(value)) if value else "")
#: A size in bytes.
BYTES = integer(1024)
