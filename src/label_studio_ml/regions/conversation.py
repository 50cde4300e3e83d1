"""Messages of a `<Chat>`, which only Label Studio's enterprise edition shows.

The messages in a task cannot be rated or edited; those of a prediction can. So a conversation that annotators evaluate
is a prediction, and what is said of one message is `regions.attach(message, control, …)`.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.region import Region, fields_in, make, number, require

#: The roles that Label Studio knows.
ROLES = ("user", "assistant", "system", "tool", "developer")

_MILLISECOND = datetime.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message: who says it, its text, and when it was made (UTC); None if the region does not say it."""

    role: str
    content: str
    created_at: datetime.datetime | None = None


def chat_message(
    control: Control,
    role: str,
    content: Any,
    *,
    created_at: datetime.datetime | None = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
) -> Region:
    """Return a message as a region of a `<Chat>`.

    `content` is its text, or a list of parts as language models' APIs have them, whose texts are joined. Label Studio
    orders messages by `created_at`, which is now by default; see `chat_messages` for several. Raises ValueError for a
    role that Label Studio does not know, or a time without a time zone, and TypeError for a content without a text.
    """
    require(control, Geometry.CHAT)
    if role not in ROLES:
        raise ValueError(f"role must be one of {', '.join(ROLES)}, not {role!r}")
    moment = created_at or datetime.datetime.now(datetime.UTC)
    if moment.tzinfo is None:
        raise ValueError("created_at must have a time zone, such as datetime.UTC")
    message = {"role": role, "content": _text(content), "createdAt": round(moment.timestamp() * 1000)}
    region = make(control, {"chatmessage": message}, score=score, id=id)
    assert region is not None
    return region


def chat_messages(
    control: Control,
    messages: Iterable[Mapping[str, Any]],
    *,
    created_at: datetime.datetime | None = None,
) -> list[Region]:
    """Return a conversation as regions: `chat_message` for each dict with `role` and `content`.

    The messages follow each other by a millisecond, from `created_at` on. Raises as `chat_message` does, and ValueError
    for a message without a role or content.
    """
    start = created_at or datetime.datetime.now(datetime.UTC)
    regions = []
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
            raise ValueError(f"A message must have role and content, not {message!r}")
        moment = start + at * _MILLISECOND
        regions.append(chat_message(control, message["role"], message["content"], created_at=moment))
    return regions


def message_of(region: Mapping[str, Any]) -> ChatMessage:
    """Return the message of a region. Raises ValueError if it has none."""
    message = region["value"].get("chatmessage")
    if not isinstance(message, Mapping):
        raise ValueError(f"The region is no chat message: its value has {fields_in(region)}")
    moment = message.get("createdAt")
    return ChatMessage(
        str(message.get("role", "")),
        str(message.get("content", "")),
        None if moment is None else _time(number(moment, "createdAt")),
    )


def _time(milliseconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=milliseconds)


def _text(content: Any) -> str:
    """Return the text of a message's content. Raises TypeError for content of another form."""
    if isinstance(content, str):
        return content
    if isinstance(content, Iterable) and not isinstance(content, bytes | Mapping):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        parts = [text for text in texts if isinstance(text, str)]
        if parts and len(parts) == len(texts):
            return "".join(parts)
    raise TypeError(f"content must be a text, or a list of parts with a text each, not {content!r}")
