"""Saying what went wrong where Label Studio shows it: in the URL.

Of a failed call Label Studio shows status, reason phrase and final URL, never the body. So its calls that fail are
redirected to `problem/<status>/<the cause in words>`, a page that answers with that status.
"""

import re
from urllib.parse import quote, unquote

#: What keeps a browser from taking the words of such a URL, which anybody may write, for a page of ours.
HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}

#: Longest cause in a URL, in characters.
LONGEST = 300


def reference(path: str, status: int, cause: str) -> str:
    """Return where to send the caller of `path`: a relative reference, so that path prefixes of proxies stay."""
    depth = path.strip("/").count("/") + (1 if path.endswith("/") and path != "/" else 0)
    words = re.sub(r"[^A-Za-z0-9.,:;=_()'*+-]+", "-", cause).strip("-")[:LONGEST]
    return "../" * depth + f"problem/{status}/" + quote(words, safe=".,:;=_()'*+-")


def parse(path: str) -> tuple[int, str]:
    """Return status and cause of a page made by `reference`; a status that is no failure becomes 404."""
    _, _, status, *words = path.split("/", 3)
    code = int(status) if re.fullmatch("[45][0-9][0-9]", status) else 404
    return code, unquote(words[0]).replace("-", " ") if words else ""
