"""Remove secrets from values of any kind and from texts, by the names that they have there."""

import re
from collections.abc import Mapping
from typing import Any

from label_studio_ml.support.secret_names import is_secret_name
from label_studio_ml.support.url_secrets import mask_in_text

#: The deepest nesting of containers that is kept.
_MAX_DEPTH = 50
#: A value after its name: in quotes, or up to a blank or punctuation, with the scheme of a header before it.
_VALUE = r"""(?:(?:Bearer|Basic|Token|Digest)\s+)?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&'")\]}]+)"""
#: `name=value`, `"name": "value"`, and `--name value` as in command lines.
_NAMED = re.compile(rf"""(?P<name>[A-Za-z_][\w.-]*)(?P<between>['"]?\s*[=:]\s*){_VALUE}""", re.IGNORECASE)
_OPTION = re.compile(rf"(?P<name>(?<!\S)--?[A-Za-z][\w-]*)(?P<between>\s+)(?!-){_VALUE}", re.IGNORECASE)
_BEARER = re.compile(r"(?P<name>\bBearer)(?P<between>\s+)[\w.~+/=-]+", re.IGNORECASE)


def mask_secrets(text: str) -> str:
    """Return `text` with secrets masked: in URLs, after their names (`token=…`, `password: …`), and `Bearer …`."""
    text = mask_in_text(text)
    for pattern in (_NAMED, _OPTION):
        text = pattern.sub(lambda match: _masked(match) if is_secret_name(match["name"]) else match[0], text)
    return _BEARER.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    return f"{match['name']}{match['between']}…"


def without_secrets(value: Any) -> Any:
    """Return `value` without the entries of dicts whose names are those of secrets, at any depth in dicts and lists."""
    return _without(value, ())


def _without(value: Any, parents: tuple[int, ...]) -> Any:
    """Do so for a value in the containers with the ids `parents`. One in itself, or too deep, becomes `…`."""
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return value
    if id(value) in parents or len(parents) >= _MAX_DEPTH:
        return "…"
    inner = (*parents, id(value))
    if isinstance(value, Mapping):
        return {key: _without(part, inner) for key, part in value.items() if not is_secret_name(str(key))}
    parts = [_without(part, inner) for part in value]
    return tuple(parts) if isinstance(value, tuple) else parts
