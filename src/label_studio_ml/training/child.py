"""A training run's process, as its worker sees it: started, told that the lease holds, watched, and always ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import msgspec

from label_studio_ml.errors import BackendError
from label_studio_ml.settings import Settings
from label_studio_ml.training.lease import RENEW, Lease
from label_studio_ml.training.run import Outcome, RunRequest

#: Part of the lease's life until a child whose worker is silent ends itself.
PATIENCE = 2 / 3
#: Seconds that a child has between SIGTERM and SIGKILL.
TERM_GRACE = 5.0


class Interrupted(BackendError):
    """The worker was told to stop; the events stay for the next one."""


class Crashed(BackendError):
    """The child ended without an outcome."""


class Child:
    """One training run in a process of its own.

    `stopping` is set when the worker is to end: the child is ended then, and `run` raises Interrupted.
    """

    def __init__(
        self, settings: Settings, request: RunRequest, lease: Lease, stopping: threading.Event
    ) -> None:
        self._settings = settings
        self._request = request
        self._lease = lease
        self._stopping = stopping

    def run(self) -> Outcome:
        """Run the training and return its outcome; the process has ended in every case.

        Raises Crashed, LeaseLost or Interrupted.
        """
        logs = self._settings.log_dir / "jobs"
        logs.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        self._lease.renew()
        with theirs, (logs / f"{self._request.job}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "label_studio_ml.training.run", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._settings.child_env(), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        with ours, _ended(child):
            return self._watch(child, ours)

    def _watch(self, child: "subprocess.Popen[bytes]", connection: socket.socket) -> Outcome:
        """Send the request, keep the lease and tell the child so, and wait for the outcome."""
        renewal = self._lease.seconds * RENEW
        connection.settimeout(min(0.5, renewal))
        received = bytearray()
        sender = threading.Thread(
            target=_send, args=(connection.dup(), msgspec.json.encode(self._request) + b"\n"), daemon=True
        )
        sender.start()
        renewed = time.monotonic()
        while not received.endswith(b"\n"):
            if self._stopping.is_set():
                raise Interrupted("the worker was stopped")
            if time.monotonic() - renewed >= renewal:
                renewed = time.monotonic()
                if self._lease.renew() and not sender.is_alive():
                    _tell(connection, since=renewed)
            try:
                data = connection.recv(1 << 20)
            except TimeoutError:
                if child.poll() is None:
                    continue
                data = b""  # it is gone, and something that it started keeps the socket open
            except OSError:
                data = b""
            if not data:
                raise Crashed(f"{_end_of(child)} in fit; its log is logs/jobs/{self._request.job}.log")
            received += data
        self._lease.renew()
        return msgspec.json.decode(bytes(received), type=Outcome)


def _tell(connection: socket.socket, *, since: float) -> None:
    """Tell the child that the lease was renewed, unless this process was stopped for a while since it asked."""
    if time.monotonic() - since < 1.0:
        with contextlib.suppress(OSError):
            connection.sendall(b"\n")


def _send(connection: socket.socket, data: bytes) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(None)
        connection.sendall(data)


@contextlib.contextmanager
def _ended(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """End the child and what it started when the block is left."""
    try:
        yield
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(TERM_GRACE)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _end_of(child: "subprocess.Popen[bytes]") -> str:
    try:
        status = child.wait(5)
    except subprocess.TimeoutExpired:
        return "the training process closed its connection"
    if status < 0:
        name = signal.Signals(-status).name
        return f"the training process was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    return f"the training process ended with status {status}"
