"""One request as it is received from a connection, and the responses to requests that are not handled."""

from functools import lru_cache
from urllib.parse import unquote

import httptools

from label_studio_ml.http_server.messages import Admission, Call, Response, json_response

#: Length in bytes up to which a request's target is parsed with a cache.
CACHED_LENGTH = 64

_REFUSED = Admission(trusted=False, max_body=0)


class IncomingRequest(Call):
    """One request of a connection, filled in as it is received. `charge` is the number of bytes counted for its body.

    `refused` is its response if it must not be handled. `keep_alive` says whether the connection stays open after it.
    """

    __slots__ = ("charge", "http10", "keep_alive", "refused")

    admission: Admission

    def __init__(self, method: str = "", refused: Response | None = None) -> None:
        # Call.__init__ is not used: setting each attribute twice would slow down small requests noticeably.
        self.method = method
        self.path = self.query = self.peer = self.caller = self.requested_path = ""
        self.headers = {}
        self.body = b""
        self.admission = _REFUSED
        self.gone = None
        self.has_body = self.keep_alive = self.http10 = False
        self.charge = 0
        self.refused = refused

    def set_target(self, target: bytes) -> None:
        """Set path and query from the target in the request line."""
        self.path, self.query = _split(target) if len(target) > CACHED_LENGTH else _split_short(target)


def failure(status: int, detail: str) -> Response:
    """Return the response to a request that is not handled."""
    return json_response(status, {"status": status, "detail": detail})


def _split(target: bytes) -> tuple[str, str]:
    """Return the decoded path, and the query, of a request's target, which may be an absolute URL."""
    if not target.startswith(b"/") and b"://" in target:
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return target.decode("latin-1"), ""
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    path, _, query = target.decode("latin-1").partition("?")
    return unquote(path) if "%" in path else path, query


_split_short = lru_cache(maxsize=256)(_split)
