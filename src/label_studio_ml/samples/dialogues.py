"""Dialogues: for `<Paragraphs>`, `<Chat>` and `<Dialog>`."""

import json
from typing import Any

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.scripts_of_texts import script_of
from label_studio_ml.samples.value_context import ValueContext

#: Seconds between the starts of two turns. Recordings are longer than all turns together: see `audio`.
_TURN = 0.4

#: The time of the first message, in milliseconds since 1970, and the time between two.
_FIRST_MESSAGE = 1_767_261_600_000
_BETWEEN_MESSAGES = 15_000


def _turns(context: ValueContext) -> list[str]:
    """Return three to six turns, each a sentence; some sentences come twice, as in real dialogues."""
    script = script_of(context.number)
    return [context.rng.choice(script.sentences) for _ in range(context.rng.randint(3, 6))]


def paragraphs(use: Use, context: ValueContext) -> Any:
    """Return a list of turns with the keys that the tag names, and with times if it plays a recording."""
    name_key = use.attributes.get("namekey") or "author"
    text_key = use.attributes.get("textkey") or "text"
    names = ("user", "assistant") if name_key == "role" else script_of(context.number).names
    turns: list[dict[str, Any]] = []
    for place, text in enumerate(_turns(context)):
        turn: dict[str, Any] = {name_key: names[place % 2], text_key: text}
        if "audiourl" in use.attributes or use.attributes.get("contextscroll") == "true":
            # Not from 0: Label Studio sorts a turn that starts at 0 after all others.
            turn |= {"start": round(0.1 + place * _TURN, 3), "end": round(0.1 + (place + 1) * _TURN, 3)}
        turns.append(turn)
    if use.attributes.get("valuetype", "").lower() == "url":
        return context.place(json.dumps(turns, ensure_ascii=False).encode(), "json")
    return turns


def dialog(use: Use, context: ValueContext) -> list[dict[str, str]]:
    """Return turns for the older tag `<Dialog>`, which has fixed keys."""
    names = script_of(context.number).names
    return [{"name": names[place % 2], "text": text} for place, text in enumerate(_turns(context))]


def chat(use: Use, context: ValueContext) -> list[dict[str, Any]]:
    """Return messages of a user and an assistant, the last one by the user."""
    turns = _turns(context)
    turns = turns if len(turns) % 2 else turns[1:]
    return [
        {
            "role": ("user", "assistant")[place % 2],
            "content": text,
            "createdAt": _FIRST_MESSAGE + place * _BETWEEN_MESSAGES,
        }
        for place, text in enumerate(turns)
    ]
