"""Fixtures of the tests of the HTTP server."""

import pytest

from label_studio_ml.http_server import server as server_module


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the connections all the time."""
    monkeypatch.setattr(server_module, "SWEEP", 0.01)
