"""The `context` of an interactive `/predict`: its event, the regions drawn, and who drew them.

Label Studio's page sends one such request for each click. Its context has the regions of the click and of earlier
clicks that still wait for an answer. Pages with code of their own add an `event`, such as "track_progress".
"""

import msgspec

from label_studio_ml.protocol.requests import ANONYMOUS, PredictRequest

#: The events that start a tracker in the model, and that tell that a task's state is no longer needed.
TRACK, RELEASE = "track", "release"
#: Fields of a context that do not tell who sent it: the regions, and the draft, which the page saves now and then.
_CHANGING_FIELDS = ("result", "draft_id")
#: Longest id of a task in characters; tasks with longer ones have no session.
_MAX_ID = 100


class Interaction(msgspec.Struct, frozen=True):
    """What one interactive request is about.

    `session` names the task that user code may keep state for: the project's uid and the task's id. If the request has
    no task id, it is that of the project for an event, else empty. `event` is the context's event, or empty. `regions`
    are the ids of the context's regions; empty if one of them has none. `sender` is the rest of the context, such as
    user and annotation, in a comparable form.
    """

    session: str
    event: str = ""
    regions: frozenset[str] = frozenset()
    sender: tuple[tuple[str, bytes], ...] = ()

    def supersedes(self, older: "Interaction") -> bool:
        """Tell whether the answer to an `older` request is of no use once this one was sent.

        This is so if both are clicks for one task by one sender, and this one has all regions of the older one.
        Requests with an event are messages, of which each counts.
        """
        return (
            not self.event
            and not older.event
            and bool(self.session)
            and self.session == older.session
            and self.sender == older.sender
            and bool(older.regions)
            and older.regions <= self.regions
        )


class _Task(msgspec.Struct, gc=False):
    id: msgspec.Raw = msgspec.Raw(b"null")


class _Params(msgspec.Struct, gc=False):
    context: dict[str, msgspec.Raw] | None = None


class _Region(msgspec.Struct, gc=False):
    id: str | None = None


_task_decoder = msgspec.json.Decoder(_Task)
_params_decoder = msgspec.json.Decoder(_Params)
_regions_decoder = msgspec.json.Decoder(list[_Region])
_scalar_decoder = msgspec.json.Decoder(int | str)
_text_decoder = msgspec.json.Decoder(str)


def parse_interaction(request: PredictRequest) -> Interaction | None:
    """Return what an interactive request is about; None if it is not interactive or not for exactly one task."""
    if not request.interactive or len(request.tasks) != 1:
        return None
    try:
        context = _params_decoder.decode(request.params).context or {}
    except (
        msgspec.MsgspecError,
        RecursionError,
    ):  # a context that is no object: only user code knows its meaning
        context = {}
    event = _event(context)
    return Interaction(
        session=_session(request, event=event),
        event=event,
        regions=_regions(context),
        sender=tuple(
            sorted((name, bytes(value)) for name, value in context.items() if name not in _CHANGING_FIELDS)
        ),
    )


def _session(request: PredictRequest, *, event: str) -> str:
    try:
        task_id = str(_scalar_decoder.decode(_task_decoder.decode(request.tasks[0]).id))
    except (msgspec.MsgspecError, RecursionError):
        task_id = ""
    if task_id and len(task_id) <= _MAX_ID:
        return f"{request.uid}\0{task_id}"
    return (request.uid or ANONYMOUS) if event else ""


def _event(context: dict[str, msgspec.Raw]) -> str:
    """Return the event; any JSON value that is not falsy in Python counts as one."""
    raw = bytes(context.get("event", b"null")).strip()
    try:
        return _text_decoder.decode(raw)
    except msgspec.MsgspecError:
        return "" if raw in (b"null", b"false", b"0", b"[]", b"{}") else raw.decode(errors="replace")


def _regions(context: dict[str, msgspec.Raw]) -> frozenset[str]:
    try:
        ids = [region.id for region in _regions_decoder.decode(context.get("result", b"[]"))]
    except (msgspec.MsgspecError, RecursionError):
        return frozenset()
    return frozenset(region_id for region_id in ids if region_id) if all(ids) else frozenset()
