"""A fake, and no more: as much of Label Studio's API as reading one labelled task takes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


class FakeStudio:
    """Answers for one project whose only labelled task is `task`; `url` is where."""

    def __init__(self, project: dict[str, Any], task: dict[str, Any]) -> None:
        pages = {"/api/tasks/": {"tasks": [task], "total": 1}, f"/api/projects/{project['id']}/": project}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Answer a page, the second one of the tasks being empty."""
                address = urlsplit(self.path)
                known = pages.get(address.path)
                if address.path == "/api/tasks/" and _after(address.query) >= task["id"]:
                    known = {"tasks": [], "total": 0}
                body = json.dumps(known if known is not None else {"detail": "Not found."}).encode()
                self.send_response(200 if known is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeStudio":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _after(query: str) -> int:
    """Return the task id after which a page of tasks is asked for."""
    items = json.loads(parse_qs(query)["query"][0])["filters"]["items"]
    return next((int(item["value"]) for item in items if item["filter"].endswith(":id")), 0)
