"""One browser page for all tests of the folder."""

import pytest

from ..browser import Browser
from ..studio import Studio
from .labelling import Labelling


@pytest.fixture(scope="session")
def labelling(label_studio: Studio, browser: Browser) -> Labelling:
    """A logged-in page that opens predictions."""
    return Labelling(label_studio, browser.logged_in(label_studio))
