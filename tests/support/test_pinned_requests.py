"""Requests to a server whose certificate is known: no other certificate is accepted, directly or through a proxy."""

import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from certificates import Certificate, make
from label_studio_ml.support import pinned_requests

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Backend:
    """A server with TLS for one request, and a proxy for one CONNECT, which leads to it whatever host is named."""

    def __init__(self, files: Certificate) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.key)
        self.listener, self.proxy = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.connects = 0
        self.received = b""

    def port(self, listener: socket.socket) -> int:
        return int(listener.getsockname()[1])

    def answer_directly(self) -> None:
        with self.listener.accept()[0] as connected:
            self._answer(connected)

    def answer_through_proxy(self) -> None:
        with self.proxy.accept()[0] as connected:
            head = b""
            while b"\r\n\r\n" not in head and (part := connected.recv(4096)):
                head += part
            self.connects += head.startswith(b"CONNECT ")
            connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            self._answer(connected)

    def _answer(self, connected: socket.socket) -> None:
        try:
            with self._context.wrap_socket(connected, server_side=True) as encrypted:
                self.received = encrypted.recv(65536)
                if self.received:
                    encrypted.sendall(_ANSWER)
        except OSError:  # the client has refused the certificate
            pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"))


@contextmanager
def backend(files: Certificate, *, proxied: bool) -> Iterator[Backend]:
    server = Backend(files)
    answering = threading.Thread(
        target=server.answer_through_proxy if proxied else server.answer_directly, daemon=True
    )
    answering.start()
    try:
        yield server
        answering.join(60)
        assert not answering.is_alive()
    finally:
        server.listener.close()
        server.proxy.close()


@pytest.mark.parametrize("known", [True, False], ids=["its certificate", "another certificate"])
@pytest.mark.parametrize("proxied", [False, True], ids=["directly", "through a proxy"])
def test_only_the_known_certificate_gets_the_login(
    proxied: bool, known: bool, files: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    der = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    fingerprint = hashlib.sha256(der).hexdigest() if known else "ab" * 32
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with backend(files, proxied=proxied) as server:
        url = f"https://127.0.0.1:{server.port(server.listener)}/"
        if proxied:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port(server.proxy)}")
            url = "https://backend.example:9090/"
        headers = {"Authorization": "Basic c2VjcmV0"}
        if known:
            response = pinned_requests.request(
                "GET", url, fingerprint=fingerprint, headers=headers, timeout=60
            )
            assert response.json() == {}
        else:
            with pytest.raises(requests.exceptions.SSLError, match="Fingerprints did not match"):
                pinned_requests.request("GET", url, fingerprint=fingerprint, headers=headers, timeout=60)
    assert (b"Basic c2VjcmV0" in server.received) == known
    assert server.connects == proxied
