"""An HTTP server with endpoints that echo, and connections to it that send bytes as they are."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from helpers import until
from label_studio_ml.errors import BackendError, NotAuthorized
from label_studio_ml.http_server.messages import Admission, Call, Response
from label_studio_ml.http_server.server import Server
from label_studio_ml.web.error_statuses import status_of

LIMIT = 100_000

#: Seconds after which what a test waits for will not come any more.
PATIENCE = 120.0
GET = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"


class Endpoints:
    """Echoes requests. `/wait…` is answered when the test says so, `/large` with many bytes, `/raise` not at all."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, bytes]] = []
        self.headers: Mapping[str, str] = {}
        self.gate = asyncio.Event()
        self.gone: list[Callable[[], bool]] = []
        self.answered = 0

    def admit(self, call: Call) -> Admission:
        if call.path.startswith("/secret") and call.headers.get("authorization") != "Basic good":
            raise NotAuthorized("Login is missing or wrong")
        trusted = not call.path.startswith("/untrusted")
        return Admission(trusted, LIMIT if trusted else 1000)

    async def handle(self, call: Call) -> Response:
        assert call.admission is not None
        assert call.gone is not None
        method, path, query, body = call.method, call.path, call.query, call.body
        self.peer, self.requested_path = call.peer, call.requested_path
        self.asked.append((method, path, query, body))
        self.headers = call.headers
        self.gone.append(call.gone)
        if path.startswith("/wait"):
            await self.gate.wait()
        if path == "/raise":
            raise RuntimeError("a bug")
        self.answered += 1
        if path in ("/large", "/untrusted/large"):
            return Response(200, b"x" * 3_000_000)
        if path in ("/huge", "/untrusted/huge"):  # more than the buffers of two sockets hold
            return Response(200, b"x" * 20_000_000)
        if path == "/unsendable":
            return Response(200, b"{}", {"X-More": "\N{PILE OF POO}"})
        if path == "/close":
            return Response(200, b"{}", {"Connection": "close"})
        if path.startswith("/status/"):
            return Response(int(path[8:]), b"{}", {"X-More": "a"})
        return Response(200, json.dumps([method, path, query, len(body)]).encode())

    def refuse(self, error: BackendError, call: Call) -> Response:
        return Response(status_of(error), json.dumps({"detail": str(error), "path": call.path}).encode())


class Wire:
    """One connection to the server under test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode().split("\r\n")
        assert lines[0].startswith("HTTP/1.1 ")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:] if line)

    async def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        length = 0 if head else int(headers["content-length"])
        return status, headers, await asyncio.wait_for(self.reader.readexactly(length), PATIENCE)

    async def closed(self) -> bytes:
        """Wait for the end of what the server sends, and return what there was."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)


class Site:
    def __init__(
        self, endpoints: Endpoints, server: Server, port: int, serving: "asyncio.Task[None]"
    ) -> None:
        self.endpoints, self.server, self.port, self.serving = endpoints, server, port, serving
        self.wires: list[Wire] = []

    async def connect(self, *parts: bytes) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        wire.send(*parts)
        return wire

    @property
    def connections(self) -> int:
        return len(self.server.state.connections)


@asynccontextmanager
async def site(drain: float = PATIENCE, **options: Any) -> AsyncIterator[Site]:
    """Serve `Endpoints`, with the options of `Server`."""
    endpoints = Endpoints()
    server = Server(endpoints, LIMIT, drain, **options)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(listener))
    made = Site(endpoints, server, listener.getsockname()[1], serving)
    try:
        yield made
    finally:
        endpoints.gate.set()
        for wire in made.wires:
            wire.writer.transport.abort()
        server.stop()
        await asyncio.wait_for(serving, PATIENCE)
        listener.close()


def post(body: bytes, *headers: bytes, path: bytes = b"/predict") -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"Host: x", b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


async def connected(it: Site, count: int = 1) -> list[Any]:
    await until(lambda: it.connections == count, "it is connected")
    return list(it.server.state.connections)
