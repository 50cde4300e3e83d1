"""Put the cause of a failure into the URL, where Label Studio shows it.

Of a failed call, Label Studio shows status, reason phrase and final URL, never the body. Its failed calls are
therefore redirected to `problem/<status>/<cause>`, a page that responds with that status.
"""

import re
from urllib.parse import quote, unquote

#: Headers of these pages. Anyone may write such a URL, so browsers must not interpret its words as HTML or script.
HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}

#: The words of a cause, and the error's code.
_WITH_CODE = re.compile(r"(?:(.*)-)?(LSML-E[0-9]{3})", re.DOTALL)

#: Maximum length of a cause in a URL, in characters.
MAX_CAUSE_LENGTH = 300


def reference(path: str, status: int, cause: str, requested_path: str = "", code: str = "") -> str:
    """Return the URL to which a failed call of `path` is redirected, relative, to keep path prefixes of proxies.

    It ends with the error's `code`, if there is one.
    With the path "/", `requested_path` may be the root path without a slash at its end, such as "/ml".
    """
    depth = path.strip("/").count("/") + (1 if path.endswith("/") and path != "/" else 0)
    cause_words = re.sub(r"[^A-Za-z0-9.,:;=_()'*+-]+", "-", cause).strip("-")[:MAX_CAUSE_LENGTH]
    last_part = requested_path.rpartition("/")[2] if path == "/" else ""
    return (
        (f"{quote(last_part)}/" if last_part else "../" * depth)
        + f"problem/{status}/"
        + quote("-".join(filter(None, (cause_words, code))), safe=".,:;=_()'*+-")
    )


def parse(path: str) -> tuple[int, str, str]:
    """Return status, cause and code in the path of a page made by `reference`; the code may be empty.

    A status other than 4xx, 5xx becomes 404.
    """
    _, _, status, *rest = path.split("/", 3)
    number = int(status) if re.fullmatch("[45][0-9][0-9]", status) else 404
    words = unquote(rest[0]) if rest else ""
    cause_words, code = match.groups() if (match := _WITH_CODE.fullmatch(words)) else (words, "")
    return number, cause_words.replace("-", " "), code
