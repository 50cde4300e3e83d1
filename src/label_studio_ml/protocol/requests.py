"""Parse the bodies of Label Studio's requests, without I/O.

The tasks of a `/predict` stay raw bytes: only the process that runs the model decodes them. All errors in a body are
reported as a RequestError that names the field.
"""

import functools
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from label_studio_ml.errors import RequestError
from label_studio_ml.support import lone_surrogates

_FIELD = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>.*)`")

#: Longest accepted project uid, in URL-quoted characters (a character other than plain letters and digits counts as
#: three or more), since uids name folders. Label Studio's uids have about fifteen characters.
MAX_UID = 200

#: Maximum number of bytes of params for which the result of parsing is cached.
_SHORT = 512

#: Body size in bytes above which a `/predict` is checked for tasks that are objects before the tasks are kept.
_LARGE = 1 << 20

#: Fields removed from a webhook's payload: Label Studio sends the project's secrets with every event.
SECRET_PROJECT_FIELDS = ("token", "task_data_login", "task_data_password")


# With gc=False, structs are not tracked by the garbage collector, which saves time. They cannot be part of a cycle:
# they contain only texts, bytes, and lists of these.


class _Params(msgspec.Struct, gc=False):
    """`params` of a `/predict`, of which only `context` is read."""

    context: msgspec.Raw = msgspec.Raw(b"null")


class _PredictBody(msgspec.Struct, gc=False):
    tasks: list[msgspec.Raw]
    project: str | int | None = None
    label_config: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"null")


class _AnyTask(msgspec.Struct, gc=False):
    """A task of which no field is read."""


class _PredictShape(msgspec.Struct, gc=False):
    """A `/predict` of which only the type of its tasks is checked, in little memory."""

    tasks: list[_AnyTask]


class PredictRequest(msgspec.Struct, frozen=True, gc=False):
    """A parsed `/predict`: each task as JSON bytes, params as JSON object bytes; `interactive` if it has a context."""

    tasks: list[bytes]
    uid: str
    label_config: str
    params: bytes
    interactive: bool

    @property
    def tasks_json(self) -> bytes:
        """The tasks as one JSON array."""
        return b"[" + b",".join(self.tasks) + b"]"

    def without_drafts(self) -> "PredictRequest":
        """Return a copy whose tasks have no drafts, the unfinished annotations; this request if they have none."""
        tasks = [_without_drafts(task) for task in self.tasks]
        return self if tasks == self.tasks else msgspec.structs.replace(self, tasks=tasks)


class SetupRequest(msgspec.Struct, frozen=True):
    """A parsed `/setup`. `extra_params` is the content of Label Studio's form: None, text, or any JSON value."""

    uid: str
    label_config: str
    hostname: str
    access_token: str
    extra_params: Any


class Event(msgspec.Struct, frozen=True):
    """A parsed webhook call: `action`, the uid of its project, and the whole payload without secrets in `data`.

    `size` is the size of the body in bytes. With `ids_only`, `data` contains only the ids of tasks and annotations; the
    rest has to be fetched from Label Studio. `caller` is the sender's name from the login, empty without a login.
    """

    action: str
    uid: str
    label_config: str
    title: str
    data: dict[str, Any]
    size: int = 0
    ids_only: bool = False
    caller: str = ""

    def sent_by(self, caller: str) -> "Event":
        """Return a copy of the event with another `caller`."""
        return msgspec.structs.replace(self, caller=caller)


class TrainRequest(msgspec.Struct, frozen=True):
    """A parsed `/train` of Label Studio before 1.4.1, with its labelled tasks; large requests keep them as raw JSON."""

    uid: str
    label_config: str
    tasks: list[dict[str, Any]] | list[msgspec.Raw]


_predict_decoder = msgspec.json.Decoder(_PredictBody)
_shape_decoder = msgspec.json.Decoder(_PredictShape)
_params_decoder = msgspec.json.Decoder(_Params)
_any_decoder = msgspec.json.Decoder()
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

#: Uid of requests that name no project.
ANONYMOUS = "default"


def parse_predict(body: bytes) -> PredictRequest:
    """Parse the body of `/predict`. Raises RequestError, naming the field."""
    try:
        body = lone_surrogates.replaced(body)
        if len(body) > _LARGE:  # kept raw, millions of numbers would take 100 times their size
            _shape_decoder.decode(body)
        request = _predict_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _complaint(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from None
    tasks = [bytes(task) for task in request.tasks]
    for number, task in enumerate(tasks):
        if not task.lstrip().startswith(b"{"):
            raise RequestError(f"tasks[{number}] must be an object", field=f"tasks[{number}]")
    params = bytes(request.params)
    if params.strip() == b"null":
        params = b"{}"
    try:
        # Label Studio sends the same few params with all requests but interactive ones, so the result is cached.
        interactive = _known_params(params) if len(params) <= _SHORT else _has_context(params)
    except msgspec.ValidationError:
        raise RequestError("params must be an object or null", field="params") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from None
    return PredictRequest(
        tasks=tasks,
        uid=project_uid(request.project, required=False),
        label_config=request.label_config or "",
        params=params,
        interactive=interactive,
    )


def _without_drafts(task: bytes) -> bytes:
    """Return a task (a JSON object) without its drafts; `task` itself if it has none."""
    if b'"drafts"' not in task:
        return task
    fields = _fields_decoder.decode(task)
    if bytes(fields.get("drafts", b"[]")) == b"[]":
        return task
    del fields["drafts"]
    return msgspec.json.encode(fields)


def _has_context(params: bytes) -> bool:
    """Tell whether the params of a `/predict` have a non-empty context."""
    return bytes(_params_decoder.decode(params).context).strip() not in (b"null", b"{}")


_known_params = functools.lru_cache(maxsize=256)(_has_context)


def parse_setup(body: bytes) -> SetupRequest:
    """Parse the body of `/setup`. Raises RequestError, naming the field."""
    fields = parse_object(body)
    return SetupRequest(
        uid=project_uid(fields.get("project"), required=True),
        label_config=_text(fields, "schema") or _text(fields, "label_config"),
        hostname=_text(fields, "hostname").rstrip("/"),
        access_token=_text(fields, "access_token"),
        extra_params=fields.get("extra_params"),
    )


def parse_event(body: bytes) -> Event:
    """Parse the body of `/webhook`. Raises RequestError, naming the field."""
    fields = parse_object(body)
    action = fields.get("action")
    if not isinstance(action, str) or not action:
        raise RequestError("action must be the name of an event", field="action")
    project = fields.get("project")
    if project is None:
        return Event(action=action, uid="", label_config="", title="", data=fields, size=len(body))
    if not isinstance(project, dict):
        raise RequestError("project must be an object", field="project")
    clean = {name: value for name, value in project.items() if name not in SECRET_PROJECT_FIELDS}
    return Event(
        action=action,
        uid=uid_of(project),
        label_config=_text(project, "label_config", at="project."),
        title=_text(project, "title", at="project."),
        data={**fields, "project": clean},
        size=len(body),
    )


def parse_train(body: bytes) -> TrainRequest:
    """Parse the body of `/train`. Raises RequestError, naming the field."""
    fields = parse_object(body)
    tasks = fields.get("annotations")
    if tasks is None:
        tasks = []
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise RequestError("annotations must be an array of tasks", field="annotations")
    return TrainRequest(
        uid=project_uid(fields.get("project"), required=True),
        label_config=_text(fields, "label_config"),
        tasks=tasks,
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object. Raises RequestError if it is not one."""
    try:
        value = _any_decoder.decode(lone_surrogates.replaced(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from None
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object", field="body")
    return value


def project_uid(value: Any, *, required: bool) -> str:
    """Return the project's uid as text; Label Studio sends `"<id>.<created_at>"`. Raises RequestError if invalid."""
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise RequestError("project must be text such as '12.1795434258'", field="project")
    uid = "" if value is None else str(value).strip()
    if required and not uid:
        raise RequestError("project is missing: it must be text such as '12.1795434258'", field="project")
    return _checked_uid(uid)


@functools.lru_cache(maxsize=10_000)
def _checked_uid(uid: str) -> str:
    """Return a uid that can name folders; valid ones are cached. Raises RequestError if it cannot."""
    if len(uid) > MAX_UID or not uid.isprintable() or len(quote(uid, safe="")) > MAX_UID:
        raise RequestError(f"project must be printable text of at most {MAX_UID} characters", field="project")
    return uid


def uid_of(project: dict[str, Any]) -> str:
    """Return the uid, as in `/setup` and `/predict`, from a webhook's `project` object. Raises RequestError."""
    number = project.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str) or number == "":
        raise RequestError("project.id is missing", field="project.id")
    created = project.get("created_at")
    if created is None:
        return project_uid(number, required=True)
    try:
        seconds = int(datetime.fromisoformat(str(created)).timestamp())
    except (ValueError, OverflowError):
        raise RequestError("project.created_at must be an ISO date", field="project.created_at") from None
    return project_uid(f"{number}.{seconds}", required=True)


def _text(fields: dict[str, Any], name: str, *, at: str = "") -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError(f"{at}{name} must be text", field=f"{at}{name}")
    return value


def _not_json(error: Exception) -> RequestError:
    cause = "it is empty, or ends too early" if str(error) == "Input data was truncated" else error
    return RequestError(f"the body is not JSON: {cause}", field="body")


def _complaint(error: msgspec.ValidationError) -> RequestError:
    """Return msgspec's validation error as a RequestError that names the field first."""
    text = str(error)
    match = _FIELD.fullmatch(text)
    fault, path = (match["what"], match["path"]) if match else (text, "")
    if "missing required field" in fault:
        name = fault.rpartition("`")[0].rpartition("`")[2]
        return RequestError(f"{name} is missing", field=name)
    if not path:
        return RequestError("the body must be a JSON object", field="body")
    return RequestError(f"{path}: {fault[:1].lower()}{fault[1:]}", field=path)
