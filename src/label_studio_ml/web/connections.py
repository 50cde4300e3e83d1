"""What all connections of one server share: the endpoints, the limits, and which connections there are."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from label_studio_ml.errors import BackendError, BodyTooLarge, Overloaded
from label_studio_ml.http_settings import DEFAULT_MAX_IN_FLIGHT
from label_studio_ml.web.calls import Admission, Call, Response

#: The part of the bodies in memory (a divisor) that those of requests without the login may take.
UNTRUSTED_SHARE = 16
#: The part of that (a divisor) that is left to bodies of few bytes, and how many those are: most events are small.
RESERVED_SHARE, FEW = 4, 64 << 10

#: Connections that are looked at, the longest unused first, for one that has nothing to do. Those that only callers
#: with the login can make do not count.
CANDIDATES = 64


class Stage(enum.IntEnum):
    """How far the request of a connection is. Where there is no room, the lowest is closed first."""

    IDLE = 0
    HEAD = 1
    UNTRUSTED_BODY = 2
    TRUSTED_BODY = 3
    ANSWERING = 4


class Answering(Protocol):
    """What stands behind the connections."""

    def admit(self, call: Call) -> Admission:
        """Decide from a request's head what it may do, before its body is read. Raises BackendError."""

    async def handle(self, call: Call) -> Response:
        """Answer one request; never raises. Where it has no admission, `admit` is asked first."""

    def refuse(self, error: BackendError, call: Call) -> Response:
        """Answer a request that was not admitted, or could not be read."""


def _share(most: int, *, large: bool) -> int:
    """Return how many of `most` bytes requests without the login may take: with a large body, not the reserve."""
    share = most // UNTRUSTED_SHARE
    return share - share // RESERVED_SHARE if large else share


def largest_untrusted(most: int) -> int:
    """Return how many bytes a body without the login may have so that there can be room for it."""
    return _share(most, large=True)


class BodyBudget:
    """Counts the bytes of request bodies in memory: those being received, and those of requests not yet answered.

    At most `most` bytes, and at most a part of them for requests that are not trusted: whoever has no login cannot
    take the room of those who have one.
    """

    def __init__(self, most: int = DEFAULT_MAX_IN_FLIGHT) -> None:
        self.most = most
        #: Bytes in memory now, and those of requests without the login.
        self.taken = self._untrusted = 0

    def check(self, size: int, *, trusted: bool, before: int = 0) -> None:
        """Raise Overloaded where `size` more bytes would be too many, of a body of which `before` are counted."""
        most = self.most
        if size + self.taken > most or (not trusted and self.share_is_full(size, before)):
            share = most if trusted else _share(most, large=before + size > FEW)
            raise Overloaded(
                f"The request bodies in memory would be larger than {share} bytes together",
                fix="Send the request again later, or raise LABEL_STUDIO_ML_MAX_IN_FLIGHT",
            )

    def share_is_full(self, size: int, before: int = 0) -> bool:
        """Tell whether `size` more bytes of a body are too many for the part of those without the login."""
        return size + self._untrusted > _share(self.most, large=before + size > FEW)

    def take(self, size: int, *, trusted: bool, before: int = 0) -> None:
        """Count `size` more bytes. Raises Overloaded, and counts nothing, where they are too many."""
        if not trusted or size + self.taken > self.most:
            self.check(size, trusted=trusted, before=before)
        self.taken += size
        if not trusted:
            self._untrusted += size

    def give_back(self, size: int, *, trusted: bool) -> None:
        """Count `size` bytes less."""
        self.taken -= size
        if not trusted:
            self._untrusted -= size


class Droppable(Protocol):
    """A connection, as far as the registry is concerned with it."""

    @property
    def stage(self) -> Stage:
        """How far its request is."""

    def sweep(self, now: float) -> None:
        """End what takes too long."""

    def drain(self, now: float) -> None:
        """End as soon as there is nothing to do."""

    def abort(self) -> None:
        """End at once."""


class Connections:
    """The open connections, the longest unused first; `most` at a time (0: any number)."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._open: dict[Droppable, None] = {}
        #: How many were closed because there were too many.
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def __iter__(self) -> Iterator[Droppable]:
        """Iterate over those that are open now; they may be closed meanwhile."""
        return iter(list(self._open))

    def add(self, connection: Droppable) -> bool:
        """Add a new connection; False if there is no room for it.

        Where there are too many, one at the lowest stage is closed, the one that was not used for longest of these.
        Connections with a request that is being answered are never closed.
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
        """Note that a connection brought a request."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None

    def discard(self, connection: Droppable) -> None:
        """Note that a connection is closed."""
        self._open.pop(connection, None)


class Receiving(Protocol):
    """A request of a caller without the login whose body has not come to its end."""

    @property
    def received(self) -> int:
        """How many bytes of it have come."""

    def give_up(self) -> None:
        """Refuse the request, and give back the bytes that have come."""


class UntrustedBodies:
    """The bodies without the login that are being received, the one that has begun first at the front.

    Label Studio's webhooks carry no login, and are lost if they are refused: callers that never finish must not keep
    them out. So the longest-running body gives way where there is no room for another.
    """

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._open: dict[Receiving, None] = {}

    def make_room(self, size: int, request: Receiving, before: int = 0) -> None:
        """Give up bodies that have begun before that of `request`, until its next `size` bytes have room.

        `before` of its bytes are counted. Where those are many, bodies of few bytes stay: their room is not for it.
        """
        large = before + size > FEW
        for older in list(self._open):
            if older is request or not self._budget.share_is_full(size, before):
                return
            if not large or older.received > FEW:
                del self._open[older]
                older.give_up()

    def begin(self, request: Receiving) -> None:
        """Note that the first bytes of a body have come."""
        self._open[request] = None

    def end(self, request: Receiving) -> None:
        """Note that a body is complete, or will not be."""
        self._open.pop(request, None)


@dataclass(eq=False)
class Site:
    """What all connections share. `date` is the Date header's line; `draining` asks callers to leave."""

    endpoints: Answering
    max_body: int
    budget: BodyBudget = field(default_factory=BodyBudget)
    connections: Connections = field(default_factory=Connections)
    draining: bool = False
    date: bytes = b""
    untrusted: UntrustedBodies = field(init=False)

    def __post_init__(self) -> None:
        """Let the bodies without the login share the budget."""
        self.untrusted = UntrustedBodies(self.budget)


def too_large(limit: int, *, trusted: bool = True) -> BodyTooLarge:
    """Return the error of a body over `limit` bytes; one that is not trusted may be larger with the login."""
    if not limit:
        return BodyTooLarge("This address takes no body", fix="Send the request without one", field="body")
    return BodyTooLarge(
        f"The body is larger than {limit} bytes",
        fix="Send fewer tasks in one request, or raise LABEL_STUDIO_ML_MAX_BODY"
        if trusted
        else "Give this backend's user and password, or send less",
        field="body",
    )
