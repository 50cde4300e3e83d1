"""Remove secrets from values of any kind and from texts, by the names that they have there."""

import re
from collections.abc import Mapping
from typing import Any

from label_studio_ml.support.secret_names import is_secret_name
from label_studio_ml.support.url_secrets import mask_in_text

#: The deepest nesting of containers that is kept.
_MAX_DEPTH = 50
#: Parts of a value: in brackets without inner ones, in escaped quotes (JSON in JSON), backslashes, in
#: quotes, in a quote that is not closed, and a character that ends no value.
_PARTS = (
    *(r"\[[^\[\]]*\]", r"\{[^{}]*\}", r"\([^()]*\)"),
    *(r'\\+(?:"[^"]*"|\'[^\']*\')', r"""\\+(?!["'])"""),
    *(r'"(?:[^"\\]|\\.)*"', r"'(?:[^'\\]|\\.)*'"),
    *(r"""["'][^\s,;&)\]}]+""", r"""[^\s,;&'")\]}]"""),
)
#: A value after its name: up to a blank or punctuation that is in none of these, with a header's scheme before it.
_VALUE = re.compile(rf"(?:(?:Bearer|Basic|Token|Digest)\s+)?(?:{'|'.join(_PARTS)})+", re.IGNORECASE)
#: What stands before a value: `name=`, `"name": `, and `--name ` as in command lines. A name begins where a word does:
#: one tried from each character of a long word, such as a file in base64, would take time that grows with its square.
_NAME = re.compile(r"""(?P<name>(?<![\w.-])[\w.-]+)\\*['"]?\s*[=:]\s*""")
_OPTION = re.compile(r"(?P<name>(?<!\S)--?[A-Za-z][\w-]*)\s+(?!-)")
_BEARER = re.compile(r"(\bBearer\s+)[\w.~+/=-]+", re.IGNORECASE)


def mask_secrets(text: str) -> str:
    """Return `text` with secrets masked: in URLs, after their names (`token=…`, `password: …`), and `Bearer …`."""
    text = mask_in_text(text)
    for names in (_NAME, _OPTION):
        text = _mask_values(text, names)
    return _BEARER.sub(r"\1…", text)


def _mask_values(text: str, names: re.Pattern[str]) -> str:
    """Return `text` with the values masked after those matches of `names` that are names of secrets.

    The values of other names are searched, too: in `error="password=…"` one is in the other.
    """
    parts = []
    end = 0
    for match in names.finditer(text):
        if match.start() < end or not is_secret_name(match["name"]):
            continue
        if value := _VALUE.match(text, match.end()):
            parts += [text[end : match.end()], "…"]
            end = value.end()
    return "".join([*parts, text[end:]])


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
