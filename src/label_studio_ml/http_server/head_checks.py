"""Check the head of a request beyond the HTTP grammar, before anything of the request is used.

The parser refuses what violates the grammar of RFC 9112. These checks cover cases where it is lenient, and where a
proxy in front of this server may interpret a request differently.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: Headers allowed once per request: of two values, a proxy and this server could use different ones.
SINGLE = frozenset({"host", "origin", "authorization", "content-type", "content-length", "transfer-encoding"})

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(:[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Fault:
    """Reason why a request is refused: HTTP status and one sentence."""

    status: int
    detail: str


def fault_of(version: str, headers: Mapping[str, str], doubled: str) -> Fault | None:
    """Return why a request with this head is refused, None if it is accepted.

    `version` is the HTTP version (`1.1`), `doubled` the name of a `SINGLE` header that was sent twice, or empty.
    """
    if version != "1.1" and version != "1.0":
        return _unsupported(version)
    if doubled:
        return Fault(400, f"This is not an HTTP request: it has more than one {doubled} header")
    host = headers.get("host")
    if host is None:
        if version == "1.1":  # RFC 9112, 3.2
            return Fault(400, "This is not an HTTP request: it has no Host header")
    elif not is_host(host):
        return Fault(400, "This is not an HTTP request: its Host header names no host")
    coding = headers.get("transfer-encoding")
    if coding is None:
        return None
    if version == "1.0" or "content-length" in headers:  # RFC 9112, 6.1: faulty framing, or request smuggling
        return Fault(400, "This is not an HTTP request: Transfer-Encoding is not allowed in it")
    if coding.strip().lower() != "chunked":  # RFC 9112, 6.1: unknown transfer coding
        return Fault(501, "Transfer-Encoding must be chunked, and nothing else")
    return None


def _unsupported(version: str) -> Fault:
    """Return the refusal of an unsupported HTTP version; HTTP/0.9 has neither headers nor statuses."""
    if version == "0.9":
        return Fault(400, "This is not an HTTP request: it has no version, or 0.9")
    return Fault(505, f"HTTP/{version} is not supported: use HTTP/1.1")


@functools.lru_cache(maxsize=256)
def is_host(value: str) -> bool:
    """Return whether the value of a Host header is a host, with or without a port."""
    return _HOST.fullmatch(value) is not None
