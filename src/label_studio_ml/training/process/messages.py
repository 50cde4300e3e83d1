"""The protocol between a worker (parent) and a training process (child): one request, then reports, one outcome."""

import contextlib
import socket
import threading

import msgspec

from label_studio_ml.training.job import Report

#: Limit in seconds for the comparison of the new version with the previous one, after fit.
COMPARISON_TIMEOUT = 3600.0
#: The worker's request to stop the run.
STOP = b"stop\n"

_HEADER = 8


#: Seconds between asking a training to stop and SIGTERM, where class and settings say nothing: as in
#: `LabelStudioMLBase.cancel_grace`.
CANCEL_GRACE = 10.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds: for a fit (0 for no limit), and for a fit after it was asked to stop."""

    fit_timeout: float = 0.0
    cancel_grace: float = CANCEL_GRACE


class RunMessage(Report, omit_defaults=True, kw_only=True):
    """One line that a run sends: a report, the limits of the class, or in the last line the outcome."""

    limits: Limits | None = None
    outcome: msgspec.Raw = msgspec.Raw(b"null")


def send_request(connection: socket.socket, request: bytes) -> None:
    """Send the request after its length. Blocks until the run has read a large request. Errors are ignored."""
    with contextlib.suppress(OSError):
        connection.sendall(len(request).to_bytes(_HEADER, "big") + request)


class WorkerConnection:
    """The connection of a run to its worker. Safe to use from several threads and forked processes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def request(self) -> bytes:
        """Receive and return the request. Raises ConnectionError if the worker has closed the connection."""
        return self._receive_exactly(int.from_bytes(self._receive_exactly(_HEADER), "big"))

    def _receive_exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes: later bytes are left for `stop_requested`."""
        received = bytearray()
        while len(received) < count:
            data = self._connection.recv(min(1 << 20, count - len(received)))
            if not data:
                raise ConnectionError("the worker is gone")
            received += data
        return bytes(received)

    def send(self, message: Report) -> None:
        """Send one line. Errors are ignored: the guard ends the run if the worker is gone."""
        line = msgspec.json.encode(message) + b"\n"
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(line)

    def stop_requested(self) -> bool:
        """Tell whether the worker has asked the run to stop, or is gone. The request is not consumed."""
        try:
            self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
