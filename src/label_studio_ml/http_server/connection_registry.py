"""Registry of the open connections. At the connection limit, it closes the connection whose loss costs least."""

import enum
from collections.abc import Iterator
from typing import Protocol

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


class OpenConnection(Protocol):
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


class ConnectionRegistry:
    """The open connections, least recently used first; at most `limit` of them (0: no limit)."""

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._open: dict[OpenConnection, None] = {}
        #: Number of connections closed or refused because of the limit.
        self.closed_at_limit = 0

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._open)

    def __iter__(self) -> Iterator[OpenConnection]:
        """Iterate over the connections open now; they may close during the iteration."""
        return iter(list(self._open))

    def add(self, connection: OpenConnection) -> bool:
        """Register a new connection; return False if it must be refused.

        At the limit, the least recently used connection among those at the lowest stage is closed. Connections whose
        request is being answered are never closed.
        """
        if self._limit and len(self._open) >= self._limit:
            self.closed_at_limit += 1
            if (unused := self._longest_unused()) is None:
                return False
            del self._open[unused]
            unused.abort()
        self._open[connection] = None
        return True

    def _longest_unused(self) -> OpenConnection | None:
        candidate: OpenConnection | None = None
        lowest, examined = Stage.ANSWERING, 0
        for connection in self._open:
            stage = connection.stage
            if stage < lowest:
                candidate, lowest = connection, stage
            if stage < Stage.TRUSTED_BODY:
                examined += 1
            if lowest == Stage.IDLE or examined == CANDIDATES:
                break
        return candidate

    def mark_used(self, connection: OpenConnection) -> None:
        """Move a connection to the most recently used end, because it has received a request."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None

    def discard(self, connection: OpenConnection) -> None:
        """Remove a closed connection."""
        self._open.pop(connection, None)
