"""Put the cause of a failure into the URL, where Label Studio shows it.

Of a failed call, Label Studio shows status, reason phrase and final URL, never the body. Its failed calls are
therefore redirected to `problem/<status>/<cause>`, a page that responds with that status.
"""

import re
from urllib.parse import quote, unquote

#: Headers of these pages. Anyone may write such a URL, so browsers must not interpret its words as HTML or script.
HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}

#: Maximum length of a cause in a URL, in characters.
MAX_CAUSE_LENGTH = 300


def reference(path: str, status: int, cause: str, requested_path: str = "") -> str:
    """Return the URL to which a failed call of `path` is redirected, relative, to keep path prefixes of proxies.

    With the path "/", `requested_path` may be the root path without a slash at its end, such as "/ml".
    """
    depth = path.strip("/").count("/") + (1 if path.endswith("/") and path != "/" else 0)
    cause_words = re.sub(r"[^A-Za-z0-9.,:;=_()'*+-]+", "-", cause).strip("-")[:MAX_CAUSE_LENGTH]
    last_part = requested_path.rpartition("/")[2] if path == "/" else ""
    return (
        (f"{quote(last_part)}/" if last_part else "../" * depth)
        + f"problem/{status}/"
        + quote(cause_words, safe=".,:;=_()'*+-")
    )


def parse(path: str) -> tuple[int, str]:
    """Return status and cause in the path of a page made by `reference`; a status other than 4xx, 5xx becomes 404."""
    _, _, status, *cause_words = path.split("/", 3)
    code = int(status) if re.fullmatch("[45][0-9][0-9]", status) else 404
    return code, unquote(cause_words[0]).replace("-", " ") if cause_words else ""
