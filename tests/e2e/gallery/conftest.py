"""What the tests of the gallery's models share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..browser import Browser
from ..conftest import failed
from ..regions_facts.labelling import Labelling
from ..studio import Studio
from .environments import ROOT
from .journey import Journey

MakeJourney = Callable[..., Journey]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of this folder half an hour, unless it has a time-out of its own.

    Each installs a model and opens dozens of pages: on a busy machine, the ten minutes that the folder above gives are
    not enough.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture
def journey(label_studio: Studio, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeJourney]:
    """Return a function that makes a `Journey` of a model in a project; its backend is stopped after the test."""
    made: list[Journey] = []

    def make(name: str, project: int, *, venv: str = "") -> Journey:
        made.append(Journey(label_studio, project, name, tmp_path, venv or name))
        return made[-1]

    yield make
    left = [pid for one in made for pid in one.stop()]
    if request.node.stash.get(failed, False):
        for one in made:
            print(f"--- {one.name}\n{one.log()}")
    assert not left, f"processes that outlived their backend: {left}"


@pytest.fixture(scope="module")
def page(label_studio: Studio, browser: Browser) -> Labelling:
    """A logged-in browser page."""
    return Labelling(label_studio, browser.logged_in(label_studio))


@pytest.fixture
def keep_picture(browser: Browser) -> Callable[[Any, str], None]:
    """Return a function that saves a page as `artefacts/gallery/NAME.png`, from which `make gallery` makes the docs."""

    def keep(page: Any, name: str) -> None:
        (ROOT / "artefacts" / "gallery").mkdir(parents=True, exist_ok=True)
        browser.keep(page, f"gallery/{name}")

    return keep
