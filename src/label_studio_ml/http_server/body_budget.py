"""Limits on the memory for request bodies of all connections: `BodyBudget` counts bytes, `UntrustedBodies` evicts."""

from typing import Protocol

from label_studio_ml.config.http_settings import DEFAULT_MAX_IN_FLIGHT
from label_studio_ml.errors import BodyTooLarge, Overloaded

#: Untrusted requests (without the required login) may use this fraction (1/n) of the memory for request bodies.
UNTRUSTED_SHARE = 16
#: This fraction (1/n) of the untrusted share is reserved for bodies of up to RESERVE_LIMIT bytes: most events are
#: small.
RESERVED_SHARE, RESERVE_LIMIT = 4, 64 << 10


def _share(limit: int, *, large: bool) -> int:
    """Return how many of `limit` bytes untrusted bodies may use; large bodies may not use the reserve."""
    share = limit // UNTRUSTED_SHARE
    return share - share // RESERVED_SHARE if large else share


def largest_untrusted(limit: int) -> int:
    """Return the size in bytes of the largest untrusted body that fits into a budget of `limit` bytes."""
    return _share(limit, large=True)


class BodyBudget:
    """Counts the bytes of request bodies in memory: of those being received, and of requests not yet answered.

    Untrusted requests may use only a share of the `limit`, so that they cannot block trusted ones.
    """

    def __init__(self, limit: int = DEFAULT_MAX_IN_FLIGHT) -> None:
        self.limit = limit
        #: Bytes in memory now: of all bodies, and of untrusted ones.
        self.in_use = self._untrusted = 0

    def check(self, size: int, *, trusted: bool, counted: int = 0) -> None:
        """Raise Overloaded if `size` more bytes of a body exceed the limits; `counted` bytes of it are counted."""
        limit = self.limit
        if size + self.in_use > limit or (not trusted and self.share_is_full(size, counted)):
            share = limit if trusted else _share(limit, large=counted + size > RESERVE_LIMIT)
            raise Overloaded(
                f"The request bodies in memory would be larger than {share} bytes together",
                fix="Send the request again later, or raise LABEL_STUDIO_ML_MAX_IN_FLIGHT",
            )

    def share_is_full(self, size: int, counted: int = 0) -> bool:
        """Return whether `size` more bytes of an untrusted body exceed the share; `counted` bytes of it are counted."""
        return size + self._untrusted > _share(self.limit, large=counted + size > RESERVE_LIMIT)

    def reserve(self, size: int, *, trusted: bool, counted: int = 0) -> None:
        """Count `size` more bytes of a body. Raises Overloaded, and counts nothing, if they exceed the limits."""
        if not trusted or size + self.in_use > self.limit:
            self.check(size, trusted=trusted, counted=counted)
        self.in_use += size
        if not trusted:
            self._untrusted += size

    def release(self, size: int, *, trusted: bool) -> None:
        """Subtract `size` bytes from the count."""
        self.in_use -= size
        if not trusted:
            self._untrusted -= size


class IncomingBody(Protocol):
    """An untrusted request whose body is being received."""

    @property
    def received(self) -> int:
        """Number of bytes of its body received so far."""

    def evict(self) -> None:
        """Refuse the request, and return its bytes to the budget."""


class UntrustedBodies:
    """Registry of the untrusted bodies that are being received, oldest first.

    Label Studio's webhooks carry no login and are not repeated when refused, so clients that never complete a body
    must not block them: when the untrusted share is full, the oldest body is evicted.
    """

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._open: dict[IncomingBody, None] = {}

    def __len__(self) -> int:
        """Return the number of bodies being received."""
        return len(self._open)

    def make_room(self, size: int, request: IncomingBody, counted: int = 0) -> None:
        """Evict bodies older than that of `request` until `size` more bytes of it fit into the untrusted share.

        `counted` of its bytes are counted already. If it has more than RESERVE_LIMIT bytes, smaller bodies are not
        evicted: the reserve is for them.
        """
        large = counted + size > RESERVE_LIMIT
        for older in list(self._open):
            if older is request or not self._budget.share_is_full(size, counted):
                return
            if not large or older.received > RESERVE_LIMIT:
                del self._open[older]
                older.evict()

    def add(self, request: IncomingBody) -> None:
        """Register the body of a request as being received."""
        self._open[request] = None

    def discard(self, request: IncomingBody) -> None:
        """Remove the body of a request: it is complete, or was refused."""
        self._open.pop(request, None)


def too_large(limit: int, *, trusted: bool = True) -> BodyTooLarge:
    """Return the error for a body over `limit` bytes. Untrusted requests are told that a login raises the limit."""
    if not limit:
        return BodyTooLarge("This address accepts no body", fix="Send the request without one", field="body")
    return BodyTooLarge(
        f"The body is larger than {limit} bytes",
        fix="Send fewer tasks in one request, or raise LABEL_STUDIO_ML_MAX_BODY"
        if trusted
        else "Give this backend's user and password, or send less",
        field="body",
    )
