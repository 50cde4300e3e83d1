"""Let a few calls of another program finish before a signal ends the command."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: The signals, where the system has them: of Ctrl-C, of `kill` and service managers, of a terminal that is closed.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def postponed_end(notice: Callable[[], None]) -> Iterator[None]:
    """Let the block finish at the first Ctrl-C, SIGTERM or SIGHUP, and end the command after it; a second acts at once.

    `notice` is called at the first signal. Use it for a few calls of another program that are of use as a whole only.
    If the block raises, its exception is what ends the command. Signals that are ignored stay so; without effect
    outside of the main thread.
    """
    usual: dict[int, Callable[[int, FrameType | None], Any]] = {}
    received: list[int] = []

    def postpone(number: int, frame: FrameType | None) -> None:
        if received:
            usual[number](number, frame)
        else:
            received.append(number)
            notice()

    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                usual[number] = handler
    for number in usual:
        signal.signal(number, postpone)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    for number in received:
        usual[number](number, None)
