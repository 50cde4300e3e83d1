"""A small round-robin proxy: what stands in front of several servers, as far as tests need it."""

import contextlib
import http.client
import itertools
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Sends each request to the next server that says it is ready.

    Servers are asked every `pause` seconds. A request goes to another server only where none of it was sent.
    """

    def __init__(self, ports: Sequence[int], *, pause: float = 0.1) -> None:
        self.ready: set[int] = set()
        self._ports = list(ports)
        self._turn = itertools.count()
        self._stop = threading.Event()
        self._pause = pause
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = (
                True  # else a body waits up to 40 ms for the client to acknowledge the head
            )

            def _forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = proxy.forward(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() in ("content-type", "x-request-id"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = _forward

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._probe, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer of the next server that takes the request."""
        for _ in range(2 * len(self._ports)):
            ready = [port for port in self._ports if port in self.ready]
            if not ready:
                break
            connection = http.client.HTTPConnection(
                "127.0.0.1", ready[next(self._turn) % len(ready)], timeout=60
            )
            try:
                connection.connect()
            except OSError:
                continue
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            except (OSError, http.client.HTTPException) as error:
                return 502, {}, repr(error).encode()
            finally:
                connection.close()
        return 503, {}, b"no server is ready"

    def _probe(self) -> None:
        while not self._stop.wait(self._pause):
            for port in self._ports:
                ready = False
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                    connection.request("GET", "/readyz")
                    ready = connection.getresponse().status == 200
                    connection.close()
                (self.ready.add if ready else self.ready.discard)(port)

    def stop(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
