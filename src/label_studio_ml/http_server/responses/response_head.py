"""Write the head of a response: status line and headers."""

import functools
import http

from label_studio_ml.http_server.incoming_request import IncomingRequest
from label_studio_ml.http_server.messages import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: Statuses whose responses have no body, whatever the request (RFC 9110, 6.4.1).
WITHOUT_BODY = frozenset({204, 304})

_STATUS_LINES: dict[int, bytes] = {
    int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in http.HTTPStatus
}


def keeps_open(request: IncomingRequest, response: Response, *, draining: bool) -> bool:
    """Return whether the connection stays open after a response."""
    if response.stream is not None and request.http10:
        return False  # only the end of the connection ends the body
    if not request.keep_alive or draining:
        return False
    return "Connection" not in response.headers or response.headers["Connection"].lower() != "close"


def head_lines(request: IncomingRequest, response: Response, date: bytes, *, keep_alive: bool) -> list[bytes]:
    """Return the lines of a response's head, with the empty line at its end. `date` is the Date header line."""
    start = _start_of(response.status, response.content_type)
    if response.stream is not None:
        lines = [start, date] if request.http10 else [start, date, b"transfer-encoding: chunked\r\n"]
    elif response.status in WITHOUT_BODY:
        lines = [start, date]
    else:
        lines = [b"%b%bcontent-length: %d\r\n" % (start, date, len(response.body))]
    for name, value in response.headers.items():
        if name != "Connection":
            lines.append(f"{name}: {value}\r\n".encode("latin-1"))
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    elif request.http10:
        lines.append(b"connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return lines


@functools.lru_cache(maxsize=64)
def _start_of(status: int, content_type: str) -> bytes:
    """Return the status line and the Content-Type line of a response."""
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Error\r\n" % status
    return line + f"content-type: {content_type}\r\n".encode("latin-1")
