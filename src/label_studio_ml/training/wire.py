"""The lines between a run and its worker: one request in, what the run says, one outcome."""

import contextlib
import socket
import threading

import msgspec

from label_studio_ml.training.job import Report

#: Seconds that a run may take to compare its version with the one before, after its fit.
COMPARING = 3600.0
#: What the worker sends after the request: please stop.
STOP = b"stop\n"

_HEADER = 8


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a fit may take (0: any time), and seconds that one may go on that was asked to stop."""

    fit_timeout: float = 0.0
    cancel_grace: float = 10.0


class Said(Report, omit_defaults=True, kw_only=True):
    """One line that a run sends. `outcome` is the last one's."""

    limits: Limits | None = None
    outcome: msgspec.Raw = msgspec.Raw(b"null")


def send_request(connection: socket.socket, request: bytes) -> None:
    """Send the request, which may be large: the run may not read it for a while."""
    with contextlib.suppress(OSError):
        connection.sendall(len(request).to_bytes(_HEADER, "big") + request)


class RunEnd:
    """The run's end of its connection. Safe to use from several threads and forked processes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def request(self) -> bytes:
        """Return the request. Raises ConnectionError when the worker is gone."""
        return self._exactly(int.from_bytes(self._exactly(_HEADER), "big"))

    def _exactly(self, count: int) -> bytes:
        """Return that many bytes and not one more: what follows is for `asked`."""
        received = bytearray()
        while len(received) < count:
            data = self._connection.recv(min(1 << 20, count - len(received)))
            if not data:
                raise ConnectionError("the worker is gone")
            received += data
        return bytes(received)

    def say(self, said: Report) -> None:
        """Send one line; nothing happens if the worker is gone."""
        line = msgspec.json.encode(said) + b"\n"
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(line)

    def asked(self) -> bool:
        """Tell whether the worker wants the run to stop, or is gone. What it sent stays there for the next call."""
        try:
            self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
