"""What a version may be called, and what user code may store."""

from typing import Any

from label_studio_ml import arguments, lone_surrogates

#: Characters that a name may have.
LONGEST = 256
#: Names of models that were never trained: a version of that name could not be told from them.
UNTRAINED = ("INITIAL", "0.0.1")


def name_problem(name: str) -> str:
    """Say why a text cannot name a version, nothing if it can."""
    if not name.strip():
        return "it is blank"
    if len(name) > LONGEST:
        return f"it has {len(name):,} characters, at most {LONGEST} are allowed"
    if not name.isprintable():
        odd = next(character for character in name if not character.isprintable())
        return f"it holds {odd!a}, which cannot be shown"
    return ""


def check_pair(key: Any, value: Any) -> None:
    """Raise ValueError where a model's `set(key, value)` cannot be kept, or names a version as none may be called."""
    arguments.text("key", key)
    if not isinstance(value, str):
        raise ValueError(
            f"set({key!r}, …) takes text, not {type(value).__name__}: use json.dumps for other values"
        )
    for text in (key, value):
        if lone_surrogates.are_in(text):
            raise ValueError(f"set({key!r}, …): {text[:80]!r} holds half of a character, which is no text")
    if key == "model_version" and value and (problem := name_problem(value)):
        raise ValueError(f"set('model_version', …): {value[:80]!r} cannot name a version: {problem}")
