"""Fakes of servers, and no waiting between tries."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from label_studio_ml.studio.files.fetch import _shared_http
from label_studio_ml.studio.transport import http

from .fake import FakeServer


@pytest.fixture
def make_server() -> Iterator[Callable[[], FakeServer]]:
    servers: list[FakeServer] = []

    def make() -> FakeServer:
        servers.append(FakeServer())
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def studio(make_server: Callable[[], FakeServer]) -> FakeServer:
    """What stands for Label Studio."""
    return make_server()


@pytest.fixture
def elsewhere(make_server: Callable[[], FakeServer]) -> FakeServer:
    """Another server on this machine: same host, another origin."""
    return make_server()


@pytest.fixture(autouse=True)
def access_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where access tokens are shared: for this test only."""
    monkeypatch.setattr(http, "default_folder", lambda: tmp_path / "access")
    return tmp_path / "access"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The waits between tries, in seconds; none is waited for."""
    waited: list[float] = []
    defaults = {**(http.Http.__init__.__kwdefaults__ or {}), "sleep": waited.append}
    monkeypatch.setattr(http.Http.__init__, "__kwdefaults__", defaults)
    _shared_http.cache_clear()
    yield waited
    _shared_http.cache_clear()
