"""What Ctrl-C says while there is nothing to report yet."""

import contextlib
import sys
from collections.abc import Iterator

from label_studio_ml.cli.streams import say

_NOTHING = "label-studio-ml: interrupted before anything was measured; no report was written"


@contextlib.contextmanager
def told_if_interrupted() -> Iterator[None]:
    """Say on standard error that nothing was measured if Ctrl-C ends the block; KeyboardInterrupt goes on."""
    try:
        yield
    except KeyboardInterrupt:
        say(_NOTHING, file=sys.stderr)
        raise
