"""Limit the total time of a call and the size of its answer: `requests` limits only the time between two reads."""

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response

#: The largest answer in bytes that is read.
MAX_BYTES = 64 << 20
#: Bytes that are read at a time.
_CHUNK = 1 << 16


class Endless(Exception):
    """The answer goes on beyond a limit. The text says what came until then.

    `too_large` tells that the limit is that of the size.
    """

    def __init__(self, text: str = "", *, too_large: bool = False) -> None:
        super().__init__(text)
        self.too_large = too_large


def bounded_call(
    send: "Callable[[], Response]", seconds: float, max_bytes: int = MAX_BYTES
) -> "tuple[Response, bytes]":
    """Return the response of `send`, which must not read the body, and the body.

    Raises Endless after `seconds` or beyond `max_bytes`, and what `send` raises. A call that goes on after `seconds` is
    left to a daemon thread, which ends with the next bytes of the body.
    """
    deadline = time.monotonic() + seconds
    results: queue.SimpleQueue[tuple[Response, bytes] | BaseException] = queue.SimpleQueue()

    def call() -> None:
        try:
            response = send()
            results.put((response, read_body(response, deadline, max_bytes)))
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            results.put(error)

    threading.Thread(target=call, daemon=True, name="call").start()
    try:
        result = results.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise Endless(f"{seconds:.0f} s") from None
    if isinstance(result, Endless) and not str(result):
        raise Endless(f"{seconds:.0f} s")
    if isinstance(result, BaseException):
        raise result
    return result


def read_body(response: "Response", deadline: float, max_bytes: int) -> bytes:
    """Return the body of a response. Raises Endless after `deadline`, without a text, and beyond `max_bytes`."""
    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) > max_bytes:
            response.close()
            raise Endless(f"{max_bytes >> 20} MiB", too_large=True)
        if time.monotonic() > deadline:
            response.close()
            raise Endless
    return bytes(content)
