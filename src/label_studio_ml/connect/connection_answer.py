"""The answer of a backend's /connection, checked field by field: any server may be at the address."""

from typing import Annotated, Any

import msgspec

#: The longest text and the most entries of a field. A longer answer is none of this package.
_TEXT, _ENTRIES = 500, 1000

Text = Annotated[str, msgspec.Meta(max_length=_TEXT)]
Action = Annotated[str, msgspec.Meta(max_length=100)]


class _Receipt(msgspec.Struct):
    """The last event of an action: when it came, and whether with the backend's login."""

    at: float
    authorized: bool


class _Project(msgspec.Struct):
    uid: Text = ""
    hostname: Text | None = ""
    token: bool = False
    model_version: Text | None = None
    heard: Annotated[dict[Action, _Receipt], msgspec.Meta(max_length=_ENTRIES)] = {}


class _Connection(msgspec.Struct):
    """The fields that `connect` and `doctor` use; others are ignored."""

    version: Text
    model_class: Text | None
    learns: bool | None
    events: Annotated[list[Action], msgspec.Meta(max_length=_ENTRIES)]
    initial_version: Text | None = None
    login: bool = False
    studio: Annotated[dict[Text, bool], msgspec.Meta(max_length=_ENTRIES)] | None = None
    time: float = 0.0
    invalid_predictions: Annotated[dict[Text, int], msgspec.Meta(max_length=_ENTRIES)] = {}
    project: _Project | None = None


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """Return the known fields of an answer. Raises ValueError with the field that is missing, wrong or too long."""
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.convert(body, _Connection))
    return {name: value for name, value in fields.items() if name in body}
