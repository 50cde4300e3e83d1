"""Read the ids of tasks that are JSON bytes, for messages about them."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

#: Size in bytes beyond which a task is not read for its id.
_LARGE = 1 << 20
_NUMBER = re.compile(rb"-?[0-9]{1,30}")


class _Identified(msgspec.Struct, gc=False):
    id: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(_Identified)


def task_ids(tasks: Iterable[bytes], most: int) -> list[str]:
    """Return the ids of the first `most` tasks as text, without those that have none or are larger than 1 MiB."""
    found: list[str] = []
    for number, task in enumerate(tasks):
        if number >= most:
            break
        if (name := _id_of(task)) != "":
            found.append(name)
    return found


def text_of(task_id: Any) -> str:
    """Return the id of a decoded task as text, empty if it is neither a number nor a text."""
    return str(task_id) if isinstance(task_id, int | str) and not isinstance(task_id, bool) else ""


def _id_of(task: bytes) -> str:
    if len(task) > _LARGE:
        return ""
    try:
        raw = bytes(_decoder.decode(task).id)
        if _NUMBER.fullmatch(raw):
            return raw.decode()
        return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
