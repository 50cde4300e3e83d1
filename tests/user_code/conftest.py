"""Folders with user code."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a space in its name; what a test imports from it is forgotten afterwards."""
    made = tmp_path / "my backend"
    made.mkdir()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "model", raising=False)  # from a fixture of other tests
    before = dict(sys.modules)
    yield made
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)
