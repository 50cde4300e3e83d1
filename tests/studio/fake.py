"""A named fake: an HTTP server in a thread, with routes that a test scripts and a log of what it was asked."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """One request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


@dataclass
class Reply:
    """What the fake answers. `cut` bytes are announced but not sent; `raw` writes all of the answer itself."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    raw: Callable[[BinaryIO], None] | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Reply":
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    @classmethod
    def to(cls, location: str, status: int = 302) -> "Reply":
        return cls(status, b"", {"Location": location})


Route = Callable[[Asked], Reply]


class FakeServer:
    """Answers `routes[path]`, or that of the path without a number at its end, or 404 in Label Studio's form.

    `asked` is what arrived, in order.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        fake = self
        self.routes: dict[str, Route] = {}
        self.asked: list[Asked] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = (
                True  # else a body waits up to 40 ms for the client to acknowledge the head
            )

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {key.lower(): value for key, value in self.headers.items()}
                asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
                fake.asked.append(asked)
                route = fake.routes.get(parts.path) or fake.routes.get(parts.path.rstrip("0123456789/"))
                reply = route(asked) if route else Reply.of({"detail": "Not found."}, 404)
                if reply.raw is not None:
                    self.close_connection = True
                    reply.raw(cast("BinaryIO", self.wfile))
                    return
                self.send_response(reply.status)
                for key, value in reply.headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(reply.body) + reply.cut))
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = bool(reply.cut)

            do_POST = do_PATCH = do_DELETE = do_GET

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that left is no news."""

        self._server = Server((host, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def on(self, path: str, reply: Reply | Route) -> None:
        """Answer `path` with `reply`."""
        self.routes[path] = reply if callable(reply) else lambda _: reply

    def sequence(self, path: str, *replies: Reply) -> None:
        """Answer `path` with one reply after the other; the last one goes on."""
        waiting = list(replies)
        self.routes[path] = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


#: When the tokens of `jwt` were made: long from now, so that none has expired.
MADE = 4_000_000_000


def jwt(kind: str, *, number: int = 0, lives: int = 300) -> str:
    """Return a JWT as Label Studio makes them, unsigned."""
    claims = {"token_type": kind, "iat": MADE, "exp": MADE + lives, "jti": str(number), "user_id": "1"}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    return ".".join(
        [*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), f"sig{number}"]
    )
