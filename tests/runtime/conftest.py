"""Backends as processes, and the fake Label Studio they know."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live import FakeStudio, Live, make_live


@pytest.fixture(scope="module")
def studio() -> Iterator[FakeStudio]:
    """What stands for Label Studio."""
    fake = FakeStudio()
    yield fake
    fake.stop()


@pytest.fixture
def make(tmp_path: Path, studio: FakeStudio) -> Iterator[Callable[..., Live]]:
    """Make a backend; whatever is started of it ends with the test and leaves nothing behind."""
    lives: list[Live] = []

    def prepare(model: str = "seed_model", name: str = "backend", **options: Any) -> Live:
        live = make_live(tmp_path / name, studio, model, **options)
        lives.append(live)
        return live

    yield prepare
    for live in lives:
        assert not live.backend.stop()
