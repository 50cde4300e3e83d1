"""Looking, every few seconds, for projects with events whose wake-up got lost, or whose time has come."""

import logging
import threading
from collections.abc import Callable

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.memory import Memory

logger = logging.getLogger(__name__)


def sweep(board: JobBoard, memory: Memory) -> float | None:
    """Wake workers for projects with events that nobody trains and nobody is about to.

    One that waits for more annotations or for a time is left alone until then. Returns the seconds to the next such
    time, None if there is none.
    """
    projects = board.dirty()
    if not projects:
        return None
    code, now = memory.code, board.clock()
    times = []
    for uid in projects:
        hold = board.hold(uid)
        if hold is not None and hold.holds(code, now):
            times += [hold.at] if hold.at is not None else []
        elif not board.leased(uid):
            logger.info("Project %s has events and no run: waking a worker", uid)
            board.wake(uid)
    return max(0.0, (min(times) - now) / 1000) if times else None


def sweep_forever(
    board: JobBoard,
    memory: Memory,
    pause: float,
    postponed: threading.Event,
    stopping: threading.Event,
    also: Callable[[], None] = lambda: None,
) -> None:
    """Sweep every `pause` seconds until `stopping`, sooner where a project's time comes or `postponed` is set.

    `also` is done each time; it may raise BrokerError.
    """
    while not stopping.is_set():
        wait: float | None = None
        postponed.clear()
        try:
            wait = sweep(board, memory)
            also()
        except BrokerError as error:
            logger.warning("%s", error)
        postponed.wait(pause if wait is None else min(pause, max(wait, 0.01)))
