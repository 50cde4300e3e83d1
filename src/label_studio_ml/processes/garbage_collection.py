"""Settings of Python's cyclic garbage collector while a server runs."""

import contextlib
import gc
from collections.abc import Iterator

#: Container objects allocated, less those freed, between two collections of the youngest generation. Requests leave
#: hardly any cycles; with Python's 700, one in a few requests pays for a collection.
THRESHOLD = 20_000


@contextlib.contextmanager
def tuned() -> Iterator[None]:
    """Exclude the objects of the start-up from collections, and collect less often, until the block ends."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
