"""Count what an iteration over targets leaves out, and log it: the first of each kind at once, the sums at the end."""

import enum
import logging
from collections import Counter

logger = logging.getLogger(__name__)

#: The most kinds of what is left out that are logged one by one.
_MOST_KINDS = 20


class Reason(enum.StrEnum):
    """Why something is left out."""

    UNREADABLE = "regions that cannot be read"
    UNKNOWN_LABEL = "labels that the label config does not have"
    NO_FILE = "tasks whose file cannot be fetched"
    NO_VALUE = "tasks whose data cannot be read"


class LeftOut:
    """Counts of what one iteration has left out, by `Reason`. It logs only if `is_logged`."""

    def __init__(self, *, is_logged: bool) -> None:
        self.counts: Counter[Reason] = Counter()
        self._is_logged = is_logged
        self._kinds: set[tuple[Reason, str]] = set()

    def add(self, reason: Reason, message: str, kind: str = "") -> None:
        """Count one more; the first one of a reason and kind is logged with `message`, for the first kinds."""
        self.counts[reason] += 1
        if not self._is_logged or (reason, kind) in self._kinds or len(self._kinds) >= _MOST_KINDS:
            return
        self._kinds.add((reason, kind))
        logger.warning("%s: left out; others are counted and logged at the end", message.rstrip("."))

    def finish(self) -> None:
        """Log the sums, if there is more than what has been logged."""
        if self._is_logged and any(count > 1 for count in self.counts.values()):
            sums = ", ".join(f"{count} {reason}" for reason, count in self.counts.items())
            logger.warning("The targets leave out: %s", sums)
