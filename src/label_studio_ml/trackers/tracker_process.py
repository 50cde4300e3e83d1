"""The process of one tracker for one run, started by the worker with the arguments TRACKER and FD.

It reads lines from standard input (`messages`) and writes its answers to descriptor FD. It ends when everything is
delivered, or when its time is up (`time_limit`). A tracker that hangs or crashes so ends only this process.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

import msgspec

from label_studio_ml.config.tracker_settings import TRACKER_TITLES
from label_studio_ml.trackers.delivery import FLUSH_INTERVAL, Delivery
from label_studio_ml.trackers.messages import RunDescription, RunResult, TrackerAnswer, TrackerMessage
from label_studio_ml.trackers.time_limit import Limits, TimeLimit
from label_studio_ml.trackers.tracked_run import TrackedRun, import_client, open_run

#: How a run ended whose worker is gone without a word.
_LOST = RunResult(status="killed", message="its worker ended before it did; a later job has its events")
#: Seconds between two checks of the time limit.
_LIMIT_INTERVAL = 0.5
#: Added to the niceness, so that the training has precedence.
_NICENESS = 10


class _Inbox:
    """The lines from the worker, read in a thread, so that a tracker that is slow never blocks the worker."""

    def __init__(self, lines: BinaryIO, limit: TimeLimit) -> None:
        self._lines = lines
        self._limit = limit
        self.messages: queue.SimpleQueue[TrackerMessage] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True, name="inbox").start()

    def _read(self) -> None:
        has_ended = False
        try:
            for line in self._lines:
                message = msgspec.json.decode(line, type=TrackerMessage)
                if message.end is not None:
                    has_ended = True
                    self._limit.end_run()
                self.messages.put(message)
        except (msgspec.DecodeError, OSError):
            pass  # the worker was killed in the middle of a line
        finally:
            self._limit.end_worker()
            if not has_ended:
                self.messages.put(TrackerMessage(end=_LOST))


def follow(
    tracker: str,
    lines: BinaryIO,
    answers: BinaryIO,
    limit: TimeLimit,
    end_process: Callable[[int], object] = os._exit,
) -> None:
    """Deliver the run that `lines` describe to `tracker`, until it has ended and is delivered.

    `end_process` is called with the exit status 1, in a thread, when the time is up.
    """
    lock = threading.Lock()

    def answer(message: TrackerAnswer) -> None:
        with lock, contextlib.suppress(OSError, ValueError):  # the worker may be gone
            answers.write(msgspec.json.encode(message) + b"\n")
            answers.flush()

    inbox = _Inbox(lines, limit)
    first = inbox.messages.get()
    if first.begin is None:
        return
    delivery = Delivery(TRACKER_TITLES[tracker], partial(_open_run, tracker, limit), answer, first.begin)
    arguments = (limit, delivery, end_process)
    threading.Thread(target=_end_in_time, args=arguments, daemon=True, name="time limit").start()
    while not delivery.done:
        delivery.step()
        _take(inbox.messages, delivery)
    answer(TrackerAnswer(done=True))


def _open_run(tracker: str, limit: TimeLimit, description: RunDescription) -> TrackedRun:
    """Open the run; the time limits begin when the tracker's package is imported, or cannot be."""
    try:
        import_client(tracker)
    finally:
        limit.end_import()
    return open_run(tracker, description)


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


def _end_in_time(limit: TimeLimit, delivery: Delivery, end_process: Callable[[int], object]) -> None:
    """End this process when its time is up, also in the middle of a call of the tracker, unless all is delivered."""
    while not delivery.done:
        if limit.is_exceeded(stores_files=delivery.has_begun_files):
            try:
                delivery.give_up(is_importing=limit.is_importing)
            finally:  # `give_up` may fail: the other thread goes on with the delivery
                end_process(1)
            return
        time.sleep(_LIMIT_INTERVAL)


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
    follow(sys.argv[1], lines, answers, TimeLimit(Limits()))
    os._exit(0)  # without the exit handlers of trackers, which may wait for a server


if __name__ == "__main__":
    main()
