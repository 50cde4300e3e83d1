"""Packages of trackers that a test needs: they may be missing on a laptop, not in CI."""

import os
from types import ModuleType

import pytest


def package(name: str) -> ModuleType:
    """Import and return a package; skip the test without it, in CI fail."""
    if os.environ.get("CI"):
        return __import__(name)
    return pytest.importorskip(name)  # type: ignore[no-any-return]
