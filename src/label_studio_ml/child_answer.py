"""Run one of this package's modules in a process of its own, and return what it answers.

For code that must not run in this process: a user's file that is imported or run only to look at it.
"""

import os
import subprocess
import time

from label_studio_ml.descriptors import readable
from label_studio_ml.interpreter import command
from label_studio_ml.settings import Settings


def child_answer(settings: Settings, module: str, *arguments: object, patience: float) -> tuple[bytes, int]:
    """Return what the `main` of `module` writes to the descriptor that is its first argument, and its exit status.

    The descriptor stands before `arguments`. What the module prints is dropped. The process has ended when this
    returns. Raises TimeoutError if it takes more than `patience` seconds.
    """
    deadline = time.monotonic() + patience
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as answer:
        try:
            process = subprocess.Popen(
                command(settings, module, theirs, *arguments),
                pass_fds=[theirs],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(theirs)
        try:
            received = _received(answer.fileno(), process, deadline)
            return received, process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            process.kill()
            process.wait()


def _received(descriptor: int, process: "subprocess.Popen[bytes]", deadline: float) -> bytes:
    """Return all that comes from `descriptor` while the process runs. Raises TimeoutError."""
    received = bytearray()
    while True:
        ended = process.poll() is not None
        if readable([descriptor], 0 if ended else 0.1):
            if not (data := os.read(descriptor, 1 << 16)):
                return bytes(received)
            received += data
        elif ended:
            return bytes(received)  # a process that the user's file has forked keeps the pipe open
        if time.monotonic() > deadline:
            raise TimeoutError
