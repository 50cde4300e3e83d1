"""Whether the certificate of a backend is trusted, as Label Studio verifies it."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Certificate, make
from label_studio_ml.connect.backend_client import certificate_problem


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make(tmp_path / "tls")


@pytest.fixture
def url(certificate: Certificate) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for(
    url: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert certificate_problem(url) == "self-signed certificate"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    assert certificate_problem(url) == ""


def test_a_server_that_is_not_reached_has_no_problem() -> None:
    assert certificate_problem("https://localhost:1") == ""
