"""How the Python blocks of the pages are run: a module for a page, or for several on one subject."""

from . import (
    controls,
    guides,
    interactive,
    migrate,
    models,
    regions,
    testing,
    trackers,
    training,
    training_data,
)

__all__ = [
    "controls",
    "guides",
    "interactive",
    "migrate",
    "models",
    "regions",
    "testing",
    "trackers",
    "training",
    "training_data",
]
