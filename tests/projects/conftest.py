"""A fake Label Studio with one project."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.fake import FakeServer

from .fake_project import FakeProject


@pytest.fixture
def make_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[int], FakeProject]]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = FakeServer()
    yield lambda count: FakeProject(server, count)
    server.stop()
