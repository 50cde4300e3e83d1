"""Large request bodies are parsed in threads, and only if the values in them do not take many times their size.

Parsing holds the interpreter lock, so a thread alone does not keep the event loop going: 60 MiB of `[],[],…` take
10 s and 1.5 GB as Python objects. How many values there are is counted before, piece by piece. What Label Studio sends
once only, events, is not refused for that: ids are read of it instead, and the values are skipped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from label_studio_ml.errors import BodyTooLarge
from label_studio_ml.web.threads import Threads

T = TypeVar("T")

#: Bytes from which on a body is large, with the login and without; and bytes looked at between two chances for other
#: threads.
LARGE, UNTRUSTED_LARGE = 1 << 20, 64 << 10
PIECE = 1 << 20

#: Large bodies that are parsed at once, with the login and without: others wait, as bytes.
THREADS, UNTRUSTED_THREADS = 2, 1

#: For how many times as long as a large body without the login took to parse, in time of the processor, the next one
#: waits, and for how many seconds at most: anybody may send several at once, and each keeps the interpreter lock.
REST, LONGEST_REST = 2.0, 2.0


@dataclass(frozen=True, slots=True)
class Limit:
    """How many arrays and objects, and how many values in all, a large body may have."""

    containers: int
    values: int


#: For bodies whose values become Python objects, and for those of `/predict`, whose tasks stay JSON.
OBJECTS = Limit(1_000_000, 10_000_000)
TASKS = Limit(2_000_000, 20_000_000)


class LargeBodies:
    """Parses request bodies, large ones in a thread."""

    def __init__(self) -> None:
        self._threads = Threads(THREADS, "bodies")
        self._untrusted_threads = Threads(UNTRUSTED_THREADS, "untrusted bodies")
        #: The time of `time.monotonic` before which no further large body without the login is parsed.
        self._rests_until = 0.0

    async def parse(
        self,
        parse: Callable[[bytes], T],
        body: bytes,
        limit: Limit = OBJECTS,
        heavy: Callable[[bytes], T] | None = None,
    ) -> T:
        """Return what `parse` makes of a body, or `heavy` of one that has more values than `limit`.

        Raises what they raise, and BodyTooLarge where there is no `heavy`.
        """
        if len(body) <= LARGE:
            return parse(body)
        return await self._threads.run(_parse, parse, body, limit, heavy)

    async def parse_untrusted(self, parse: Callable[[bytes], T], body: bytes) -> T:
        """Return what `parse` makes of a body that came without login; it has to be one that skips values."""
        if len(body) <= UNTRUSTED_LARGE:
            return parse(body)
        return await self._untrusted_threads.run(self._parse_rested, parse, body)

    def _parse_rested(self, parse: Callable[[bytes], T], body: bytes) -> T:
        """Parse a large body without the login, a while after the one before; called in the one thread for these."""
        time.sleep(max(0.0, self._rests_until - time.monotonic()))
        began = time.thread_time()
        try:
            return parse(body)
        finally:
            rest = min(REST * (time.thread_time() - began), LONGEST_REST)
            self._rests_until = time.monotonic() + rest


def _parse(parse: Callable[[bytes], T], body: bytes, limit: Limit, heavy: Callable[[bytes], T] | None) -> T:
    try:
        check(body, limit)
    except BodyTooLarge:
        if heavy is None:
            raise
        return heavy(body)
    return parse(body)


def check(body: bytes, limit: Limit) -> None:
    """Raise BodyTooLarge if a body has more values than `limit`. Brackets and commas in texts count as well."""
    containers = values = 0
    for start in range(0, len(body), PIECE):
        end = start + PIECE
        containers += body.count(b"[", start, end) + body.count(b"{", start, end)
        values += body.count(b",", start, end)
        if containers > limit.containers or values > limit.values:
            raise BodyTooLarge(
                f"The body has more than {limit.containers:,} arrays and objects, or {limit.values:,} values",
                fix="Send fewer tasks in one request",
                field="body",
            )
