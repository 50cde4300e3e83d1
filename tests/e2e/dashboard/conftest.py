"""Pages of Label Studio's editor and of drawings of the dashboard."""

import pytest

from ..browser import Browser
from ..regions_facts.conftest import labelling as labelling
from .drawing_page import DrawingPage


@pytest.fixture(scope="session")
def drawing(browser: Browser) -> DrawingPage:
    """A page that shows drawings."""
    return DrawingPage(browser.new_page())
