"""A backend's answer to a call, or why there is none."""

import codecs
import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from label_studio_ml.support.texts import plural

_PAGE_STARTS = (b"<!doctype", b"<html>")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Body:
    """The parsed body of an answer.

    `error` says why it is not JSON. `constants` are the names, such as `NaN`, that Python's parser accepts although
    JSON does not have them; they are None in `value`.
    """

    value: Any = None
    error: str = ""
    constants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to `call`, such as `POST /predict`, for which the client waits at most `limit` seconds.

    Without a response, `failure` says why, `failure_fix` what to do about it, and `status` is 0; `unreachable` tells
    that not even a connection was made, and `hang` what Label Studio does if it waits without a limit. `encoding` is
    the one that the header says. `redirects` are the statuses of the redirects that led to `url`, the final address,
    which was asked with `method`.
    """

    call: str
    seconds: float
    limit: float
    failure: str = ""
    failure_fix: str = ""
    unreachable: bool = False
    timed_out: bool = False
    hang: str = ""
    status: int = 0
    reason: str = ""
    content: bytes = b""
    content_type: str = ""
    encoding: str | None = None
    redirects: tuple[int, ...] = ()
    url: str = ""
    method: str = ""

    @property
    def is_error(self) -> bool:
        """Whether Label Studio takes the call as failed before it reads the body."""
        return bool(self.failure) or self.status >= 400

    @property
    def is_html(self) -> bool:
        """Whether the body is a web page."""
        return self._begins_as_page or ("html" in self.content_type and bool(self.body().error))

    @property
    def _begins_as_page(self) -> bool:
        return self.content.lstrip()[:9].lower() in _PAGE_STARTS

    @property
    def lost_body(self) -> bool:
        """Whether a redirect turned a POST into a GET, which has no body."""
        return self.call.startswith("POST") and self.method == "GET" and not self._is_error_page

    @property
    def _is_error_page(self) -> bool:
        """Whether the redirect leads to an error that has another address than the call."""
        path = self.call.partition(" ")[2]
        return self.status >= 400 and not self.url.partition("?")[0].rstrip("/").endswith(path)

    @property
    def text(self) -> str:
        """The body, decoded as `requests` decodes JSON for Label Studio's client, which may guess the encoding."""
        from requests import Response
        from requests.utils import guess_json_utf

        guess = None if self.encoding or len(self.content) <= 3 else guess_json_utf(self.content)  # type: ignore[no-untyped-call]
        if guess:
            with contextlib.suppress(UnicodeDecodeError):
                return self.content.decode(guess)
        response = Response()
        response.raw, response.encoding = io.BytesIO(self.content), self.encoding
        return response.text

    @property
    def is_utf8(self) -> bool:
        """Whether the body is UTF-8, which is what JSON has to be."""
        try:
            self.content.decode()
        except UnicodeDecodeError:
            return False
        return True

    def body(self) -> Body:
        """Parse the body as Label Studio's client does."""
        constants: list[str] = []
        try:
            value = json.loads(self.text, parse_constant=constants.append)
        except (ValueError, RecursionError) as error:
            return Body(error=f"the body is {self._described_body(error)}")
        return Body(value, constants=tuple(dict.fromkeys(constants)))

    def _described_body(self, error: Exception) -> str:
        if not self.content.strip():
            return "empty"
        if self.content.startswith(_BYTE_ORDER_MARKS):
            return "text with a byte order mark, which JSON does not have"
        start = " ".join(self.content[:80].decode("utf-8", "replace").split())
        if isinstance(error, RecursionError):
            return f"nested too deep, beginning {start!r}"
        if "html" in self.content_type or self._begins_as_page:
            return f"a web page, beginning {start!r}"
        if isinstance(error, json.JSONDecodeError) and self.content[:1] in b"{[" and self._ends_early(error):
            return f"JSON that ends too early, after {plural(len(self.content), 'byte')}, beginning {start!r}"
        return f"not JSON, beginning {start!r}"

    @staticmethod
    def _ends_early(error: json.JSONDecodeError) -> bool:
        """Tell whether a text is the beginning of JSON, as after a Content-Length that is too small."""
        return error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")

    def __str__(self) -> str:
        """Return what came, in a phrase: `500 Internal Server Error after 0.02 s`."""
        if self.failure:
            return self.failure
        through = f" after a redirect ({self.redirects[-1]}) to {self.url}" if self.redirects else ""
        return f"{self.status} {self.reason}".strip() + f" after {self.seconds:.2f} s{through}"
