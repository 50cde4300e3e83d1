r"""Replace lone surrogates in JSON, such as `\ud800`: halves of UTF-16 characters, which only Python's parser accepts.

Label Studio, written in Python, accepts them in imported tasks and sends them on. Requests that contain some are
answered nevertheless, with U+FFFD in place of each.
"""

import json
import re
from typing import Any

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
#: Escapes that may be lone surrogates: a fast search, with false positives where a backslash itself is escaped.
_SUSPECT = re.compile(
    rb"%b(?!%b)|(?<!\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F])%b|(?<=\\\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F])%b"
    % (_HIGH, _LOW, _LOW, _LOW)
)
#: Each escape of a JSON text: a surrogate pair, a lone surrogate (the group), or another escape.
_ESCAPE = re.compile(rb"%b%b|(%b|%b)|\\." % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)


def replaced(body: bytes) -> bytes:
    """Return JSON with U+FFFD for each lone surrogate; the same object if there is none."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    if _SUSPECT.search(body) is None:
        return body
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], body)


def parsed(body: bytes) -> Any:
    """Parse JSON, with U+FFFD for each lone surrogate. Raises ValueError if it is not JSON."""
    return json.loads(replaced(body))


def are_in(text: str) -> bool:
    """Tell whether a text contains a lone surrogate, so that it cannot be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
