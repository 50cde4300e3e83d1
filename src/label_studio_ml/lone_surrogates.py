r"""Halves of UTF-16 characters in JSON, such as `\ud800`: no text, and read by no JSON parser but Python's.

Label Studio is written in Python, takes them from an import, and sends them on: a request that has one is answered all
the same, with U+FFFD in its place.
"""

import json
import re
from typing import Any

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
#: What may be one: quick to look for, and wrong where a backslash is escaped itself.
_SUSPECT = re.compile(
    rb"%b(?!%b)|(?<!\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F])%b|(?<=\\\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F])%b"
    % (_HIGH, _LOW, _LOW, _LOW)
)
#: Each escape of a JSON text in turn: a pair, a half, or another one.
_ESCAPE = re.compile(rb"%b%b|(%b|%b)|\\." % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)


def replaced(body: bytes) -> bytes:
    """Return JSON with U+FFFD for each half of a character; the same object where there is none."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    if _SUSPECT.search(body) is None:
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


def parsed(body: bytes) -> Any:
    """Return the value of a JSON text, U+FFFD for each half of a character. Raises ValueError if it is no JSON."""
    return json.loads(replaced(body))


def are_in(text: str) -> bool:
    """Tell whether a text has a half of a character: it cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
