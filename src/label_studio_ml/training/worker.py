"""The worker: takes wake-ups from RQ and has one project trained at a time."""

import logging
import os
import signal
import threading

import redis
from rq import Queue, SimpleWorker

from label_studio_ml.errors import BackendError
from label_studio_ml.settings import Settings
from label_studio_ml.training.jobs import JobBoard, connect
from label_studio_ml.training.refusals import explain, wait_for
from label_studio_ml.training.sweeper import sweep_forever
from label_studio_ml.training.trainer import Trainer

logger = logging.getLogger(__name__)

#: Set when no further training is to be taken, and when the one that runs is to be handed back.
_stopping = threading.Event()
_handing_back = threading.Event()
_trainer: Trainer | None = None


def train(uid: str) -> None:
    """Train project `uid`: the function that RQ calls in a worker."""
    if _trainer is None:
        raise RuntimeError("train() runs only inside label_studio_ml.training.worker")
    try:
        _trainer.train(uid)
    except BackendError as error:
        logger.error("Project %s: %s", uid, error)
    except redis.RedisError as error:
        logger.error("Project %s: %s", uid, explain(error))


class Worker(SimpleWorker):  # type: ignore[misc]
    """RQ's worker that runs jobs in its own process (ours start a child).

    It ends at once on SIGINT, and on SIGTERM when the training that runs has ended or its `grace` (in seconds) is over.
    """

    max_connection_wait_time = 5.0
    grace = 0.0

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        tell_to_stop(self.grace if number == signal.SIGTERM else 0.0)
        if self.get_state() in ("idle", "started"):
            raise SystemExit(0)
        self._stop_requested = True  # the run ends, or hands its events back, first


def tell_to_stop(grace: float) -> None:
    """Take no further training, and hand the one that runs back in `grace` seconds."""
    _stopping.set()
    if grace:
        timer = threading.Timer(grace, _handing_back.set)
        timer.daemon = True
        timer.start()
    else:
        _handing_back.set()


def work(settings: Settings) -> None:
    """Run one worker until it is told to stop by SIGTERM or SIGINT."""
    global _trainer
    logging.getLogger("rq").setLevel(logging.WARNING)
    connection = connect(settings.redis_url)
    board = JobBoard(connection, settings.queue)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stopping.set())
    if not wait_for(connection, _stopping):
        return
    _trainer = Trainer(settings, board, _handing_back)
    _trainer.memory.forget()
    swept = (board, _trainer.memory, settings.sweep, _trainer.postponed, _stopping)
    threading.Thread(target=sweep_forever, args=swept, daemon=True, name="sweeper").start()
    logger.info("Worker %d waits for training jobs on queue %s", os.getpid(), settings.queue)
    worker = Worker([Queue(settings.queue, connection=connection)], connection=connection)
    worker.grace = settings.grace
    worker.work(logging_level="WARNING")
