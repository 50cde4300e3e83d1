"""Where the server hands in events for training. Quick but blocking: the server calls it in a thread.

Label Studio waits a second for a webhook's answer, so Redis gets a small part of that. An event that it has not taken
by then is written to the disk and goes there later, with the same token: whatever became of the first try, it counts
once.
"""

import contextlib
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from label_studio_ml.errors import BackendError, BodyTooLarge, BrokerError
from label_studio_ml.metrics.exposition import Training
from label_studio_ml.protocol import Event
from label_studio_ml.settings import Settings
from label_studio_ml.training import views
from label_studio_ml.training.cancel import request_cancel
from label_studio_ml.training.events import labelled, removed
from label_studio_ml.training.figures import figures
from label_studio_ml.training.jobs import JobBoard, StoredEvent, new_token
from label_studio_ml.training.owner import ForeignQueue
from label_studio_ml.training.reach import BoardOnDemand
from label_studio_ml.training.spool import Spool
from label_studio_ml.training.spool_room import Spooled
from label_studio_ml.training.stalled import Stall, StallWatch
from label_studio_ml.training.untrusted import ids_only
from label_studio_ml.versions.state import Project, Projects

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a webhook waits for Redis in all, its start and its connection included.
BUDGET = 0.2
#: Seconds that others wait for a broker that is just starting, for a connection, and for an answer.
PATIENCE, CONNECT, ANSWER = 0.8, 1.0, 2.0
#: Seconds for which the job of a training that somebody asked for is waited for besides, where Redis is only slow.
ASKED = 1.0
#: Seconds after which a Redis that takes no event is out: that job is not waited for any more.
OUTAGE = 5.0
#: Seconds between two tries of a webhook within its budget, and between two to find out which queue is the backend's.
RETRY, PREPARE = 0.03, 1.0
#: Seconds between two times that a server without work says that it runs.
USE = 15.0
#: Seconds for which Redis is not asked for events without login after it did not answer: each would wait for `BUDGET`,
#: and events with login behind them.
UNANSWERED = 1.0
#: Events that are tried at once, and locks that keep the events of one project in order.
TRIES, LOCKS = 8, 64
#: Bytes of an event that is kept whole. Of a larger one ids only are: the rest is read from Label Studio.
LARGE = 64 << 20


class RedisDesk:
    """Events go into Redis. `url` returns the broker's URL, waiting the given number of seconds for it at most.

    What Redis does not take is kept in the folder `spool`, and goes there when Redis is back. With `projects`, what is
    known of an event's project goes with it: its worker may be on another machine.
    """

    immediate = False

    def __init__(
        self, url: Callable[[float], str], settings: Settings, spool: Path, projects: Projects | None = None
    ) -> None:
        self._projects = projects
        self._spool = Spool(
            spool, self._deliver, events=settings.spool_events, most_bytes=settings.spool_bytes
        )
        server = secrets.token_hex(8)
        self._patient = BoardOnDemand(
            url, settings, patience=(CONNECT, ANSWER), tries=2, wait=PATIENCE, server=server
        )
        self._quick = BoardOnDemand(
            url, settings, patience=(BUDGET, BUDGET), tries=1, wait=BUDGET, server=server
        )
        self._orders = [threading.Lock() for _ in range(LOCKS)]
        self._threads = ThreadPoolExecutor(TRIES, "hand-in")
        self._stopping = threading.Event()
        self._stalls = StallWatch(self._ready_board)
        #: Since when Redis has taken no event, None while it does.
        self._away_since: float | None = None
        #: When Redis did not answer in time for an event.
        self._unanswered = -math.inf
        #: Whether the Redis may have queues of other backends.
        self._shared = bool(settings.redis_url)

    @classmethod
    def of(cls, settings: Settings, url: Callable[[float], str]) -> "RedisDesk":
        """Return the desk that the settings ask for."""
        projects = Projects(settings.model_dir) if settings.store_url else None
        return cls(url, settings, settings.model_dir / "spool", projects)

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Keep an event; return the id of the job that will take it in.

        None if it starts none, or if that is not known yet: then it is on the disk. Raises BrokerError if neither Redis
        nor the disk takes it, and BodyTooLarge.
        """
        deadline = time.monotonic() + BUDGET
        spooled = _kept(event, trusted=trusted, train=train)
        if spooled is None:
            return None
        with self._orders[hash(event.uid) % LOCKS]:  # for the rest of the budget of the one before, at most
            if self._to_ask(trusted=trusted):
                try:
                    job = self._within(spooled, deadline, self._try)
                except BrokerError as error:
                    log = logger.warning if self._away_since is None else logger.debug
                    log("%s; events are kept on the disk", error)
                    self._unanswered = time.monotonic()
                    self._away_since = self._away_since or self._unanswered
                else:
                    self._away_since = None
                    self._unanswered = -math.inf
                    return job
            name = self._spool.reserve()
        self._spool.keep(spooled, name)
        if event.action != "START_TRAINING" or self._is_out():
            return None
        return self._job_of(spooled.token)

    def _is_out(self) -> bool:
        """Tell whether Redis has taken no event for so long that it is not only slow."""
        since = self._away_since
        return since is not None and time.monotonic() - since > OUTAGE

    def rehearse(self, event: Event) -> None:
        """Take as long as `hand_in` of an event without login, and raise what that would, but keep nothing."""
        deadline = time.monotonic() + BUDGET
        spooled = _kept(event, trusted=False, train=True)
        if spooled is None:
            return
        with self._orders[hash(event.uid) % LOCKS]:
            if self._to_ask(trusted=False):
                try:
                    self._within(spooled, deadline, self._ask)
                except BrokerError as error:
                    logger.debug("%s", error)
                    self._unanswered = time.monotonic()
                else:
                    return
        self._spool.room.check()

    def _to_ask(self, *, trusted: bool) -> bool:
        """Tell whether Redis is asked to take an event; where others wait on the disk, it goes behind them."""
        return self._spool.empty() and (trusted or time.monotonic() - self._unanswered > UNANSWERED)

    def _ask(self, spooled: Spooled, deadline: float) -> None:
        """Ask Redis for what it does not have."""
        self._quick.get().job_of(spooled.token)

    def _job_of(self, token: str) -> str | None:
        """Return the job of an event that is on its way from the disk to Redis, None if it takes longer than that."""
        deadline = time.monotonic() + ASKED
        while time.monotonic() < deadline and not self._stopping.wait(RETRY):
            with contextlib.suppress(BrokerError):
                if job := self._quick.get().job_of(token):
                    return job
        return None

    def _within(self, spooled: Spooled, deadline: float, call: Callable[[Spooled, float], T]) -> T:
        """Have `call` hand an event to Redis before `deadline`. Raises BrokerError if it has not taken it by then."""
        try:
            trying = self._threads.submit(call, spooled, deadline)
            return trying.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            trying.cancel()
            raise BrokerError(f"Redis has not answered within {BUDGET:g} s") from None
        except (CancelledError, RuntimeError):  # the server or the interpreter is ending
            raise BrokerError("The backend is shutting down") from None

    def _try(self, spooled: Spooled, deadline: float) -> str | None:
        """Try until `deadline`: Redis may be just starting."""
        while True:
            try:
                return self._store(spooled, self._quick, deadline)
            except BrokerError:
                if time.monotonic() + RETRY > deadline:
                    raise
                time.sleep(RETRY)

    def _deliver(self, spooled: Spooled) -> None:
        """Hand over an event that was kept on the disk. Raises BrokerError."""
        self._store(spooled, self._patient)
        self._away_since = None

    def start(self) -> None:
        """Hand over what an earlier server kept on the disk, and find out which queue is the backend's.

        It is logged where the disk keeps no events.
        """
        if problem := self._spool.problem:
            logger.warning("%s", problem)
        if self._spool.events:
            self._spool.start()
        threading.Thread(target=self._use_queue, daemon=True, name="queue").start()
        self._stalls.start(self._stopping)

    def _use_queue(self) -> None:
        """Find out which queue is the backend's as soon as Redis can be had, and say now and then that it is used."""
        said, told = "", False
        while not self._stopping.is_set():
            try:
                if not told:
                    self._patient.say_left_behind()
                    told = True
                self._patient.get()
                self._quick.get()
            except BrokerError as error:
                if str(error) != said:
                    logger.debug("The queue is not known yet: %s", error)
                    said = str(error)
                self._stopping.wait(PREPARE)
            except Exception:  # nobody else would say that the queue is used
                logger.exception("Looking for the queue failed")
                self._stopping.wait(USE)
            else:
                if not self._shared:
                    return
                self._stopping.wait(USE)

    def stop(self) -> None:
        """Hand nothing over any more; what is on the disk stays."""
        self._stopping.set()
        self._spool.stop()
        self._patient.end()
        self._quick.release()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def stall(self) -> Stall | None:
        """The projects whose events have waited for too long, None if none has."""
        return self._stalls.stall

    @property
    def spooled(self) -> int:
        """How many events wait on the disk."""
        return self._spool.events

    @property
    def spooled_bytes(self) -> int:
        """How many bytes they have."""
        return self._spool.room.size

    @property
    def refused(self) -> int:
        """How many events were refused since the start because the disk keeps no more."""
        return self._spool.room.refused

    @property
    def spool_problem(self) -> str:
        """Why no more events are kept on the disk, empty if some are."""
        return self._spool.problem

    @property
    def kept(self) -> int:
        """How many events were kept on the disk since the start."""
        return self._spool.kept

    def figures(self) -> Training | None:
        """Return the trainings in numbers. Raises BrokerError."""
        return figures(self._ready_board())

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record with the last lines of its log, None if there is none. Raises BrokerError."""
        return views.one(self._ready_board(), job_id)

    def jobs(self, uid: str, most: int) -> list[dict[str, Any]]:
        """Return the project's job records, newest first, `most` of them. Raises BrokerError."""
        return views.several(self._ready_board(), uid, most)

    def renewal(self, uid: str) -> dict[str, Any] | None:
        """Return how far a project's tasks have predictions of a new version. Raises BrokerError."""
        return views.renewal(self._ready_board(), uid)

    def job_log(self, job_id: str, after: int) -> dict[str, Any] | None:
        """Return the lines of a job's log from number `after` on, None if there is no such job."""
        return views.log(self._ready_board(), job_id, after)

    def job_metrics(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's metrics over time, None if there is no such job. Raises BrokerError."""
        return views.metrics(self._ready_board(), job_id)

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Ask for a job's end, and return its record. Raises UnknownJob, JobEnded and BrokerError."""
        return views.describe(request_cancel(self._ready_board(), job_id))

    def running_job(self, uid: str) -> str | None:
        """Return the id of the project's job that runs or waits for a worker only, None if there is none.

        Raises BrokerError.
        """
        return next(
            (job.id for job in self._ready_board().jobs(uid) if job.running and not job.postponed), None
        )

    def forget(self, uid: str) -> None:
        """Remove everything of a project. Raises BrokerError."""
        self._ready_board().forget(uid)

    def described(self, uid: str) -> Project | None:
        """Return what any server knows of a project, None if none does. Raises BrokerError."""
        return self._ready_board().described(uid)

    def describe(self, project: Project) -> None:
        """Let all servers and workers know what `/setup` told this one. Raises BrokerError."""
        self._ready_board().describe(project, setup=True)

    def _ready_board(self) -> JobBoard:
        return self._patient.get()

    def _store(self, spooled: Spooled, way: BoardOnDemand, deadline: float = math.inf) -> str | None:
        """Put an event into Redis; doing it twice changes nothing. Nothing more is begun after `deadline`."""
        event = spooled.event
        board = way.get()
        if spooled.trusted:
            gone_tasks, gone_annotations = removed(event)
            if gone_tasks or gone_annotations:
                board.undeliver(event.uid, tasks=gone_tasks, annotations=gone_annotations)
            pairs = labelled(event)
            if pairs and not _late(deadline):
                if event.ids_only:  # what an earlier event brought of these annotations is out of date
                    board.undeliver(event.uid, annotations=[annotation.get("id") for _, annotation in pairs])
                else:
                    board.deliver(event.uid, pairs)
        if _late(deadline):
            raise BrokerError(f"Redis has not taken an event within {BUDGET:g} s")
        if not spooled.train:
            return None
        known = self._known(event.uid)
        if known is not None:
            board.describe(known)
        stored, large = StoredEvent(event.action, event.data, spooled.trusted, caller=event.caller), False
        if spooled.trusted and (event.ids_only or event.size > LARGE):
            stored, large = msgspec.structs.replace(stored, data=ids_only(event), trusted=False), True
        try:
            return board.record(event.uid, stored, spooled.token, bounded=not large)
        except ForeignQueue:
            self._quick.drop()
            self._patient.drop()
            raise

    def _known(self, uid: str) -> Project | None:
        """Return what goes with an event of a project; None where it cannot be read: the event matters more."""
        try:
            return self._projects.get(uid) if self._projects is not None else None
        except BackendError as error:
            logger.warning("Project %s: what is known of it cannot be read: %s", uid, error)
            return None


def _kept(event: Event, *, trusted: bool, train: bool) -> Spooled | None:
    """Return what is kept of an event, None if nothing: it starts no training, and says nothing of annotations.

    Its label config and title are not: they are for the server that got it. Raises BodyTooLarge for a request to train
    on more tasks than can be kept.
    """
    data = event.data
    if not trusted:
        if not train:
            return None
        data = ids_only(event)
    elif event.action == "START_TRAINING" and event.size > LARGE:
        raise BodyTooLarge(
            f"The training request has {event.size >> 20} MiB; at most {LARGE >> 20} are kept",
            fix="Send no tasks: they are read from Label Studio",
            field="annotations",
        )
    elif not train and not any(removed(event)) and not labelled(event):
        return None
    kept = msgspec.structs.replace(event, label_config="", title="", data=data)
    return Spooled(kept, trusted, train, new_token())


def _late(deadline: float) -> bool:
    return time.monotonic() > deadline
