"""Parse large requests without building Python objects for all their values, so that memory use stays limited.

From an event, only its identification is read: action, project, and the ids of tasks and annotations. From a training
request, the tasks stay JSON. All other values are skipped, however many arrays and numbers they contain.
"""

import threading
from typing import Any

import msgspec

from label_studio_ml.errors import BodyTooLarge, RequestError
from label_studio_ml.protocol.requests import Event, TrainRequest, project_uid, uid_of
from label_studio_ml.support import lone_surrogates

#: Maximum number of tasks and annotations in one request, and in one event without the login.
MAX_ITEMS, MAX_UNTRUSTED_ITEMS = 1_000_000, 100_000
#: Maximum number of bytes of a number, an id or a date.
MAX_SCALAR_BYTES = 100

_NULL = msgspec.Raw(b"null")


class _Budget(threading.local):
    """How many more tasks and annotations this thread may read from its present request."""

    items = 0


_budget = _Budget()


class _Counted(msgspec.Struct, gc=False):
    """A task or an annotation of which no field is read."""

    def __post_init__(self) -> None:
        """Count the item. Raises BodyTooLarge if the request has too many."""
        _budget.items -= 1
        if _budget.items < 0:
            raise BodyTooLarge(
                "The body names too many tasks and annotations",
                fix="Send fewer of them in one request",
                field="body",
            )


class _Item(_Counted, gc=False):
    """The ids of a task or an annotation, and whether it was skipped."""

    id: msgspec.Raw = _NULL
    task: msgspec.Raw = _NULL
    was_cancelled: msgspec.Raw = _NULL


class _Project(msgspec.Struct):
    id: msgspec.Raw = _NULL
    created_at: msgspec.Raw = _NULL
    label_config: msgspec.Raw = _NULL
    title: msgspec.Raw = _NULL


class _EventBody(msgspec.Struct):
    action: msgspec.Raw = _NULL
    project: msgspec.Raw = _NULL
    task: msgspec.Raw = _NULL
    tasks: msgspec.Raw = _NULL
    annotation: msgspec.Raw = _NULL
    annotations: msgspec.Raw = _NULL


class _TrainBody(msgspec.Struct):
    project: msgspec.Raw = _NULL
    label_config: msgspec.Raw = _NULL
    annotations: msgspec.Raw = _NULL


_event = msgspec.json.Decoder(_EventBody)
_train = msgspec.json.Decoder(_TrainBody)
_project = msgspec.json.Decoder(_Project)
_item = msgspec.json.Decoder(_Item)
_items = msgspec.json.Decoder(list[_Item])
_shapes = msgspec.json.Decoder(list[_Counted])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder()


def parse_event_ids(body: bytes, *, trusted: bool) -> Event:
    """Read the ids of an event from the body of `/webhook`. Raises RequestError, naming the field, or BodyTooLarge.

    Label config and title are read only if the sender is `trusted`.
    """
    _budget.items = MAX_ITEMS if trusted else MAX_UNTRUSTED_ITEMS
    readable = lone_surrogates.replaced(body) if trusted else _with_any_characters(body)
    fields: _EventBody = _decoded(_event, readable, "body", "the body must be a JSON object")
    action = _scalar(fields.action)
    if not isinstance(action, str) or not action:
        raise RequestError("action must be the name of an event", field="action")
    data: dict[str, Any] = {"action": action}
    for name in ("task", "tasks", "annotation", "annotations"):
        if (ids := _ids(getattr(fields, name), name)) is not None:
            data[name] = ids
    if _first_byte(fields.project) == b"n":
        return Event(action, "", "", "", data, len(body), ids_only=True)
    project: _Project = _decoded(_project, fields.project, "project", "project must be an object")
    identity = {"id": _short(project.id), "created_at": _short(project.created_at)}
    data["project"] = identity
    config, title = (
        _text(text, f"project.{name}") if trusted else ""
        for name, text in (("label_config", project.label_config), ("title", project.title))
    )
    return Event(action, uid_of(identity), config, title, data, len(body), ids_only=True)


def parse_train_request(body: bytes) -> TrainRequest:
    """Read the body of `/train`; tasks stay JSON. Raises RequestError, naming the field, or BodyTooLarge."""
    _budget.items = MAX_ITEMS
    body = lone_surrogates.replaced(body)
    fields: _TrainBody = _decoded(_train, body, "body", "the body must be a JSON object")
    tasks: list[msgspec.Raw] = []
    if _first_byte(fields.annotations) != b"n":
        complaint = "annotations must be an array of tasks"
        _decoded(_shapes, fields.annotations, "annotations", complaint)
        tasks = _decoded(_raws, fields.annotations, "annotations", complaint)
    return TrainRequest(
        uid=project_uid(_short(fields.project), required=True),
        label_config=_text(fields.label_config, "label_config"),
        tasks=tasks,
    )


def _decoded(
    decoder: msgspec.json.Decoder[Any], text: bytes | msgspec.Raw, field: str, complaint: str
) -> Any:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise RequestError(complaint, field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}", field="body") from None


def _with_any_characters(body: bytes) -> bytes:
    r"""Return JSON whose `\ud…` escapes (lone surrogates may be among them) are replaced; fit for reading ids only."""
    return body.replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")


def _first_byte(value: msgspec.Raw) -> bytes:
    """Return the first byte of a JSON value, which tells the value's type."""
    return bytes(memoryview(value)[:1])


def _scalar(value: msgspec.Raw) -> Any:
    """Return a scalar value decoded; an empty list in place of an array or object."""
    if _first_byte(value) in b"[{":
        return []
    return _decoded(_any, value, "body", "the body is not JSON")


def _short(value: msgspec.Raw) -> Any:
    """Return a scalar value of at most `MAX_SCALAR_BYTES` bytes decoded; an empty list in place of any other value."""
    return _scalar(value) if len(memoryview(value)) <= MAX_SCALAR_BYTES else []


def _text(value: msgspec.Raw, name: str) -> str:
    """Return a text, empty for null. Raises RequestError for any other value."""
    if _first_byte(value) not in b'"n':
        raise RequestError(f"{name} must be text", field=name)
    return _scalar(value) or ""


def _ids(value: msgspec.Raw, name: str) -> dict[str, Any] | list[dict[str, Any]] | None:
    """Return the ids of one item, of a list of items, or None if the value is neither object nor array."""
    kind = _first_byte(value)
    if kind == b"{":
        return _item_ids(_decoded(_item, value, name, f"{name} must be an object"))
    if kind == b"[":
        items: list[_Item] = _decoded(_items, value, name, f"{name} must be an array of objects")
        return [_item_ids(item) for item in items]
    return None


def _item_ids(item: _Item) -> dict[str, Any]:
    ids: dict[str, Any] = {"id": _short(item.id)}
    if _first_byte(item.task) != b"n":
        ids["task"] = _short(item.task)
    if _first_byte(item.was_cancelled) != b"n":
        ids["was_cancelled"] = _short(item.was_cancelled)
    return ids
