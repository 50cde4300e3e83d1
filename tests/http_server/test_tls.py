"""TLS: which files are accepted, and what clients get over an encrypted connection."""

import asyncio
import contextlib
import errno
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec

from certificates import Certificate, make
from helpers import run, until
from label_studio_ml.errors import SettingsError
from label_studio_ml.http_server import connection as connection_module
from label_studio_ml.http_server import tls_acceptor
from label_studio_ml.http_server.tls import load
from wire import GET, LIMIT, PATIENCE, Site, Wire, post, site


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"))


class TestFiles:
    def test_the_fingerprint_is_that_of_the_certificate(self, files: Certificate) -> None:
        der = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
        assert load(files.certificate, files.key).fingerprint == hashlib.sha256(der).hexdigest()

    def test_one_file_may_contain_both(self, files: Certificate, tmp_path: Path) -> None:
        both = tmp_path / "both.pem"
        both.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
        assert load(both, None).fingerprint == load(files.certificate, files.key).fingerprint

    @pytest.mark.parametrize(
        ("certificate", "key", "field", "message"),
        [
            ("none.pem", "good/key.pem", "TLS_CERT", "none.pem cannot be read: No such file"),
            ("good/cert.pem", "none.pem", "TLS_KEY", "none.pem cannot be read: No such file"),
            ("good", "good/key.pem", "TLS_CERT", "cannot be read: Is a directory"),
            ("text.pem", "good/key.pem", "TLS_CERT", "text.pem contains no certificate in PEM format"),
            ("good/key.pem", "good/key.pem", "TLS_CERT", "key.pem contains no certificate"),
            ("good/cert.pem", "text.pem", "TLS_KEY", "text.pem contains no private key in PEM format"),
            ("good/cert.pem", "", "TLS_KEY", "cert.pem contains no private key"),
            ("good/cert.pem", "other/key.pem", "TLS_KEY", "does not belong to the first certificate"),
            ("secret/cert.pem", "secret/key.pem", "TLS_KEY", "the key is encrypted"),
            ("old/cert.pem", "old/key.pem", "TLS_CERT", "old/cert.pem has expired"),
            ("young/cert.pem", "young/key.pem", "TLS_CERT", "young/cert.pem is not valid yet"),
            ("short/cert.pem", "short/key.pem", "TLS_CERT", "short/cert.pem has a key that is too short"),
            (
                "curve/cert.pem",
                "curve/key.pem",
                "TLS_CERT",
                "curve/cert.pem has a key of a kind that TLS clients",
            ),
            ("dsa/cert.pem", "dsa/key.pem", "TLS_CERT", "dsa/cert.pem has a key of a kind that TLS clients"),
            ("good/cert.pem", "curve/key.pem", "TLS_KEY", "does not belong to the first certificate"),
            ("good/cert.pem", "dsa/key.pem", "TLS_KEY", "does not belong to the first certificate"),
            ("good/cert.pem", "rsa/key.pem", "TLS_KEY", "does not belong to the first certificate"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, certificate: str, key: str, field: str, message: str, tmp_path: Path
    ) -> None:
        make(tmp_path / "good")
        make(tmp_path / "other")
        make(tmp_path / "secret", password=b"secret")
        make(tmp_path / "old", begins=-10, ends=-1)
        make(tmp_path / "young", begins=1, ends=10)
        make(tmp_path / "short", rsa_bits=1024)
        make(tmp_path / "rsa", rsa_bits=2048)
        make(tmp_path / "curve", key=ec.generate_private_key(ec.SECP256K1()))
        if "dsa" in certificate + key:  # takes a second
            make(tmp_path / "dsa", key=dsa.generate_private_key(2048))
        (tmp_path / "text.pem").write_text("text")
        with pytest.raises(SettingsError, match=message) as caught:
            load(tmp_path / certificate, tmp_path / key if key else None)
        assert caught.value.field == field
        assert caught.value.fix

    @pytest.mark.skipif(os.name != "posix", reason="files have no such modes")
    @pytest.mark.parametrize("together", [False, True])
    @pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
    def test_a_key_that_others_can_read_is_warned_of(
        self, mode: int, warned: bool, together: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = make(tmp_path)
        if together:
            made.key.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
        made.key.chmod(mode)
        load(made.key if together else made.certificate, None if together else made.key)
        assert (f"can read the private key in {made.key}" in caplog.text) == warned


@asynccontextmanager
async def secure_site(
    files: Certificate, drain: float = PATIENCE, *, max_connections: int = 0
) -> AsyncIterator[Site]:
    context = load(files.certificate, files.key).context
    async with site(drain, tls=context, max_connections=max_connections) as it:
        yield it


async def connect(
    it: Site, files: Certificate, *parts: bytes, connected: socket.socket | None = None
) -> Wire:
    trusted = ssl.create_default_context(cafile=str(files.certificate))
    connected = connected or socket.create_connection(("127.0.0.1", it.port))
    streams = await asyncio.open_connection(sock=connected, ssl=trusted, server_hostname="localhost")
    wire = Wire(*streams)
    it.wires.append(wire)
    wire.send(*parts)
    return wire


def _run(test: object, loop: str) -> None:
    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(test, PATIENCE))  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
class TestConnections:
    def test_requests_are_answered_and_the_connection_stays(self, files: Certificate, loop: str) -> None:
        async def test() -> None:
            async with secure_site(files) as it:
                wire = await connect(it, files, GET)
                assert (await wire.answer())[0] == 200
                wire.send(post(b"x" * LIMIT), GET)
                assert [(await wire.answer())[0] for _ in range(2)] == [200, 200]
                assert it.endpoints.peer == "127.0.0.1"
                assert wire.writer.get_extra_info("cipher") is not None

        _run(test(), loop)

    @pytest.mark.parametrize("size", [LIMIT + 1, 20_000_000])
    def test_a_body_that_is_too_large_gets_its_413(
        self, size: int, files: Certificate, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also a client that reads only after it has sent everything."""
        monkeypatch.setattr(connection_module, "LINGER", PATIENCE)

        async def test() -> None:
            async with secure_site(files) as it:
                wire = await connect(it, files, post(b"x" * size))
                await wire.writer.drain()
                status, headers, _ = await wire.answer()
                assert (status, headers["connection"]) == (413, "close")
                wire.writer.close()
                await until(lambda: it.connections == 0, "it is closed")
                assert it.server.state.budget.in_use == 0

        _run(test(), loop)

    def test_the_last_response_is_followed_by_the_end_of_the_stream(
        self, files: Certificate, loop: str
    ) -> None:
        """`close_notify`: without it, asyncio's client raises an error."""

        async def test() -> None:
            async with secure_site(files) as it:
                wire = await connect(it, files, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                assert (await wire.answer())[0] == 200
                assert await wire.closed() == b""
                await until(lambda: it.connections == 0, "it is closed")

        _run(test(), loop)

    @pytest.mark.usefixtures("impatient")
    def test_a_refused_client_that_only_waits_gets_the_end_too(
        self, files: Certificate, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection_module, "LINGER", 0.1)

        async def test() -> None:
            async with secure_site(files) as it:
                wire = await connect(
                    it, files, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"
                )
                assert (await wire.answer())[0] == 413
                assert await wire.closed() == b""
                await until(lambda: it.connections == 0, "it is closed")

        _run(test(), loop)

    def test_a_client_without_tls_is_told_and_disturbs_nobody(
        self, files: Certificate, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def test() -> None:
            async with secure_site(files) as it:
                for _ in range(2):
                    plain = await it.connect()
                    await until(lambda: it.connections == 1, "it is accepted")
                    plain.send(GET)
                    status, headers, body = await plain.answer()
                    assert (status, headers["connection"]) == (400, "close")
                    assert headers["content-type"] == "text/plain; charset=utf-8"
                    assert body == b"This port speaks HTTPS: use https:// in place of http://\n"
                    assert await plain.closed() == b""
                assert (await (await connect(it, files, GET)).answer())[0] == 200
                assert len(it.endpoints.asked) == 1
            assert len([line for line in caplog.messages if "plain HTTP" in line]) == 1

        _run(test(), loop)

    def test_a_client_without_tls_that_goes_on_sending_is_closed(
        self, files: Certificate, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tls_acceptor, "SHUTDOWN_TIMEOUT", 0.2)

        async def test() -> None:
            async with secure_site(files) as it:
                plain = await it.connect(b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\n", bytes(1 << 20))
                assert (await plain.answer())[0] == 400
                await until(lambda: it.connections == 0, "it is closed though the client keeps it open")

        _run(test(), loop)

    def test_a_stop_waits_for_the_request_in_flight(self, files: Certificate, loop: str) -> None:
        async def test() -> None:
            async with secure_site(files) as it:
                wire = await connect(it, files, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: it.endpoints.asked, "it is asked")
                it.server.stop()
                it.endpoints.gate.set()
                status, headers, _ = await wire.answer()
                assert (status, headers["connection"]) == (200, "close")
                assert await wire.closed() == b""
                await asyncio.wait_for(asyncio.shield(it.serving), PATIENCE)

        _run(test(), loop)

    def test_handshakes_count_as_connections(self, files: Certificate, loop: str) -> None:
        """At the limit, the oldest is closed."""

        async def test() -> None:
            async with secure_site(files, max_connections=10) as it:
                silent = [await it.connect() for _ in range(100)]
                await until(lambda: it.server.state.connections.closed_at_limit >= 90, "there are too many")
                assert it.connections <= 10
                for wire in silent[:90]:
                    with contextlib.suppress(ConnectionError):
                        assert await wire.closed() == b""
                for _ in range(3):
                    assert (await (await connect(it, files, GET)).answer())[0] == 200

        _run(test(), loop)

    def test_a_handshake_drops_no_request_that_is_being_answered(self, files: Certificate, loop: str) -> None:
        async def test() -> None:
            async with secure_site(files, max_connections=1) as it:
                wire = await connect(it, files, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: it.endpoints.asked, "it is asked")
                with contextlib.suppress(ConnectionError):
                    assert await (await it.connect()).closed() == b""
                it.endpoints.gate.set()
                assert (await wire.answer())[0] == 200

        _run(test(), loop)

    def test_a_stop_waits_for_handshakes_in_progress(
        self, files: Certificate, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tls_acceptor, "LAST_HANDSHAKE", PATIENCE)
        monkeypatch.setattr(connection_module, "LAST_REQUEST", PATIENCE)

        async def test() -> None:
            async with secure_site(files) as it:
                begun = socket.create_connection(("127.0.0.1", it.port))
                await until(lambda: it.connections == 1, "it is accepted")
                it.server.stop()
                await until(lambda: _refused(it.port), "the listening socket is closed")
                wire = await connect(it, files, GET, connected=begun)
                status, headers, _ = await wire.answer()
                assert (status, headers["connection"]) == (200, "close")

        _run(test(), loop)

    def test_a_silent_client_does_not_hold_up_a_stop(
        self, files: Certificate, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tls_acceptor, "HANDSHAKE_TIMEOUT", PATIENCE)
        monkeypatch.setattr(tls_acceptor, "LAST_HANDSHAKE", 0.1)

        async def test() -> None:
            async with secure_site(files, drain=10 * PATIENCE) as it:
                await it.connect()
                await until(lambda: it.connections == 1, "it is accepted")
                it.server.stop()
                await asyncio.wait_for(asyncio.shield(it.serving), PATIENCE / 2)
                assert it.connections == 0

        _run(test(), loop)


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_connections_are_accepted_again_after_too_many_open_files(
    files: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_acceptor, "ACCEPT_RETRY", 0.0)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files")] * 2

        async def sock_accept(listener: socket.socket) -> Any:
            if failures:
                raise failures.pop()
            return await accept(listener)

        monkeypatch.setattr(loop, "sock_accept", sock_accept)
        async with secure_site(files) as it:
            assert (await (await connect(it, files, GET)).answer())[0] == 200
            assert not failures

    run(test())


def test_old_versions_of_tls_are_refused(files: Certificate) -> None:
    async def test() -> None:
        async with secure_site(files) as it:
            old = ssl.create_default_context(cafile=str(files.certificate))
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("localhost", it.port, ssl=old)

    run(test())
