"""State shared by all connections of a server: limits on request bodies in memory, and the registry of connections."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from label_studio_ml.config.http_settings import DEFAULT_MAX_IN_FLIGHT
from label_studio_ml.errors import BackendError, BodyTooLarge, Overloaded
from label_studio_ml.http_server.messages import Admission, Call, Response

#: Untrusted requests (without the required login) may use this fraction (1/n) of the memory for request bodies.
UNTRUSTED_SHARE = 16
#: This fraction (1/n) of the untrusted share is reserved for bodies of up to FEW bytes: most events are small.
RESERVED_SHARE, FEW = 4, 64 << 10

#: Connections examined to find one to close, the least recently used first. Connections that receive a trusted body or
#: are being answered do not count.
CANDIDATES = 64


class Stage(enum.IntEnum):
    """Progress of a connection's request. At the connection limit, one at the lowest stage is closed first."""

    IDLE = 0
    HEAD = 1
    UNTRUSTED_BODY = 2
    TRUSTED_BODY = 3
    ANSWERING = 4


class Answering(Protocol):
    """Interface of the endpoints, as connections use it."""

    def admit(self, call: Call) -> Admission:
        """Return what a request may do, decided from its head before its body is read. Raises BackendError."""

    async def handle(self, call: Call) -> Response:
        """Return the response to a request; never raises. Calls `admit` first if the request has no admission."""

    def refuse(self, error: BackendError, call: Call) -> Response:
        """Return the response to a request that was not admitted, or could not be read."""


def _share(most: int, *, large: bool) -> int:
    """Return how many of `most` bytes untrusted bodies may use; large bodies may not use the reserve."""
    share = most // UNTRUSTED_SHARE
    return share - share // RESERVED_SHARE if large else share


def largest_untrusted(most: int) -> int:
    """Return the size in bytes of the largest untrusted body that fits into a budget of `most` bytes."""
    return _share(most, large=True)


class BodyBudget:
    """Counts the bytes of request bodies in memory: of those being received, and of requests not yet answered.

    The limit is `most` bytes. Untrusted requests may use only a share of them, so that they cannot block trusted ones.
    """

    def __init__(self, most: int = DEFAULT_MAX_IN_FLIGHT) -> None:
        self.most = most
        #: Bytes in memory now: of all bodies, and of untrusted ones.
        self.taken = self._untrusted = 0

    def check(self, size: int, *, trusted: bool, before: int = 0) -> None:
        """Raise Overloaded if `size` more bytes of a body exceed the limits; `before` bytes of it are counted."""
        most = self.most
        if size + self.taken > most or (not trusted and self.share_is_full(size, before)):
            share = most if trusted else _share(most, large=before + size > FEW)
            raise Overloaded(
                f"The request bodies in memory would be larger than {share} bytes together",
                fix="Send the request again later, or raise LABEL_STUDIO_ML_MAX_IN_FLIGHT",
            )

    def share_is_full(self, size: int, before: int = 0) -> bool:
        """Return whether `size` more bytes of an untrusted body exceed the share; `before` bytes of it are counted."""
        return size + self._untrusted > _share(self.most, large=before + size > FEW)

    def take(self, size: int, *, trusted: bool, before: int = 0) -> None:
        """Count `size` more bytes of a body. Raises Overloaded, and counts nothing, if they exceed the limits."""
        if not trusted or size + self.taken > self.most:
            self.check(size, trusted=trusted, before=before)
        self.taken += size
        if not trusted:
            self._untrusted += size

    def give_back(self, size: int, *, trusted: bool) -> None:
        """Subtract `size` bytes from the count."""
        self.taken -= size
        if not trusted:
            self._untrusted -= size


class Droppable(Protocol):
    """Interface of a connection, as the registry and the server use it."""

    @property
    def stage(self) -> Stage:
        """Progress of its request."""

    def sweep(self, now: float) -> None:
        """Enforce the timeouts; `now` is the event loop's time."""

    def drain(self, now: float) -> None:
        """Close the connection if it is idle; `now` is the event loop's time."""

    def abort(self) -> None:
        """Close the connection immediately; unsent output is lost."""


class Connections:
    """Registry of the open connections, least recently used first; at most `most` of them (0: no limit)."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._open: dict[Droppable, None] = {}
        #: Number of connections closed or refused because of the limit.
        self.dropped = 0

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._open)

    def __iter__(self) -> Iterator[Droppable]:
        """Iterate over the connections open now; they may close during the iteration."""
        return iter(list(self._open))

    def add(self, connection: Droppable) -> bool:
        """Register a new connection; return False if it must be refused.

        At the limit, the least recently used connection among those at the lowest stage is closed. Connections whose
        request is being answered are never closed.
        """
        if self._most and len(self._open) >= self._most:
            self.dropped += 1
            if (unused := self._longest_unused()) is None:
                return False
            del self._open[unused]
            unused.abort()
        self._open[connection] = None
        return True

    def _longest_unused(self) -> Droppable | None:
        found: Droppable | None = None
        lowest, seen = Stage.ANSWERING, 0
        for connection in self._open:
            stage = connection.stage
            if stage < lowest:
                found, lowest = connection, stage
            if stage < Stage.TRUSTED_BODY:
                seen += 1
            if lowest == Stage.IDLE or seen == CANDIDATES:
                break
        return found

    def used(self, connection: Droppable) -> None:
        """Move a connection to the most recently used end, because it has received a request."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None

    def discard(self, connection: Droppable) -> None:
        """Remove a closed connection."""
        self._open.pop(connection, None)


class Receiving(Protocol):
    """An untrusted request whose body is being received."""

    @property
    def received(self) -> int:
        """Number of bytes of its body received so far."""

    def give_up(self) -> None:
        """Refuse the request, and return its bytes to the budget."""


class UntrustedBodies:
    """Registry of the untrusted bodies that are being received, oldest first.

    Label Studio's webhooks carry no login and are not repeated when refused, so clients that never complete a body
    must not block them: when the untrusted share is full, the oldest body is given up.
    """

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._open: dict[Receiving, None] = {}

    def make_room(self, size: int, request: Receiving, before: int = 0) -> None:
        """Give up bodies older than that of `request` until `size` more bytes of it fit into the untrusted share.

        `before` of its bytes are counted already. If it has more than FEW bytes, smaller bodies are not given up: the
        reserve is theirs.
        """
        large = before + size > FEW
        for older in list(self._open):
            if older is request or not self._budget.share_is_full(size, before):
                return
            if not large or older.received > FEW:
                del self._open[older]
                older.give_up()

    def begin(self, request: Receiving) -> None:
        """Register the body of a request as being received."""
        self._open[request] = None

    def end(self, request: Receiving) -> None:
        """Remove the body of a request: it is complete, or was given up."""
        self._open.pop(request, None)


@dataclass(eq=False)
class Site:
    """State shared by all connections. `date` is the Date header line; while `draining`, connections close."""

    endpoints: Answering
    max_body: int
    budget: BodyBudget = field(default_factory=BodyBudget)
    connections: Connections = field(default_factory=Connections)
    draining: bool = False
    date: bytes = b""
    untrusted: UntrustedBodies = field(init=False)

    def __post_init__(self) -> None:
        """Create the registry of untrusted bodies over the budget."""
        self.untrusted = UntrustedBodies(self.budget)


def too_large(limit: int, *, trusted: bool = True) -> BodyTooLarge:
    """Return the error for a body over `limit` bytes. Untrusted requests are told that a login raises the limit."""
    if not limit:
        return BodyTooLarge("This address takes no body", fix="Send the request without one", field="body")
    return BodyTooLarge(
        f"The body is larger than {limit} bytes",
        fix="Send fewer tasks in one request, or raise LABEL_STUDIO_ML_MAX_BODY"
        if trusted
        else "Give this backend's user and password, or send less",
        field="body",
    )
