"""Where the server hands in events for training. Quick but blocking: the server calls it in a thread."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.errors import BrokerError
from label_studio_ml.metrics.exposition import Training
from label_studio_ml.protocol import Event
from label_studio_ml.settings import Settings
from label_studio_ml.training import views
from label_studio_ml.training.cancel import request_cancel
from label_studio_ml.training.events import ids_only, labelled, removed
from label_studio_ml.training.figures import figures
from label_studio_ml.training.jobs import JobBoard, StoredEvent, connect, new_token
from label_studio_ml.training.spool import Spool, Spooled
from label_studio_ml.versions.state import Project, Projects

logger = logging.getLogger(__name__)

#: Seconds that a webhook waits for a broker that is just starting; Label Studio waits 1.
PATIENCE = 0.8
#: Seconds that Redis has to take a connection, and to answer.
QUICK = (1.0, 2.0)


class RedisDesk:
    """Events go into Redis. `url` returns the broker's URL, waiting the given number of seconds for it at most.

    What Redis does not take is kept in the folder `spool`, and goes there when Redis is back. With `projects`, what is
    known of an event's project goes with it: its worker may be on another machine.
    """

    immediate = False

    def __init__(
        self, url: Callable[[float], str], queue: str, spool: Path, projects: Projects | None = None
    ) -> None:
        self._projects = projects
        self._spool = Spool(spool, self._store)
        self._url = url
        self._queue = queue
        self._board: JobBoard | None = None
        self._board_url = ""

    @classmethod
    def of(cls, settings: Settings, url: Callable[[float], str]) -> "RedisDesk":
        """Return the desk that the settings ask for."""
        projects = Projects(settings.model_dir) if settings.store_url else None
        return cls(url, settings.queue, settings.model_dir / "spool", projects)

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Keep an event; return the id of the job that will take it in.

        None if it starts none, or if that is not known yet: then it is on the disk. Tries again for a moment where
        the broker is just starting. Raises BrokerError if neither Redis nor the disk takes it.
        """
        if not trusted:
            event = msgspec.structs.replace(event, data=ids_only(event))
        spooled = Spooled(event, trusted, train, new_token())
        deadline = time.monotonic() + PATIENCE
        while not self._spool.waiting():  # where others wait, it goes behind them
            try:
                return self._store(spooled)
            except BrokerError as error:
                if time.monotonic() > deadline:
                    logger.warning("%s; an event is kept on the disk", error)
                    break
                time.sleep(0.05)
        self._spool.keep(spooled)
        return None

    def start(self) -> None:
        """Hand over what an earlier server kept on the disk."""
        if self._spool.waiting():
            self._spool.start()

    def stop(self) -> None:
        """Hand nothing over any more; what is on the disk stays."""
        self._spool.stop()

    @property
    def spooled(self) -> int:
        """How many events wait on the disk."""
        return len(self._spool.waiting())

    @property
    def kept(self) -> int:
        """How many events were kept on the disk since the start."""
        return self._spool.kept

    def figures(self) -> Training | None:
        """Return the trainings in numbers. Raises BrokerError."""
        return figures(self._ready_board(), self._queue)

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
        url = self._url(PATIENCE)
        if self._board is None or url != self._board_url:
            self._board, self._board_url = JobBoard(connect(url, patience=QUICK, tries=2), self._queue), url
        return self._board

    def _store(self, spooled: Spooled) -> str | None:
        """Put an event into Redis; doing it twice changes nothing."""
        event = spooled.event
        board = self._ready_board()
        if spooled.trusted:
            gone_tasks, gone_annotations = removed(event)
            if gone_tasks or gone_annotations:
                board.undeliver(event.uid, tasks=gone_tasks, annotations=gone_annotations)
            pairs = labelled(event)
            if pairs:
                board.deliver(event.uid, pairs)
        if not spooled.train:
            return None
        known = self._projects.get(event.uid) if self._projects is not None else None
        if known is not None:
            board.describe(known)
        stored = StoredEvent(event.action, event.data, spooled.trusted)
        return board.record(event.uid, stored, spooled.token)
