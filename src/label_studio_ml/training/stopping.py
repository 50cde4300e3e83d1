"""Telling a worker to stop: by a signal at any moment of its life, or from another thread.

A signal handler takes no lock: a lock that the interrupted code holds would never be free again. It writes plain
attributes and puts into a `SimpleQueue`, which may be interrupted by itself; a thread does the rest.
"""

import queue
import signal
import threading
from types import FrameType


class Stopping:
    """Whether a worker is to stop, from the first signal on.

    `told` is set when no further training is to be taken, `handing_back` when the training that runs is to be handed
    back. `requested` is true from the moment a signal arrives, before any thread could set `told`. While `idle`, a
    signal ends the main thread's wait with SystemExit. `grace` is the seconds that a running training has after
    SIGTERM.
    """

    def __init__(self) -> None:
        self.told = threading.Event()
        self.handing_back = threading.Event()
        self.requested = False
        self.idle = False
        self.grace = 0.0
        self._signals: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._installed = False

    def install(self) -> None:
        """Handle SIGTERM and SIGINT from now on. Called in the main thread; a second call changes nothing."""
        if self._installed:
            return
        self._installed = True
        threading.Thread(target=self._obey, daemon=True, name="signals").start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def tell(self, grace: float) -> None:
        """Take no further training, and hand the one that runs back in `grace` seconds. Not for signal handlers."""
        self.requested = True
        self.told.set()
        if grace:
            timer = threading.Timer(grace, self.handing_back.set)
            timer.daemon = True
            timer.start()
        else:
            self.handing_back.set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._signals.put(self.grace if number == signal.SIGTERM else 0.0)
        if self.idle:
            raise SystemExit(0)

    def _obey(self) -> None:
        """Do what signals ask for, the first of a kind only: the same one sent again changes nothing."""
        shortest = float("inf")
        while shortest:
            grace = self._signals.get()
            if grace < shortest:
                shortest = grace
                self.tell(grace)
