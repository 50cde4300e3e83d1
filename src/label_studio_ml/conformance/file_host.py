"""A web server in Label Studio's place while a backend is checked: it has the files of sample tasks only."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from label_studio_ml import samples
from label_studio_ml.storage.temporary_folders import temporary_folder
from label_studio_ml.studio.addresses.private_addresses import is_loopback
from label_studio_ml.support.server_urls import server_url

#: Beginning of the addresses that `samples.tasks` gives files in a folder.
_LOCAL_FILES = "/data/local-files/?d="

#: Path of uploaded files in Label Studio.
_UPLOADS = "/data/upload/1/"


def own_address(url: str) -> str:
    """Return the address of this machine as the server of `url` sees it; loopback if that is unknown, or is here."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # a UDP connect sends nothing; it only selects the route
            own, peer = probe.getsockname()[0], probe.getpeername()[0]
    except OSError:
        return "127.0.0.1"
    return "127.0.0.1" if is_loopback(peer) else str(own)


@contextlib.contextmanager
def file_host(label_config: str, count: int, url: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve files for sample tasks of a label config to the backend at `url`, until the end of the block.

    Yields the address that stands for Label Studio's, and the `data` of `count` tasks with addresses of files there.
    Files are found by the names in the tasks alone; any other request is answered 404. Raises LabelConfigError and
    OSError.
    """
    with temporary_folder("label-studio-ml-conformance-") as folder:
        files = folder / "files"
        tasks = samples.tasks(label_config, count, files=files)
        host = own_address(url)
        server = _server(host, {path.name: path for path in files.iterdir()})
        address = server_url("http", host, server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield address, [_hosted(task["data"], address) for task in tasks]
        finally:
            server.shutdown()
            server.server_close()


def _hosted(value: Any, address: str) -> Any:
    """Return a value of a task with the addresses of files replaced."""
    if isinstance(value, dict):
        return {name: _hosted(part, address) for name, part in value.items()}
    if isinstance(value, list):
        return [_hosted(part, address) for part in value]
    if isinstance(value, str) and value.startswith(_LOCAL_FILES):
        return f"{address}{_UPLOADS}{value.rpartition('%2F')[2].rpartition('/')[2]}"
    return value


def _server(host: str, files: dict[str, Path]) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        """Listens on an IPv4 or IPv6 address."""

        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server((host, 0), _handler(files))


def _handler(files: dict[str, Path]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET for the given files."""

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def _answer(self, *, with_content: bool) -> None:
            path = urlsplit(self.path).path
            file = files.get(unquote(path.removeprefix(_UPLOADS))) if path.startswith(_UPLOADS) else None
            content = file.read_bytes() if file is not None else b""
            self.send_response(200 if file is not None else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_content:
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Print nothing: the report says what the backend did."""

    return Handler
