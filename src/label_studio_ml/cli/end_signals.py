"""End a command in order when it gets SIGTERM or SIGHUP: its processes and temporary folders go, as on Ctrl-C."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

#: The signals, where the system has them: of `kill` and service managers, and of a terminal that is closed.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """Raise SystemExit in the block at the first of the signals; later ones are ignored, so that cleanup can finish.

    The exit code is 128 plus the signal's number. Signals that are ignored (`nohup`) or have a handler stay as they
    are, and so do all of them outside of the main thread. A server that sets its own handlers in the block keeps them.
    """
    received = False

    def end(number: int, _: FrameType | None) -> None:
        nonlocal received
        if not received:
            received = True
            raise SystemExit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = [number for number in _SIGNALS if in_main_thread and signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            if signal.getsignal(number) is end:
                signal.signal(number, signal.SIG_DFL)
