"""Tasks in a real Label Studio that name what must not be fetched: all is refused or ends, and nothing leaks."""

import contextlib
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files.fetch import FileAccess
from studio.fake import FakeServer, Reply

from .conftest import StartStudio
from .studio import Studio

Refused = Callable[..., str]

CONFIG = '<View><Image name="image" value="$image"/></View>'
SECRET = "not for other eyes"
HEAD = b"HTTP/1.1 200 OK\r\n"
METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label Studio's document root, beside which there is a secret."""
    above = tmp_path_factory.mktemp("above")
    (above / "secret.txt").write_text(SECRET)
    (above / "root" / "pictures").mkdir(parents=True)
    (above / "root" / "link.txt").symlink_to(above / "secret.txt")
    return above / "root"


@pytest.fixture(scope="module")
def studio(start_studio: StartStudio, root: Path) -> Studio:
    env = {"LOCAL_FILES_SERVING_ENABLED": "true", "LOCAL_FILES_DOCUMENT_ROOT": str(root)}
    return start_studio(env=env).wait()


@pytest.fixture(scope="module")
def personal(studio: Studio) -> str:
    return str(studio.call("POST", "/api/token/")["token"])


@pytest.fixture(params=["legacy", "personal"])
def files(request: pytest.FixtureRequest, studio: Studio, tmp_path: Path) -> FileAccess:
    """What a backend has, but smaller bounds: a megabyte and a few seconds."""
    token = studio.token if request.param == "legacy" else str(request.getfixturevalue("personal"))
    rules = FileSettings(private=("127.0.0.1",), max_bytes=1 << 20, timeout=4.0)
    return FileAccess(studio_url=studio.url, token=token, cache_dir=tmp_path / "cache", rules=rules)


@pytest.fixture
def hostile() -> Iterator[FakeServer]:
    """The server of somebody who may import tasks."""
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over, so that no answer goes on for ever."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(scope="module")
def project(studio: Studio) -> int:
    return studio.create_project("hostile", CONFIG)


@pytest.fixture
def refused(studio: Studio, project: int, files: FileAccess) -> Refused:
    """A function that imports a task with a URL and expects that a backend that gets the task refuses its file.

    The error, which it returns, shows no token, and the cache has no file after it.
    """
    return functools.partial(_refused, studio, project, files)


def _refused(studio: Studio, project: int, files: FileAccess, url: str, *, root: Path | None = None) -> str:
    (task,) = studio.import_tasks(project, [{"image": url}])
    image = studio.call("GET", f"/api/tasks/{task}/?resolve_uri=false")["data"]["image"]
    assert image == url
    files = replace(files, document_root=root)
    with pytest.raises(FileFetchError) as caught:
        files.local_path(image, task_id=task)
    assert files.token not in str(caught.value)
    assert SECRET not in str(caught.value)
    left = set(os.listdir(files.cache_dir)) if files.cache_dir.exists() else set()
    assert left <= {".usage"}
    return str(caught.value)


def _unknowing(server: FakeServer) -> bool:
    """Tell whether the server was asked, and got neither a login nor a cookie."""
    secrets = {"authorization", "cookie"}
    return bool(server.asked) and not any(secrets & one.headers.keys() for one in server.asked)


def test_redirect_to_another_host(refused: Refused, hostile: FakeServer) -> None:
    with socket.create_server(("127.0.0.2", 0)) as inside:
        inside.settimeout(30)
        address = f"127.0.0.2:{inside.getsockname()[1]}"
        hostile.on("/a.png", Reply.to(f"http://{address}/b.png"))
        assert "Set FILES_ALLOW_PRIVATE=127.0.0.2" in refused(f"{hostile.url}/a.png")
        connection, _ = inside.accept()
        with connection:
            assert connection.recv(100) == b""  # it was closed before anything was sent
    assert _unknowing(hostile)


def test_redirect_to_pages_of_label_studio(refused: Refused, studio: Studio, hostile: FakeServer) -> None:
    """Who can import tasks does not read Label Studio's API with the backend's token."""
    for place in ("/api/projects", "/api/token/"):
        hostile.on("/a.png", Reply.to(f"{studio.url}{place}"))
        refused(f"{hostile.url}/a.png")
    assert _unknowing(hostile)


def test_metadata_service(refused: Refused, hostile: FakeServer) -> None:
    assert "169.254.169.254" in refused(METADATA)
    hostile.on("/a.png", Reply.to(METADATA, 307))
    assert "169.254.169.254" in refused(f"{hostile.url}/a.png")
    assert _unknowing(hostile)


@pytest.mark.parametrize("files", ["legacy"], indirect=True)
@pytest.mark.parametrize("rooted", [True, False])
def test_paths_out_of_the_root(refused: Refused, root: Path, rooted: bool) -> None:
    """Not from this machine's disk, where it has the same root, nor by Label Studio's hand."""
    for url in (
        "/data/local-files/?d=../secret.txt",
        "/data/local-files/?d=pictures/../../secret.txt",
        "/data/local-files/?d=..%2Fsecret.txt",
        "/data/local-files/?d=/etc/passwd",
        "/data/local-files/?d=../../../../../../../../etc/passwd",
        "/data/local-files/?d=link.txt",
        "/data/upload/1/../../../../../../etc/passwd",
        "/data/upload/1/..%2F..%2F..%2Fetc%2Fpasswd",
        "../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
    ):
        refused(url, root=root if rooted else None)


def test_file_of_five_gigabytes(refused: Refused, hostile: FakeServer, over: threading.Event) -> None:
    head = HEAD + b"Content-Length: 5000000000\r\n\r\n"
    hostile.on("/a.png", Reply(raw=_endless(head, bytes(1 << 16), over)))
    assert "FILES_MAX_MB" in refused(f"{hostile.url}/a.png")
    assert len(hostile.asked) == 1
    assert _unknowing(hostile)


def test_file_that_never_ends(refused: Refused, hostile: FakeServer, over: threading.Event) -> None:
    head = HEAD + b"Connection: close\r\n\r\n"
    hostile.on("/a.png", Reply(raw=_endless(head, bytes(1 << 16), over)))
    assert "is larger than 1048576 bytes" in refused(f"{hostile.url}/a.png")
    assert _unknowing(hostile)


@pytest.mark.parametrize(
    "head", [b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"], ids=["status", "headers", "body"]
)
def test_slow_loris(refused: Refused, hostile: FakeServer, over: threading.Event, head: bytes) -> None:
    hostile.on("/a.png", Reply(raw=_endless(head, b"x", over, 0.1)))
    assert "was not fetched within 4 seconds" in refused(f"{hostile.url}/a.png")
    assert _unknowing(hostile)


def _endless(
    head: bytes, piece: bytes, over: threading.Event, pause: float = 0.0
) -> Callable[[BinaryIO], None]:
    """Return a writer of `head` and then, until `over` or the client leaves, of `piece` each `pause` seconds."""

    def write(wire: BinaryIO) -> None:
        with contextlib.suppress(OSError):
            wire.write(head)
            while not over.wait(pause):
                wire.write(piece)
                wire.flush()

    return write
