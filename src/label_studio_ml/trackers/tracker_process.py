"""The process of one tracker for one run, started by the worker with the arguments TRACKER and FD.

It reads lines from standard input (`messages`) and writes its answers to descriptor FD. It ends when everything is
delivered, at the latest END_TIMEOUT seconds after the end of the run (ARTIFACT_TIMEOUT if files are stored), and
ORPHAN_TIMEOUT seconds after the worker is gone. A tracker that hangs or crashes so ends only this process.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from functools import partial
from typing import BinaryIO

import msgspec

from label_studio_ml.config.tracker_settings import TRACKER_TITLES
from label_studio_ml.trackers.delivery import FLUSH_INTERVAL, Delivery
from label_studio_ml.trackers.messages import RunResult, TrackerAnswer, TrackerMessage
from label_studio_ml.trackers.tracked_run import open_run

#: Seconds after the end of the run in which everything has to be delivered: without files, and with files.
END_TIMEOUT, ARTIFACT_TIMEOUT = 120.0, 900.0
#: Seconds after the end of the worker in which this process goes on.
ORPHAN_TIMEOUT = 60.0
#: How a run ended whose worker is gone without a word.
_LOST = RunResult(status="killed", message="its worker ended before it did; a later job has its events")
#: Added to the niceness, so that the training has precedence.
_NICENESS = 10


class _Inbox:
    """The lines from the worker, read in a thread, so that a tracker that is slow never blocks the worker."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self.messages: queue.SimpleQueue[TrackerMessage] = queue.SimpleQueue()
        self._lock = threading.Lock()
        #: When this process has to end, on the clock of `time.monotonic`; None while the run goes on.
        self.deadline: float | None = None
        threading.Thread(target=self._read, daemon=True, name="inbox").start()

    def _read(self) -> None:
        has_ended = False
        for line in self._lines:
            message = msgspec.json.decode(line, type=TrackerMessage)
            if message.end is not None:
                has_ended = True
                self._limit(ARTIFACT_TIMEOUT if message.end.folder else END_TIMEOUT)
            self.messages.put(message)
        self._limit(ORPHAN_TIMEOUT)
        if not has_ended:
            self.messages.put(TrackerMessage(end=_LOST))

    def _limit(self, seconds: float) -> None:
        with self._lock:
            deadline = time.monotonic() + seconds
            self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)


def follow(tracker: str, lines: BinaryIO, answers: BinaryIO) -> None:
    """Deliver the run that `lines` describe to `tracker`, until it has ended and is delivered."""
    lock = threading.Lock()

    def answer(message: TrackerAnswer) -> None:
        with lock, contextlib.suppress(OSError, ValueError):  # the worker may be gone
            answers.write(msgspec.json.encode(message) + b"\n")
            answers.flush()

    inbox = _Inbox(lines)
    first = inbox.messages.get()
    if first.begin is None:
        return
    delivery = Delivery(TRACKER_TITLES[tracker], partial(open_run, tracker), answer, first.begin)
    threading.Thread(target=_end_in_time, args=(inbox, delivery), daemon=True, name="time limit").start()
    while not delivery.done:
        delivery.step()
        _take(inbox.messages, delivery)
    answer(TrackerAnswer(done=True))


def _take(messages: "queue.SimpleQueue[TrackerMessage]", delivery: Delivery) -> None:
    """Take the messages of the next FLUSH_INTERVAL seconds; return earlier at the end of the run."""
    deadline = time.monotonic() + FLUSH_INTERVAL
    while (seconds := deadline - time.monotonic()) > 0:
        try:
            message = messages.get(timeout=seconds)
        except queue.Empty:
            return
        if message.params is not None:
            delivery.add_params(message.params)
        if message.point is not None:
            delivery.add_point(message.point)
        if message.end is not None:
            delivery.end(message.end)
            return


def _end_in_time(inbox: _Inbox, delivery: Delivery) -> None:
    """End this process at its deadline, also in the middle of a call of the tracker, unless all is delivered."""
    while not delivery.done:
        if inbox.deadline is not None and time.monotonic() >= inbox.deadline:
            delivery.give_up()
            os._exit(1)
        time.sleep(0.5)


def main() -> int:
    """Run with the arguments of the command line; return the exit status."""
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C in the terminal of `start` is for the server
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    os.set_inheritable(int(sys.argv[2]), False)
    lines, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(int(sys.argv[2]), "wb")
    # Trackers print to standard output, and start processes that would keep the worker's pipes open.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    follow(sys.argv[1], lines, answers)
    os._exit(0)  # without the exit handlers of trackers, which may wait for a server


if __name__ == "__main__":
    main()
