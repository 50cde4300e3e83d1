"""Asking a store again while it is away."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from label_studio_ml.errors import StoreError

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds in which publishing is tried again while the store is away.
PATIENCE = 120.0
#: Longest pause between two tries, in seconds.
_LONGEST_PAUSE = 5.0


def patiently(what: Callable[[], T], seconds: float, holds: Callable[[], None] = lambda: None) -> T:
    """Do something in the store, again and again while it is away, as long as `holds` does not raise.

    Raises StoreError when it is away for longer than `seconds`, at once where asking again cannot help.
    """
    deadline, pause = time.monotonic() + seconds, 0.2
    while True:
        holds()
        try:
            return what()
        except StoreError as error:
            if not error.passing or time.monotonic() + pause > deadline:
                raise
            logger.warning("%s; it is tried again", error)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
