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
    password = login[1]
    header = base64.b64encode(":".join(login).encode()).decode()
    for secret in dict.fromkeys((header, password, quote(password, safe=""))):
        pattern = re.escape(secret)
        text = re.sub(pattern if len(secret) >= _LONG else rf"(?<!\w){pattern}(?!\w)", _HIDDEN, text)
    return text


def hide_login_in(outcome: Outcome, login: tuple[str, str] | None) -> Outcome:
    """Return an outcome whose texts have no password of a login."""
    findings = tuple(_hidden(finding, login) for finding in outcome.findings)
    return replace(outcome, summary=hide_login(outcome.summary, login), findings=findings)


def _hidden(finding: Finding, login: tuple[str, str] | None) -> Finding:
    received, effect, fix = (
        hide_login(text, login) for text in (finding.received, finding.effect, finding.fix)
    )
    return replace(finding, received=received, effect=effect, fix=fix)
