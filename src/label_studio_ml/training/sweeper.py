"""Looking, every few seconds, for projects with events whose wake-up got lost, or whose time has come."""

import logging
import math
import threading
from collections.abc import Callable

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.memory import Memory

logger = logging.getLogger(__name__)


def sweep(board: JobBoard, memory: Memory, lease: float) -> float:
    """Wake workers for projects with events that nobody trains and nobody is about to.

    One that waits for more annotations or for a time is left alone until then. `lease` is the life of a lease in
    seconds. Returns the seconds to the next such time, infinity if there is none.
    """
    projects = board.dirty()
    if not projects:
        return math.inf
    code, now = memory.code, board.clock()
    times = []
    for uid in projects:
        hold = board.hold(uid)
        if hold is not None and hold.holds(code, now):
            times += [hold.at] if hold.at is not None else []
        elif not board.leased(uid, lease):
            logger.info("Project %s has events and no run: waking a worker", uid)
            board.wake(uid)
    return max(0.0, (min(times) - now) / 1000) if times else math.inf


def sweep_forever(
    board: JobBoard,
    memory: Memory,
    lease: float,
    pause: float,
    postponed: threading.Event,
    stopping: threading.Event,
    also: Callable[[], None] = lambda: None,
) -> None:
    """Have one of the workers sweep every `pause` seconds until `stopping`.

    This one does it besides when it starts, when a project's time comes that it knows of, and when `postponed` is set.
    `also` is done each time, whoever sweeps. Whatever goes wrong is logged and tried again: a worker whose sweeper has
    ended would leave projects waiting for ever.
    """
    look = True
    while not stopping.is_set():
        wait, failed = pause, False
        postponed.clear()
        try:
            if board.turn(pause) or look:
                wait = min(pause, sweep(board, memory, lease))
            also()
        except BrokerError as error:
            logger.warning("%s", error)
            failed = True
        except Exception:
            logger.exception("Looking for projects that wait failed")
            failed = True
        told = postponed.wait(max(wait, 0.01))
        look = told or failed or wait < pause
