"""Stop a worker, by a signal at any time or from another thread.

The signal handler takes no lock: if the interrupted code held that lock, the process would hang. The handler writes
plain attributes and puts an item into a `SimpleQueue`, whose `put` is reentrant; a thread does the rest.
"""

import queue
import signal
import threading
from types import FrameType


class WorkerStop:
    """The state of a worker's stop.

    The event `begun` is set when the worker must take no further job, `interrupting` when it must interrupt the running
    training, whose events go to the next worker. `requested` is True as soon as a signal arrives, before a thread sets
    `begun`. While `idle` is True, a signal raises SystemExit in the main thread. `grace` is the time in seconds that a
    running training has after SIGTERM.
    """

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.interrupting = threading.Event()
        self.requested = False
        self.idle = False
        self.grace = 0.0
        self._signals: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._installed = False

    def install(self) -> None:
        """Install the handlers of SIGTERM and SIGINT. Call it in the main thread; a second call has no effect."""
        if self._installed:
            return
        self._installed = True
        threading.Thread(target=self._handle_signals, daemon=True, name="signals").start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def begin(self, grace: float) -> None:
        """Take no further job, and interrupt the running training after `grace` seconds. Not for signal handlers."""
        self.requested = True
        self.begun.set()
        if grace:
            timer = threading.Timer(grace, self.interrupting.set)
            timer.daemon = True
            timer.start()
        else:
            self.interrupting.set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._signals.put(self.grace if number == signal.SIGTERM else 0.0)
        if self.idle:
            raise SystemExit(0)

    def _handle_signals(self) -> None:
        """Call `begin` for each signal with a shorter grace than those before; other signals have no effect."""
        shortest = float("inf")
        while shortest:
            grace = self._signals.get()
            if grace < shortest:
                shortest = grace
                self.begin(grace)
