"""Requests that somebody could have made of Label Studio's by accident or on purpose, and what h11 reads in them."""

import itertools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h11

from helpers import all_captured

#: What is inserted somewhere: pieces of HTTP in which servers differ, and bytes that no text has.
PIECES = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b"\xff\xfe",
        b"\x1b[31m",
        b"%00",
        b"\xc0\xaf",
    ),
    *(
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
    ),
    *(b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length : 4\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
    ),
    *(b"Transfer-Encoding : chunked\r\n", b"transfer-encoding: CHUNKED\r\n", b"Expect: 100-continue\r\n"),
    *(
        b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
        b"Host: other\r\n",
        b"Connection: close\r\n",
        b" folded: x\r\n",
    ),
    *(
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"ffffffffffffffff\r\n",
        b"1;a=b\r\nx\r\n",
        b"0x1\r\n",
        b"GET /health HTTP/1.1\r\n",
    ),
    *(b"POST /train HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\r\n"),
)
#: What takes the place of a value in a body.
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        2**63,
        2**70,
        1e308,
        "",
        " ",
        "\0",
        "\ud800",
        "../../x",
        "\x1b[2J\nERROR",
        "x" * 5000,
        [],
        {},
    ),
    *([[]], {"id": {}}, [None], {"a": [1, 2]}, "http://127.0.0.1:1/", "<View>" * 50),
)
PATHS = (
    "/predict",
    "/webhook",
    "/train",
    "/setup",
    "/validate",
    "/jobs",
    "/versions",
    "/job_status",
    "/health",
)

_LINE_END = re.compile(rb"\r\n")
#: A request line up to the version, with the blanks in it.
_BLANKS = re.compile(rb"\A([!-~]+) +([!-~\x80-\xff]+) +(?=HTTP/)")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of `size` bytes; `last` if the client asks to close the connection then.

    `login` is what its Authorization header says, empty where it has none.
    """

    method: bytes
    body: bytes
    size: int
    request_id: bytes = b""
    login: bytes = b""
    last: bool = False
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes to be sent, cut into `parts`, with a last request `sentinel` that is as it should be."""

    parts: tuple[bytes, ...]
    sentinel: bytes
    #: The requests that it was made of, before they were mutated, and the last one, by how they are sent.
    intact: Mapping[bytes, Request] = field(default_factory=dict, repr=False)

    @property
    def stream(self) -> bytes:
        """All of it."""
        return b"".join(self.parts)


@dataclass(frozen=True, slots=True)
class Reading:
    """How many whole requests a parser found, the sentinel's place among them (None: it is none), and an error.

    `methods`, `bodies` and `logins` (the Authorization headers) are those of the requests.
    """

    requests: int
    sentinel: int | None
    error: bool
    methods: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    bodies: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    logins: tuple[bytes, ...] = field(default=(), compare=False, repr=False)


class Mutator:
    """Makes inputs; the same `seed` makes the same ones. `host` is that of the server.

    `login` is an Authorization header that half of the requests have; without one, none has it.
    """

    def __init__(self, seed: int, host: str, login: str = "") -> None:
        self._random = random.Random(seed)
        self._host = host.encode()
        self._login = login.encode()
        self._captured = [(origin, origin.body) for origin in all_captured()]
        self._count = 0

    def next(self) -> Input:
        """Return another input: one request or two, mutated or not, and the sentinel."""
        self._count += 1
        chance = self._random
        requests = [self._request() for _ in range(chance.choice((1, 1, 1, 2)))]
        stream = bytearray(b"".join(text for text, _ in requests))
        for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
            self._mutate(stream)
        name = f"sentinel-{self._count}".encode()
        last = b"GET /livez HTTP/1.1\r\nHost: %s\r\nX-Request-ID: %s\r\n\r\n" % (self._host, name)
        stream += last
        cuts = sorted(chance.sample(range(1, len(stream)), min(len(stream) - 1, chance.choice((0, 0, 1, 3)))))
        edges = [0, *cuts, len(stream)]
        parts = tuple(bytes(stream[a:b]) for a, b in itertools.pairwise(edges))
        return Input(parts, name, {**dict(requests), last: Request(b"GET", b"", len(last), name)})

    def _request(self) -> tuple[bytes, Request]:
        """Return a request as it is sent, and what it says."""
        chance = self._random
        origin, body = chance.choice(self._captured)
        if chance.random() < 0.5:
            value = self._changed(json.loads(body or b"null"))
            body = b"" if value is None else json.dumps(value).encode()
        path = chance.choice((origin.path, origin.path, chance.choice(PATHS))).encode()
        head = [b"%s %s HTTP/1.1" % (origin.method.encode(), path), b"Host: " + self._host]
        login = self._login if self._login and chance.random() < 0.5 else b""
        if login:
            head.append(b"Authorization: " + login)
        if body:
            head.append(b"Content-Type: application/json")
        sent = body
        if body and chance.random() < 0.25:
            head.append(b"Transfer-Encoding: chunked")
            sent = self._chunked(body)
        elif body:
            head.append(b"Content-Length: %d" % len(body))
        text = b"\r\n".join(head) + b"\r\n\r\n" + sent
        return text, Request(origin.method.encode(), body, len(text), login=login)

    def _chunked(self, body: bytes) -> bytes:
        size = self._random.choice((1, 7, 100, 1000, 100_000))
        size = max(size, len(body) // 20)  # h11 takes long for each chunk
        chunks = (body[start : start + size] for start in range(0, len(body), size))
        return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"

    def _changed(self, value: Any) -> Any:
        """Return a JSON value with one value somewhere in it replaced, left out or doubled."""
        chance = self._random
        if not isinstance(value, dict | list) or not value or chance.random() < 0.2:
            return chance.choice(VALUES)
        key: Any = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        if chance.random() < 0.15:
            del value[key]
        else:
            value[key] = self._changed(value[key])
        return value

    def _mutate(self, stream: bytearray) -> None:
        chance = self._random
        at = (
            chance.randrange(len(stream) + 1)
            if chance.random() < 0.5
            else chance.randrange(min(len(stream), 200) + 1)
        )
        kind = chance.randrange(6)
        if kind == 0 and at < len(stream):
            stream[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del stream[at : at + chance.choice((1, 2, 10, 100))]
        elif kind == 2:
            stream[at:at] = stream[at : at + chance.choice((1, 10, 100))]
        elif kind == 3:
            stream[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4))))
        elif kind == 4 and (
            ends := [found.end() for found in itertools.islice(_LINE_END.finditer(stream), 20)]
        ):
            place = chance.choice(ends)
            stream[place:place] = chance.choice(PIECES)
        else:
            stream[at:at] = chance.choice(PIECES)


_NOTHING: Mapping[bytes, Request] = {}


def read(stream: bytes, sentinel: bytes, intact: Mapping[bytes, Request] = _NOTHING) -> Reading:
    """Return what h11 finds in what a client sends before it ends its side.

    Where a request of `intact` begins, it is taken as it is: it is whole, and h11 takes long for each.

    Where llhttp takes more than h11 does, and RFC 9112 allows it, the stream is changed first: any CR and LF before a
    request line (section 2.2), and several blanks in one (section 3, as nginx has it).
    """
    place: int | None = None
    methods: list[bytes] = []
    bodies: list[bytes] = []
    logins: list[bytes] = []

    def reading(*, error: bool) -> Reading:
        return Reading(len(bodies), place, error, tuple(methods), tuple(bodies), tuple(logins))

    while stream := _BLANKS.sub(rb"\1 \2 ", stream.lstrip(b"\r\n"), count=1):
        found = next((intact[text] for text in intact if stream.startswith(text)), None) or _read_next(stream)
        if place is None and found.request_id == sentinel:
            place = len(bodies)
        if not found.whole:
            return reading(error=True)
        methods.append(found.method)
        bodies.append(found.body)
        logins.append(found.login)
        if found.last:
            break
        stream = stream[found.size :]
    return reading(error=False)


def _read_next(stream: bytes) -> Request:
    """Read the first request of a stream with h11; one with an error in it, or without end, is not `whole`."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(stream)
    request: h11.Request | None = None
    body: list[bytes] = []
    whole = False
    try:
        while (event := connection.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                whole = True
                break
    except h11.RemoteProtocolError:
        pass
    if request is None:
        return Request(b"", b"", 0, whole=False)
    ids = [value for name, value in request.headers if name == b"x-request-id"]
    request_id = ids[0] if ids else b""
    login = b", ".join(value for name, value in request.headers if name == b"authorization")
    if not whole:  # it may have been refused for its head, which names it
        return Request(request.method, b"", 0, request_id, whole=False)
    connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    size = len(stream) - len(connection.trailing_data[0])
    last = connection.our_state is not h11.DONE
    return Request(request.method, b"".join(body), size, request_id, login, last)
