"""The worker: takes wake-ups from RQ and has one project trained at a time. It may have other work beside that."""

import logging
import os
import signal
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import redis
from rq import Queue, SimpleWorker

from label_studio_ml.errors import BackendError
from label_studio_ml.settings import Settings
from label_studio_ml.training.boards import Holder, open_board, say_left_behind, worker_name
from label_studio_ml.training.jobs import JobBoard, connect
from label_studio_ml.training.mailbox import broker_errors
from label_studio_ml.training.notices import Notices, tell
from label_studio_ml.training.owner import ForeignQueue
from label_studio_ml.training.refusals import explain, wait_for
from label_studio_ml.training.sweeper import sweep_forever
from label_studio_ml.training.trainer import Trainer

logger = logging.getLogger(__name__)

#: Seconds after which a worker that was killed is not counted any more, in looks of the sweeper, and at least.
_PRESENCE, _LEAST_PRESENCE = 6, 5

#: Set when no further training is to be taken, and when the one that runs is to be handed back.
_stopping = threading.Event()
_handing_back = threading.Event()
_trainer: Trainer | None = None
_holder: Holder | None = None
_beside: "Beside | None" = None


class Beside(Protocol):
    """What a worker does when there is nothing to train: the jobs of another queue of RQ, `queue`.

    Jobs of that queue whose worker is not heard of for `life` seconds are begun again.
    """

    queue: str
    life: int

    def begin(self, board: JobBoard, stopping: threading.Event, beat: Callable[[Any], None]) -> None:
        """Get ready. `stopping` is set when the worker is to end; `beat(job)` says that a job is being worked on."""

    def around(self, uid: str) -> AbstractContextManager[None]:
        """Do what is to be done before and after a project's training."""

    def make_room(self) -> None:
        """Leave the memory to a training that begins."""

    def sweep(self) -> None:
        """Look for jobs whose worker is gone. Called every few seconds, by another thread. Raises BrokerError."""

    def close(self) -> None:
        """End what was started."""


def train(uid: str) -> None:
    """Train project `uid`: the function that RQ calls in a worker."""
    if _trainer is None:
        raise RuntimeError("train() runs only inside label_studio_ml.training.worker")
    try:
        if _holder is not None and not _holder.takes(uid):
            return
        with _beside.around(uid) if _beside is not None else nullcontext():
            _trainer.train(uid)
    except BackendError as error:
        logger.error("Project %s: %s", uid, error)
    except redis.RedisError as error:
        logger.error("Project %s: %s", uid, explain(error))


#: Seconds for which RQ waits for work before it asks again; Redis has 10 more to say that there is none.
WAIT = 10


class Worker(SimpleWorker):  # type: ignore[misc]
    """RQ's worker that runs jobs in its own process (ours start a child).

    It ends at once on SIGINT, and on SIGTERM when the training that runs has ended or its `grace` (in seconds) is over.
    """

    max_connection_wait_time = 5.0
    grace = 0.0
    beside: Beside | None = None
    holder: Holder | None = None

    def execute_job(self, job: Any, queue: Any) -> Any:
        """Run a job, if the queue is this backend's still; else put it back and end, to find the queue that is."""
        try:
            if self.holder is not None:
                self.holder.check()
        except ForeignQueue as error:
            logger.error("%s", error)
            queue.enqueue_job(job, at_front=True)
            raise SystemExit(1) from None
        except BackendError as error:  # Redis has just gone: RQ will say so
            logger.warning("%s", error)
        return super().execute_job(job, queue)

    def get_heartbeat_ttl(self, job: Any) -> int:
        """Return for how many seconds RQ takes a job for alive without hearing of it."""
        if self.beside is not None and job.origin == self.beside.queue:
            return self.beside.life
        return int(super().get_heartbeat_ttl(job))

    def present(self, seconds: int) -> None:
        """Be counted among the workers for so many seconds, if RQ knows this one already."""
        self.connection.expire(self.key, seconds)

    def subscribe(self) -> None:
        """Listen to none of RQ's commands: a training is cancelled by its record."""

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """Wait for work, whatever becomes of the network meanwhile."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            except redis.exceptions.TimeoutError as error:
                logger.warning("%s", explain(error))

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        tell_to_stop(self.grace if number == signal.SIGTERM else 0.0)
        if self.get_state() in ("idle", "started"):
            raise SystemExit(0)
        self._stop_requested = True  # the run ends, or hands its events back, first


def make_worker(url: str, *queues: str, name: str | None = None) -> Worker:
    """Return a worker with connections of its own: RQ changes their time-outs."""
    connection = connect(url)
    return Worker(
        [Queue(queue, connection=connection) for queue in queues],
        name=name,
        connection=connection,
        worker_ttl=WAIT + 15,
    )


def tell_to_stop(grace: float) -> None:
    """Take no further training, and hand the one that runs back in `grace` seconds."""
    _stopping.set()
    if grace:
        timer = threading.Timer(grace, _handing_back.set)
        timer.daemon = True
        timer.start()
    else:
        _handing_back.set()


def work(
    settings: Settings, beside: Beside | None = None, *, embedded: bool = False, tells: bool = False
) -> None:
    """Run one worker until it is told to stop by SIGTERM or SIGINT.

    `embedded`: the broker is the backend's own. With `tells` a server reads its output, and is told what people who
    look there should know.
    """
    global _trainer, _beside, _holder
    logging.getLogger("rq").setLevel(logging.WARNING)
    connection = connect(settings.redis_url)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stopping.set())
    if not wait_for(connection, _stopping):
        return
    board = _board(connection, settings, embedded=embedded)
    if board is None:
        return
    holder = _holder = Holder(board, settings)
    names = [board.keys.queue, *([board.keys.predictions] if beside is not None else [])]
    worker = make_worker(settings.redis_url, *names, name=worker_name(board.owner, uuid.uuid4().hex))
    worker.grace, worker.beside, worker.holder = settings.grace, beside, holder
    notices = Notices(settings, _stopping, tell if tells else lambda text, level: None)
    board.on_failure, board.on_login = notices.failed, notices.login
    _trainer = Trainer(
        settings,
        board,
        _handing_back,
        make_room=beside.make_room if beside is not None else lambda: None,
    )
    _trainer.memory.forget()
    _beside = beside
    if beside is not None:
        beside.begin(board, _stopping, worker.maintain_heartbeats)

    def look() -> None:
        try:
            holder.check()
        except ForeignQueue as error:
            logger.error("%s", error)
            os.kill(os.getpid(), signal.SIGTERM)  # the next worker finds the queue that is ours
            return
        with broker_errors():
            worker.present(max(_LEAST_PRESENCE, round(_PRESENCE * settings.sweep)))
        if beside is not None:
            beside.sweep()

    swept = (board, _trainer.memory, settings.sweep, _trainer.postponed, _stopping, look)
    threading.Thread(target=sweep_forever, args=swept, daemon=True, name="sweeper").start()
    logger.info("Worker %d waits for training jobs on queue %s", os.getpid(), board.keys.queue)
    try:
        worker.work(logging_level="WARNING")
    finally:
        holder.release()
        if beside is not None:
            beside.close()


def _board(connection: Any, settings: Settings, *, embedded: bool) -> JobBoard | None:
    """Return this backend's job records, waiting until it is known which they are; None if told to stop meanwhile."""
    said = ""
    while not _stopping.is_set():
        try:
            board = open_board(connection, settings, embedded=embedded)
        except BackendError as error:
            if str(error) != said:
                logger.error("%s", error)
                said = str(error)
            _stopping.wait(2.0)
        else:
            say_left_behind(board)
            return board
    return None
