"""Parse large request bodies in threads, and refuse those with too many values.

Parsing holds the interpreter lock, so that a thread alone does not keep the event loop responsive: 60 MiB of `[],[],…`
take 10 s and 1.5 GB as Python objects. The values are therefore counted before, in pieces. Events, which Label Studio
sends only once, are not refused for that: only the ids in them are read, and other values skipped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from label_studio_ml.errors import BodyTooLarge
from label_studio_ml.web.threads import Threads

T = TypeVar("T")

#: Bytes above which a body is large, if trusted and if not; and bytes counted at a time, before other threads get a
#: chance to run.
LARGE, UNTRUSTED_LARGE = 1 << 20, 64 << 10
PIECE = 1 << 20

#: Number of large bodies parsed at a time, trusted and untrusted; further ones wait as bytes.
THREADS, UNTRUSTED_THREADS = 2, 1

#: Pause after parsing a large untrusted body, as a multiple of the CPU time that it took, and its maximum in seconds:
#: anyone may send many such bodies, and parsing each holds the interpreter lock.
PAUSE_FACTOR, MAX_PAUSE = 2.0, 2.0


@dataclass(frozen=True, slots=True)
class Limit:
    """Maximum numbers of arrays and objects (`containers`), and of values in all, in a large body."""

    containers: int
    values: int


#: Limits for bodies whose values become Python objects, and for those of `/predict`, whose tasks stay JSON.
OBJECTS = Limit(1_000_000, 10_000_000)
TASKS = Limit(2_000_000, 20_000_000)


class LargeBodies:
    """Parser of request bodies, which runs in threads for large ones."""

    def __init__(self) -> None:
        self._threads = Threads(THREADS, "bodies")
        self._untrusted_threads = Threads(UNTRUSTED_THREADS, "untrusted bodies")
        #: Value of `time.monotonic` before which no further large untrusted body is parsed.
        self._paused_until = 0.0

    async def parse(
        self,
        parse: Callable[[bytes], T],
        body: bytes,
        limit: Limit = OBJECTS,
        heavy: Callable[[bytes], T] | None = None,
    ) -> T:
        """Return `parse(body)`, or `heavy(body)` if a large body has more values than `limit`.

        Raises what they raise, and BodyTooLarge for such a body without `heavy`.
        """
        if len(body) <= LARGE:
            return parse(body)
        return await self._threads.run(_parse, parse, body, limit, heavy)

    async def parse_untrusted(self, parse: Callable[[bytes], T], body: bytes) -> T:
        """Return `parse(body)` of an untrusted body; `parse` must skip values instead of building objects."""
        if len(body) <= UNTRUSTED_LARGE:
            return parse(body)
        return await self._untrusted_threads.run(self._parse_after_pause, parse, body)

    def _parse_after_pause(self, parse: Callable[[bytes], T], body: bytes) -> T:
        """Parse a large untrusted body after the pause due since the previous one. Runs in a single thread."""
        time.sleep(max(0.0, self._paused_until - time.monotonic()))
        began = time.thread_time()
        try:
            return parse(body)
        finally:
            pause = min(PAUSE_FACTOR * (time.thread_time() - began), MAX_PAUSE)
            self._paused_until = time.monotonic() + pause


def _parse(parse: Callable[[bytes], T], body: bytes, limit: Limit, heavy: Callable[[bytes], T] | None) -> T:
    try:
        check(body, limit)
    except BodyTooLarge:
        if heavy is None:
            raise
        return heavy(body)
    return parse(body)


def check(body: bytes, limit: Limit) -> None:
    """Raise BodyTooLarge if a body has more values than `limit`. Brackets and commas in strings are counted as well."""
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
