"""Run a module of this package in a child process and return the bytes that it sends back.

Used to import or run a user's file only for inspection, which must not happen in this process.
"""

import os
import subprocess
import time

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.open_file_limit import readable


def child_answer(settings: Settings, module: str, *arguments: object, timeout: float) -> tuple[bytes, int]:
    """Run the `main` of `module` in a child process; return the bytes it writes to a pipe, and its exit status.

    The child's first argument is the pipe's descriptor, followed by `arguments`. Its standard output and error are
    discarded. The child has ended when this function returns. Raises TimeoutError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    reading_end, writing_end = os.pipe()
    with os.fdopen(reading_end, "rb") as answer:
        try:
            process = subprocess.Popen(
                command(settings, module, writing_end, *arguments),
                pass_fds=[writing_end],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(writing_end)
        try:
            received = _received(answer.fileno(), process, deadline)
            return received, process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            process.kill()
            process.wait()


def _received(descriptor: int, process: "subprocess.Popen[bytes]", deadline: float) -> bytes:
    """Return the bytes from `descriptor` until the process has ended. Raises TimeoutError at `deadline`."""
    received = bytearray()
    while True:
        ended = process.poll() is not None
        if readable([descriptor], 0 if ended else 0.1):
            if not (data := os.read(descriptor, 1 << 16)):
                return bytes(received)
            received += data
        elif ended:
            return bytes(received)  # a process forked by the user's file may keep the pipe open
        if time.monotonic() > deadline:
            raise TimeoutError
