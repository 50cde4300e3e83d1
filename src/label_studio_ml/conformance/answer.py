"""A backend's answer to a call, or why there is none."""

import json
from dataclasses import dataclass
from typing import Any


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

    Without a response, `failure` says why, and `status` is 0. `redirects` are the statuses of the redirects that led to
    `url`, the final address, which was asked with `method`.
    """

    call: str
    seconds: float
    limit: float
    failure: str = ""
    timed_out: bool = False
    status: int = 0
    reason: str = ""
    content: bytes = b""
    content_type: str = ""
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
        return "html" in self.content_type or self.content.lstrip()[:9].lower() in (b"<!doctype", b"<html>")

    @property
    def lost_body(self) -> bool:
        """Whether a redirect turned a POST into a GET, which has no body."""
        return self.call.startswith("POST") and self.method == "GET" and not self._is_error_page

    @property
    def _is_error_page(self) -> bool:
        """Whether the redirect leads to an error that has another address than the call."""
        path = self.call.partition(" ")[2]
        return self.status >= 400 and not self.url.partition("?")[0].rstrip("/").endswith(path)

    def body(self) -> Body:
        """Parse the body as Label Studio's client does."""
        constants: list[str] = []
        try:
            value = json.loads(self.content, parse_constant=constants.append)
        except (ValueError, RecursionError):
            return Body(error=f"the body is {self._described_body()}")
        return Body(value, constants=tuple(dict.fromkeys(constants)))

    def _described_body(self) -> str:
        if not self.content.strip():
            return "empty"
        start = " ".join(self.content[:80].decode("utf-8", "replace").split())
        return f"{'a web page' if self.is_html else 'not JSON'}, beginning {start!r}"

    def __str__(self) -> str:
        """Return what came, in a phrase: `500 Internal Server Error after 0.02 s`."""
        if self.failure:
            return self.failure
        through = f" after a redirect ({self.redirects[-1]}) to {self.url}" if self.redirects else ""
        return f"{self.status} {self.reason}".strip() + f" after {self.seconds:.2f} s{through}"
