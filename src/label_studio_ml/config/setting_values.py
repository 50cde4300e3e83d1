"""Kinds of setting values: how the text of an environment variable becomes a value, and back.

Every `parse` raises SettingsError, naming the variable, if the text is invalid.
"""

import enum
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from label_studio_ml.errors import SettingsError

MEGABYTE = 1 << 20

#: Characters of a wrong value that an error shows.
_MAX_SHOWN_LENGTH = 60

YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


#: The largest value of settings in seconds: of those for trainings, some 30 years; of those for a server's work.
MAX_SECONDS, DAY = 1e9, 86_400.0
#: The largest value of settings that count things.
MAX_COUNT = 1_000_000_000
#: The largest value of settings in MiB (1 PiB), and of settings in bytes that are held in memory (1 TiB).
MAX_MEGABYTES, MAX_BYTES = 1 << 30, 1 << 40
#: The most processes of a kind, label configs with processes of their own, and threads of a process.
MAX_PROCESSES, MAX_LABEL_CONFIGS, MAX_THREADS = 256, 256, 1024


class InvalidPredictions(enum.StrEnum):
    """What happens to predictions that Label Studio would not show, in part or at all (`INVALID_PREDICTIONS`)."""

    #: Regions that Label Studio would not show: the task gets no prediction. Others are sent.
    REFUSE = "refuse"
    #: All predictions are sent as they are.
    SEND = "send"
    #: Regions are clipped, lose unknown labels, or are left out; the rest is sent.
    REPAIR = "repair"
    #: The task gets no prediction, also if Label Studio would only show it in part; the SDK is asked, too.
    ERROR = "error"


class PathUse(enum.Enum):
    """What a path in a setting is used as."""

    #: A file that is read.
    FILE = "file"
    #: A folder that is read.
    FOLDER = "folder"
    #: A folder that is written to, and made if it is missing.
    OUTPUT_FOLDER = "output folder"
    #: A program: a path, or a name that is looked up in `PATH`.
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of values.

    `parse` is called with the variable's name and its text, without surrounding blanks unless `verbatim`; None from it
    stands for "not set". `write` returns the text of a value, empty to leave the variable out. `limits` are the
    smallest and the largest number that a text may name, None for texts that are no numbers. `path` says what a path is
    used as, None for values that are no paths; with `in_backend` a relative one starts at the backend's folder, else at
    the working folder.
    """

    parse: Callable[[str, str], Any]
    write: Callable[[Any], str] = str
    verbatim: bool = False
    limits: tuple[float, float] | None = None
    path: PathUse | None = None
    in_backend: bool = False


def path_for(use: PathUse, *, in_backend: bool = False) -> Kind:
    """Return the kind of paths that are used as `use`; their blanks belong to them."""
    return Kind(
        lambda _, text: Path(text) if text.strip() else None, verbatim=True, path=use, in_backend=in_backend
    )


def number(minimum: float, unit: str = "seconds", *, maximum: float = MAX_SECONDS) -> Kind:
    """Return the kind of numbers from `minimum` to `maximum`; `unit` is for the error."""

    def parse(name: str, text: str) -> float:
        value = _float(text)
        if not minimum <= value <= maximum:
            raise _out_of_limits(name, text, f"number of {unit}", minimum, maximum)
        return value

    return Kind(parse, limits=(minimum, maximum))


def megabytes() -> Kind:
    """Return the kind of sizes in MiB, also in parts of one; the value is in bytes."""
    minimum = 0.001

    def parse(name: str, text: str) -> int:
        value = _float(text)
        if (
            not minimum * MEGABYTE - 1 < value * MEGABYTE <= MAX_MEGABYTES * MEGABYTE
        ):  # `write` rounds to bytes
            raise _out_of_limits(name, text, "number of MiB", minimum, MAX_MEGABYTES)
        return int(value * MEGABYTE)

    return Kind(parse, lambda value: str(value / MEGABYTE), limits=(minimum, MAX_MEGABYTES))


def integer(minimum: int, scale: int = 1, *, maximum: int = MAX_COUNT) -> Kind:
    """Return the kind of whole numbers: the text is from `minimum` to `maximum`, the value is `scale` times that."""

    def parse(name: str, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if not minimum <= value <= maximum:
            raise _out_of_limits(name, text, "whole number", minimum, maximum)
        return value * scale

    return Kind(parse, lambda value: str(value // scale), limits=(minimum, maximum))


def _out_of_limits(name: str, text: str, kind: str, minimum: float, maximum: float) -> SettingsError:
    shown = text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}…"
    return SettingsError(
        f"{name}={shown!r} is not a {kind} from {minimum:,.15g} to {maximum:,.15g}",
        fix=f"Set {name} to a number in this range, or leave it out",
        field=name,
    )


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


def _web_address(name: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        is_address = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not re.search(r"[\s?#]", text)
        )
    except ValueError:  # its port or its IPv6 address
        is_address = False
    if not is_address:
        raise SettingsError(
            f"{name} is not an address with http:// or https://, a host and a valid port, and without blanks, ? and #",
            fix=f"Example: {name}=http://localhost:8080",
            field=name,
        )
    return text.rstrip("/")


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
#: The address of a web server, without a slash at its end.
URL = Kind(_web_address)
#: A program: a path, or a name that is looked up in `PATH`.
PROGRAM = Kind(lambda _, text: text, path=PathUse.PROGRAM)
#: Folders, separated as in `PATH`.
FOLDERS = Kind(
    lambda _, text: tuple(filter(None, text.split(os.pathsep))),
    os.pathsep.join,
    verbatim=True,
    path=PathUse.FOLDER,
)
#: Words, separated by commas.
WORDS = Kind(lambda _, text: tuple(filter(None, map(str.strip, text.split(",")))), ",".join)
BOOLEAN = Kind(_boolean, lambda value: str(value).lower())
JSON_OBJECT = Kind(_json_object, lambda value: json.dumps(dict(value)) if value else "")
#: A size in bytes.
BYTES = integer(1024, maximum=MAX_BYTES)
