"""Requests whose reading RFC 9112 (HTTP/1.1) and RFC 9110 (HTTP semantics) decide, one row each.

Most are published cases of request smuggling: a proxy and a server that read them differently disagree where the next
request begins. `/smuggled` is in the bytes that only a wrong reading takes for a request.
"""

from dataclasses import dataclass

HOST = b"\r\nHost: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
_CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """Bytes that a client sends, and what the server makes of them.

    `statuses` are those of all responses; `requests` the requests that are handled, as method, path and body. A refusal
    (400, 501, 505) also closes the connection.
    """

    section: str
    name: str
    sent: bytes
    statuses: tuple[int, ...]
    requests: tuple[tuple[str, str, bytes], ...] = ()

    @property
    def refused(self) -> bool:
        """Whether nothing of it is handled."""
        return not self.requests


def _post(*fields: bytes, body: bytes = b"", version: bytes = b"1.1", path: bytes = b"/a") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"POST %b HTTP/%b%b%b\r\n%b" % (path, version, HOST, lines, body)


def _get(*fields: bytes) -> bytes:
    return b"GET /a HTTP/1.1" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


_HELLO = (("POST", "/a", b"hello"),)
_GET_A = (("GET", "/a", b""),)
_GET_NEXT = ("GET", "/next", b"")
_ZERO = b"0\r\n\r\n" + SMUGGLED

CASES = (
    # Framing: Content-Length and Transfer-Encoding
    Case(
        "9112, 6.1",
        "Content-Length, then Transfer-Encoding (CL.TE)",
        _post(b"Content-Length: %d" % len(_ZERO), b"Transfer-Encoding: chunked", body=_ZERO),
        (400,),
    ),
    Case(
        "9112, 6.1",
        "Transfer-Encoding, then Content-Length (TE.CL)",
        _post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=_ZERO),
        (400,),
    ),
    Case(
        "9112, 6.1",
        "Transfer-Encoding in HTTP/1.0",
        _post(b"Transfer-Encoding: chunked", version=b"1.0", body=_ZERO),
        (400,),
    ),
    Case("9112, 6.1", "unknown coding `xchunked`", _post(b"Transfer-Encoding: xchunked", body=_ZERO), (501,)),
    Case(
        "9112, 6.1", "coding `gzip, chunked`", _post(b"Transfer-Encoding: gzip, chunked", body=_ZERO), (501,)
    ),
    Case(
        "9112, 6.1",
        "coding `chunked, identity`",
        _post(b"Transfer-Encoding: chunked, identity", body=_ZERO),
        (400,),
    ),
    Case(
        "9112, 6.1",
        "coding `chunked` twice",
        _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=_ZERO),
        (400,),
    ),
    Case(
        "9112, 6.1",
        "coding `identity`, then `chunked`",
        _post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=_ZERO),
        (400,),
    ),
    Case(
        "9112, 6.1",
        "coding `Chunked` in other case",
        _post(b"Transfer-Encoding: Chunked", body=_CHUNKS),
        (200,),
        _HELLO,
    ),
    Case(
        "9112, 6.3",
        "two different Content-Length",
        _post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
        (400,),
    ),
    Case(
        "9112, 6.3",
        "two equal Content-Length",
        _post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
        (400,),
    ),
    Case("9112, 6.3", "Content-Length `5, 5`", _post(b"Content-Length: 5, 5", body=b"hello"), (400,)),
    Case("9110, 8.6", "Content-Length `+5`", _post(b"Content-Length: +5", body=b"hello"), (400,)),
    Case("9110, 8.6", "Content-Length `-5`", _post(b"Content-Length: -5", body=b"hello"), (400,)),
    Case("9110, 8.6", "Content-Length `0x5`", _post(b"Content-Length: 0x5", body=b"hello"), (400,)),
    Case("9110, 8.6", "Content-Length `5 5`", _post(b"Content-Length: 5 5", body=b"hello"), (400,)),
    Case("9110, 8.6", "Content-Length empty", _post(b"Content-Length:", body=b"hello"), (400,)),
    Case(
        "9110, 8.6",
        "Content-Length over 64 bits",
        _post(b"Content-Length: 36893488147419103237", body=b"hello"),
        (400,),
    ),
    Case(
        "9112, 6.3",
        "`Content_Length` is another field",
        _post(b"Content_Length: 5", body=NEXT),
        (200, 200),
        (("POST", "/a", b""), _GET_NEXT),
    ),
    Case(
        "9110, 9.3.1",
        "GET with a body",
        _get(b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED + NEXT,
        (200, 200),
        (("GET", "/a", SMUGGLED), _GET_NEXT),
    ),
    # Chunks
    Case(
        "9112, 7.1",
        "chunks, then another request",
        _chunked(_CHUNKS + NEXT),
        (200, 200),
        (*_HELLO, _GET_NEXT),
    ),
    Case("9112, 7.1", "chunk size `xyz`", _chunked(b"xyz\r\nhello\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk size `-5`", _chunked(b"-5\r\nhello\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk size `+5`", _chunked(b"+5\r\nhello\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk size `0x5`", _chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk size with a leading blank", _chunked(b" 5\r\nhello\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk size missing", _chunked(b"\r\nhello\r\n0\r\n\r\n"), (400,)),
    Case(
        "9112, 7.1", "chunk size over 64 bits", _chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), (400,)
    ),
    Case("9112, 7.1", "chunk longer than its size", _chunked(b"5\r\nhello!\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk ended by LF alone", _chunked(b"5\r\nhello\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1", "chunk size ended by LF alone", _chunked(b"5\nhello\r\n0\r\n\r\n"), (400,)),
    Case("9112, 7.1.1", "chunk extension", _chunked(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), (200,), _HELLO),
    Case(
        "9112, 7.1.1",
        "quoted chunk extension",
        _chunked(b'5;a="b;c"\r\nhello\r\n0\r\n\r\n'),
        (200,),
        _HELLO,
    ),
    Case(
        "9112, 7.1.1",
        "LF alone in a chunk extension",
        _chunked(b"5;a\nhello\r\n0\r\n\r\n"),
        (400,),
    ),
    Case(
        "9112, 7.1.2",
        "trailer fields are no headers",
        _chunked(b"5\r\nhello\r\n0\r\nHost: y\r\nAuthorization: Basic eA==\r\n\r\n" + NEXT),
        (200, 200),
        (*_HELLO, _GET_NEXT),
    ),
    Case(
        "9112, 6.3",
        "Content-Length in the trailers",
        _chunked(b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n" + NEXT),
        (400,),
    ),
    Case("9112, 7.1.2", "trailer without colon", _chunked(b"5\r\nhello\r\n0\r\nabc\r\n\r\n"), (400,)),
    # Lines and fields
    Case("9112, 5.1", "blank before the colon", _post(b"Content-Length : 5", body=b"hello"), (400,)),
    Case(
        "9112, 5.1",
        "blank before the colon of Transfer-Encoding",
        _post(b"Transfer-Encoding : chunked", body=_ZERO),
        (400,),
    ),
    Case("9112, 5.2", "folded line (obs-fold)", _get(b"X-A: b", b" c"), (400,)),
    Case(
        "9112, 5.2",
        "Transfer-Encoding on a folded line",
        _post(b"X-A: b", b" Transfer-Encoding: chunked", body=_ZERO),
        (400,),
    ),
    Case("9112, 2.2", "blank before the first field", b"GET /a HTTP/1.1\r\n Host: x\r\n\r\n", (400,)),
    Case("9112, 2.2", "LF alone after the request line", b"GET /a HTTP/1.1\nHost: x\r\n\r\n", (400,)),
    Case("9112, 2.2", "LF alone after a field", b"GET /a HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n", (400,)),
    Case("9112, 2.2", "LF alone at the end of the head", b"GET /a HTTP/1.1\r\nHost: x\r\n\n", (400,)),
    Case("9112, 2.2", "CR alone in a field", _get(b"X-A: b\rc"), (400,)),
    Case("9112, 2.2", "empty line before the request", b"\r\n" + _get(), (200,), _GET_A),
    Case("9110, 5.5", "NUL in a field", _get(b"X-A: b\0c"), (400,)),
    Case("9110, 5.1", "field name with a blank", _get(b"X A: b"), (400,)),
    Case("9110, 5.1", "empty field name", _get(b": b"), (400,)),
    Case("9112, 5", "field without colon", _get(b"X-A"), (400,)),
    # Request line and Host
    Case("9112, 3", "two blanks in the request line", b"GET  /a HTTP/1.1" + HOST + b"\r\n", (200,), _GET_A),
    Case("9112, 3", "tab in the request line", b"GET\t/a\tHTTP/1.1" + HOST + b"\r\n", (400,)),
    Case("9112, 3.1", "method `get`", b"get /a HTTP/1.1" + HOST + b"\r\n", (400,)),
    Case("9112, 3.2", "no Host", b"GET /a HTTP/1.1\r\n\r\n", (400,)),
    Case("9112, 3.2", "two Host", _get(b"Host: x"), (400,)),
    Case("9112, 3.2", "Host with a path", b"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n", (400,)),
    Case("9112, 3.2.2", "absolute-form", b"GET http://x/a HTTP/1.1" + HOST + b"\r\n", (200,), _GET_A),
    Case(
        "9112, 3.2.3", "CONNECT", b"CONNECT x:1 HTTP/1.1" + HOST + b"\r\n", (200,), (("CONNECT", "x:1", b""),)
    ),
    Case(
        "9112, 3.2.4", "OPTIONS *", b"OPTIONS * HTTP/1.1" + HOST + b"\r\n", (200,), (("OPTIONS", "*", b""),)
    ),
    Case("9112, 2.3", "no version", b"GET /a\r\n\r\n", (400,)),
    Case("9112, 2.3", "version HTTP/2.0", b"GET /a HTTP/2.0" + HOST + b"\r\n", (505,)),
    Case("9112, 2.3", "version `HTTP/1.1x`", b"GET /a HTTP/1.1x" + HOST + b"\r\n", (400,)),
    Case("9112, 3.2", "HTTP/1.0 without Host", b"GET /a HTTP/1.0\r\n\r\n" + NEXT, (200,), _GET_A),
    # The connection
    Case(
        "9112, 9.3",
        "HTTP/1.0 with keep-alive",
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + NEXT,
        (200, 200),
        (*_GET_A, _GET_NEXT),
    ),
    Case("9112, 9.3.2", "pipelined", _get() + NEXT + NEXT, (200, 200, 200), (*_GET_A, _GET_NEXT, _GET_NEXT)),
    Case("9112, 9.6", "nothing after `Connection: close`", _get(b"Connection: close") + NEXT, (200,), _GET_A),
    Case(
        "9110, 7.8",
        "Upgrade is ignored",
        _get(b"Connection: Upgrade", b"Upgrade: h2c") + NEXT,
        (200, 200),
        (*_GET_A, _GET_NEXT),
    ),
    Case(
        "9110, 10.1.1",
        "Expect: 100-continue",
        _post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
        (200,),
        _HELLO,
    ),
    Case(
        "9110, 10.1.1",
        "unknown expectation",
        _post(b"Expect: tea", b"Content-Length: 5", body=b"hello"),
        (200,),
        _HELLO,
    ),
)
