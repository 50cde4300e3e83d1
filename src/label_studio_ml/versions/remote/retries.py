"""Retry calls of a remote store while it is unreachable."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from label_studio_ml.errors import StoreError

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for which publishing is retried while the store is unreachable.
PATIENCE = 120.0
#: Longest pause between two tries, in seconds; the first one is 0.2 s and each next one twice as long.
_LONGEST_PAUSE = 5.0


def patiently(what: Callable[[], T], seconds: float, holds: Callable[[], None] = lambda: None) -> T:
    """Call `what`, a call of a store, until it succeeds, and return its result.

    `holds` is called before each try and ends the tries by raising. Raises StoreError if the store is unreachable for
    `seconds`, and at once if the error is not `passing`.
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
