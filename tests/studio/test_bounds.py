"""What a task may name and must not do harm with: files without end, servers that dribble, addresses inside."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.addresses import allowed_addresses
from label_studio_ml.studio.files.fetch import FileAccess

from .fake import FakeServer, Reply

TOKEN = "0123456789abcdef0123456789abcdef01234567"
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def files(studio: FakeServer, tmp_path: Path) -> FileAccess:
    rules = FileSettings(private=("127.0.0.1",), max_bytes=1 << 20)
    return FileAccess(studio_url=studio.url, token=TOKEN, cache_dir=tmp_path / "cache", rules=rules)


@pytest.fixture
def ends() -> Iterator[threading.Event]:
    """Set when the test is over, so that no handler goes on for ever."""
    over = threading.Event()
    yield over
    over.set()


def _left(files: FileAccess) -> set[str]:
    return set(os.listdir(files.cache_dir)) - {".usage"} if files.cache_dir.exists() else set()


def _endless(
    head: bytes, piece: bytes, ends: threading.Event, pause: float = 0.0
) -> Callable[[BinaryIO], None]:
    def write(wire: BinaryIO) -> None:
        try:
            wire.write(head)
            while not ends.wait(pause):
                wire.write(piece)
                wire.flush()
        except OSError:
            pass  # the client has had enough

    return write


CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
        (HEAD + b"Connection: close\r\n\r\n", bytes(0x10000)),
    ],
    ids=["chunked", "unannounced"],
)
@pytest.mark.parametrize("ours", [False, True])
def test_file_that_never_ends(
    studio: FakeServer,
    elsewhere: FakeServer,
    files: FileAccess,
    ends: threading.Event,
    head: bytes,
    piece: bytes,
    ours: bool,
) -> None:
    server = studio if ours else elsewhere
    server.on("/data/upload/1/x.bin", Reply(raw=_endless(head, piece, ends)))
    with pytest.raises(FileFetchError, match=r"larger than 1048576 bytes.*FILES_MAX_MB") as caught:
        files.local_path(f"{server.url}/data/upload/1/x.bin")
    assert caught.value.field == "FILES_MAX_MB"
    assert _left(files) == set()


def test_huge_file_is_refused_by_its_announcement(elsewhere: FakeServer, files: FileAccess) -> None:
    sent: list[int] = []

    def write(wire: BinaryIO) -> None:
        wire.write(HEAD + b"Content-Length: 5000000000\r\n\r\n")
        wire.flush()
        sent.append(0)

    elsewhere.on("/x", Reply(raw=write))
    with pytest.raises(FileFetchError, match=r"larger than"):
        files.local_path(f"{elsewhere.url}/x")
    assert len(elsewhere.asked) == 1
    assert _left(files) == set()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD, b"X-Header: y\r\n"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"Connection: close\r\n\r\n", b"x"),
        (b"", b"H"),
    ],
    ids=["headers", "announced", "chunked", "unannounced", "status"],
)
@pytest.mark.parametrize("ours", [False, True])
def test_server_that_dribbles(
    studio: FakeServer,
    elsewhere: FakeServer,
    files: FileAccess,
    ends: threading.Event,
    head: bytes,
    piece: bytes,
    ours: bool,
) -> None:
    server = studio if ours else elsewhere
    server.on("/data/upload/1/x.bin", Reply(raw=_endless(head, piece, ends, 0.05)))
    files = replace(files, rules=replace(files.rules, timeout=0.8))
    with pytest.raises(FileFetchError, match=r"0\.8 seconds.*FILES_TIMEOUT") as caught:
        files.local_path(f"{server.url}/data/upload/1/x.bin")
    assert caught.value.field == "FILES_TIMEOUT"
    assert len(server.asked) == 1
    assert _left(files) == set()


def test_waits_between_tries_end_with_the_deadline(
    elsewhere: FakeServer, files: FileAccess, waits: list[float]
) -> None:
    elsewhere.on("/x", Reply(503, headers={"Retry-After": "20"}))
    files = replace(files, rules=replace(files.rules, timeout=5))
    with pytest.raises(FileFetchError, match=r"503 at"):
        files.local_path(f"{elsewhere.url}/x")
    assert waits == []


def test_retry_after_by_date(elsewhere: FakeServer, files: FileAccess, waits: list[float]) -> None:
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 15))
    elsewhere.sequence("/x", Reply(429, headers={"Retry-After": when}), Reply(200, b"x"))
    files.local_path(f"{elsewhere.url}/x")
    assert len(waits) == 1
    assert 5 < waits[0] <= 15


@pytest.mark.parametrize("retry_after", ["soon", "", "9" * 5000, "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_retry_after_that_says_nothing(
    elsewhere: FakeServer, files: FileAccess, waits: list[float], retry_after: str
) -> None:
    elsewhere.sequence("/x", Reply(429, headers={"Retry-After": retry_after}), Reply(200, b"x"))
    files.local_path(f"{elsewhere.url}/x")
    assert waits == [0.5]


# Addresses


def test_name_that_leads_somewhere_else_the_second_time(
    elsewhere: FakeServer, files: FileAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    answers = ["93.184.216.34", "127.0.0.1"]

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        return real(answers.pop() if host == "rebind.example.com" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    files = replace(files, rules=replace(files.rules, private=()))
    elsewhere.on("/x", Reply(200, b"secret"))
    with pytest.raises(
        FileFetchError, match=r"rebind.example.com leads to 127.0.0.1, a private address"
    ) as caught:
        files.local_path(f"http://rebind.example.com:{elsewhere.port}/x")
    assert caught.value.field == "FILES_ALLOW_PRIVATE"
    assert elsewhere.asked == []


def test_redirect_to_an_address_inside(studio: FakeServer, elsewhere: FakeServer, files: FileAccess) -> None:
    """Also from Label Studio itself, whose storages anybody with a project can point anywhere."""
    files = replace(files, rules=replace(files.rules, private=()))
    studio.on("/tasks/5/resolve/", Reply.to(f"{elsewhere.url}/inside"))
    elsewhere.on("/inside", Reply(200, b"secret"))
    with pytest.raises(FileFetchError, match=r"Set FILES_ALLOW_PRIVATE=127.0.0.1"):
        files.local_path("s3://bucket/key", task_id=5)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("host", "ip", "private", "allowed"),
    [
        ("images", "10.1.2.3", ("*",), True),
        ("images", "10.1.2.3", ("images",), True),
        ("Images", "10.1.2.3", ("images",), True),
        ("other", "10.1.2.3", ("images",), False),
        ("other", "10.1.2.3", ("10.0.0.0/8",), True),
        ("other", "10.1.2.3", ("10.1.2.3",), True),
        ("other", "10.1.2.3", ("10.1.2.4", "::/0"), False),
        ("other", "fd00::1", ("fd00::/8",), True),
        ("other", "8.8.8.8", (), True),
        ("meta", "169.254.169.254", ("*", "meta", "169.254.0.0/16"), False),
        ("meta", "fd00:ec2::254", ("*",), False),
    ],
)
def test_what_the_setting_allows(host: str, ip: str, private: tuple[str, ...], allowed: bool) -> None:
    if allowed:
        allowed_addresses.check(host, ip, private=private)
        return
    with pytest.raises(FileFetchError, match=r"no file is fetched"):
        allowed_addresses.check(host, ip, private=private)


@pytest.mark.parametrize(
    "text",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "file:/etc/passwd",
        "~/.ssh/id_rsa",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/x",
    ],
)
def test_files_of_this_machine(files: FileAccess, text: str) -> None:
    with pytest.raises(FileFetchError, match=r"neither a URL nor a path inside"):
        files.local_path(text)
    assert files.preload({"a": text}) == {"a": text}


# TLS


@pytest.mark.parametrize("hello", [False, True], ids=["handshake", "headers"])
def test_tls_server_that_dribbles(
    files: FileAccess, tmp_path: Path, ends: threading.Event, hello: bool
) -> None:
    """Whether it stops in the handshake or after it: the deadline ends the connection below the TLS layer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if not hello:
                connection.recv(10)
                connection.sendall(b"\x16\x03\x03\x40\x00")  # the head of a record that does not come
                while not ends.wait(0.05):
                    connection.sendall(b"\x00")
                return
            wrapped = context.wrap_socket(connection, server_side=True)
            wrapped.recv(4096)
            wrapped.sendall(HEAD)
            while not ends.wait(0.05):
                wrapped.sendall(b"X-Header: y\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    files = replace(files, verify_tls=False, rules=replace(files.rules, timeout=0.6))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the certificate is not checked, and urllib3 says so
            with pytest.raises(FileFetchError, match=r"0\.6 seconds"):
                files.local_path(f"https://127.0.0.1:{port}/x")
    finally:
        listener.close()


def _load(context: ssl.SSLContext, folder: Path) -> None:
    """Give the server's side a key and a certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    path = str(folder / "both.pem")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                path,
                "-out",
                f"{path}.crt",
            ),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        capture_output=True,
        check=True,
    )
    context.load_cert_chain(f"{path}.crt", path)
