"""Rules for the names of versions and for the key/value pairs that user code stores."""

from typing import Any

from label_studio_ml.support import arguments, lone_surrogates

#: Maximum number of characters of a version's name.
MAX_NAME_LENGTH = 256
#: Names of untrained models, which no version may have.
UNTRAINED_NAMES = ("INITIAL", "0.0.1")


def name_problem(name: str) -> str:
    """Return why a text cannot be the name of a version, empty if it can."""
    if not name.strip():
        return "it is blank"
    if len(name) > MAX_NAME_LENGTH:
        return f"it has {len(name):,} characters, at most {MAX_NAME_LENGTH} are allowed"
    if not name.isprintable():
        unprintable = next(character for character in name if not character.isprintable())
        return f"it holds {unprintable!a}, which cannot be shown"
    return ""


def check_pair(key: Any, value: Any) -> None:
    """Raise ValueError if a model's `set(key, value)` cannot be stored.

    Key and value must be text without lone surrogates, and the value of `model_version` empty or a version's name.
    """
    arguments.text("key", key)
    if not isinstance(value, str):
        raise ValueError(
            f"set({key!r}, …) takes text, not {type(value).__name__}: use json.dumps for other values"
        )
    for text in (key, value):
        if lone_surrogates.are_in(text):
            raise ValueError(
                f"set({key!r}, …): {text[:80]!r} has a lone surrogate (half of a character), which cannot be stored"
            )
    if key == "model_version" and value and (problem := name_problem(value)):
        raise ValueError(f"set('model_version', …): {value[:80]!r} cannot name a version: {problem}")
