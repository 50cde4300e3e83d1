"""Keep the backend's login out of the report: a backend may repeat in its answers what it was sent."""

import base64
import re
from dataclasses import replace
from urllib.parse import quote

from label_studio_ml.conformance.outcome import Finding, Outcome

#: What stands for a password. A shorter one than `_LONG` is replaced only where no letter or digit is beside it.
_HIDDEN = "…"
_LONG = 4


def hide_login(text: str, login: tuple[str, str] | None) -> str:
    """Return a text without the password of a login, also as URLs and the header Authorization have it."""
    if login is None or not login[1]:
        return text
    for header in _headers(login):
        text = re.sub(rf"{re.escape(header)}[\w+/=-]*", _HIDDEN, text, flags=re.ASCII)
    password = login[1]
    for secret in dict.fromkeys((password, quote(password, safe=""))):
        pattern = re.escape(secret)
        pattern = pattern if len(secret) >= _LONG else rf"(?<!\w){pattern}(?!\w)"
        text = re.sub(pattern, _HIDDEN, text, flags=0 if secret == password else re.IGNORECASE)
    return text


def _headers(login: tuple[str, str]) -> list[str]:
    """Return what the header Authorization begins with for a login, or one that only begins so, in each encoding.

    Clients encode a login in UTF-8 or, as `requests` does, in Latin-1. The last one or two characters of a login share
    a group of base64 with what follows them, so the groups before are returned; of a login without one, all.
    """
    headers = []
    for encoding in ("utf-8", "latin-1"):
        try:
            content = ":".join(login).encode(encoding)
        except UnicodeEncodeError:
            continue
        whole = len(content) // 3 * 3
        user = len(content) - len(login[1].encode(encoding))
        headers.append(base64.b64encode(content[:whole] if whole > user else content).decode())
    return list(dict.fromkeys(headers))


def hide_login_in(outcome: Outcome, login: tuple[str, str] | None) -> Outcome:
    """Return an outcome whose texts have no password of a login."""
    findings = tuple(_hidden(finding, login) for finding in outcome.findings)
    return replace(outcome, summary=hide_login(outcome.summary, login), findings=findings)


def _hidden(finding: Finding, login: tuple[str, str] | None) -> Finding:
    received, effect, fix = (
        hide_login(text, login) for text in (finding.received, finding.effect, finding.fix)
    )
    return replace(finding, received=received, effect=effect, fix=fix)
