"""A deadline for a whole transfer, which also holds against a server that sends single bytes with long pauses.

A socket timeout restarts with each byte. So when the deadline passes, a timer thread shuts down every socket that
the transfer uses, and reads that block on them return.
"""

import contextlib
import os
import socket
import threading
import time
from contextvars import ContextVar, Token

_current: ContextVar["Deadline | None"] = ContextVar("label_studio_ml_deadline", default=None)


class Deadline:
    """A context manager that shuts down the attached sockets `seconds` after its `with` block is entered."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut_down_all)
        self._timer.daemon = True
        self._has_passed = False
        self._token: Token[Deadline | None] | None = None

    @property
    def remaining(self) -> float:
        """The seconds that are left, at least 0."""
        return max(self._end - time.monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self._has_passed or not self.remaining

    def __enter__(self) -> "Deadline":
        self._end = time.monotonic() + self.seconds
        self._token = _current.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._token is not None:
            _current.reset(self._token)
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for handle in sockets:
            handle.close()

    def attach(self, descriptor: int) -> None:
        """Shut down the connection of this socket when the time is up, even while a TLS layer owns the socket.

        If the time is up already, the connection is shut down at once.
        """
        handle = socket.socket(fileno=os.dup(descriptor))
        with self._lock:
            self._sockets.append(handle)
            has_passed = self._has_passed
        if has_passed:
            self._shut_down_all()

    def _shut_down_all(self) -> None:
        with self._lock:
            self._has_passed = True
            for handle in self._sockets:
                with contextlib.suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)


def current() -> Deadline | None:
    """Return the deadline of the current context's transfer, None if there is none."""
    return _current.get()
