"""Retry calls of a remote store while it is unreachable."""

import logging
from collections.abc import Callable
from typing import TypeVar

from label_studio_ml.errors import StoreError
from label_studio_ml.storage.retries import retry

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Seconds for which publishing is retried while the store is unreachable.
PUBLISH_TIMEOUT = 120.0
#: The first pause between two tries and the longest one, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


def retry_store(
    call: Callable[[], Result], seconds: float, check_lease: Callable[[], None] = lambda: None
) -> Result:
    """Call `call`, a call of a store, until it succeeds, and return its result.

    `check_lease` is called before each try and ends the tries by raising. Raises StoreError if the store is unreachable
    for `seconds`, and at once if the error is not `passing`.
    """
    return retry(
        call,
        on=StoreError,
        seconds=seconds,
        first=_FIRST_PAUSE,
        longest=_LONGEST_PAUSE,
        is_passing=lambda error: error.passing,
        before=check_lease,
        failed=lambda error: logger.warning("%s. Trying again", error),
    )
