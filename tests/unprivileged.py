"""A user for whom the modes of files hold, for tests that run as root."""

import os
from collections.abc import Callable, Iterator

import pytest

_NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[Callable[[], int]]:
    """Act as a user without root's rights from the call on until the test ends; the call returns its number."""
    if not hasattr(os, "seteuid"):
        pytest.skip("this system has no users of this kind")
    before = os.geteuid()

    def become() -> int:
        if before == 0:
            os.seteuid(_NOBODY)
        return os.geteuid()

    yield become
    os.seteuid(before)
