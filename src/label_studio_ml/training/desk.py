"""Where the server hands in events for training. Quick but blocking: the server calls it in a thread."""

import time
from collections.abc import Callable
from typing import Any

from label_studio_ml.errors import BrokerError
from label_studio_ml.metrics.exposition import Training
from label_studio_ml.protocol import Event
from label_studio_ml.training import views
from label_studio_ml.training.cancel import request_cancel
from label_studio_ml.training.events import ids_only, labelled, removed
from label_studio_ml.training.figures import figures
from label_studio_ml.training.jobs import JobBoard, StoredEvent, connect, new_token

#: Seconds that a webhook waits for a broker that is just starting; Label Studio waits 1.
PATIENCE = 0.8


class RedisDesk:
    """Events go into Redis. `url` returns the broker's URL, waiting the given number of seconds for it at most."""

    immediate = False
    spooled = 0

    def __init__(self, url: Callable[[float], str], queue: str) -> None:
        self._url = url
        self._queue = queue
        self._board: JobBoard | None = None
        self._board_url = ""

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Keep an event; return the id of the job that will take it in, None if it starts none.

        Tries again for a moment where the broker is just starting. Raises BrokerError.
        """
        deadline, token = time.monotonic() + PATIENCE, new_token()
        while True:
            try:
                return self._hand_in(event, trusted, train, token)
            except BrokerError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def figures(self) -> Training | None:
        """Return the trainings in numbers. Raises BrokerError."""
        return figures(self._ready_board(), self._queue)

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record with the last lines of its log, None if there is none. Raises BrokerError."""
        return views.one(self._ready_board(), job_id)

    def jobs(self, uid: str, most: int) -> list[dict[str, Any]]:
        """Return the project's job records, newest first, `most` of them. Raises BrokerError."""
        return views.several(self._ready_board(), uid, most)

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

    def _ready_board(self) -> JobBoard:
        url = self._url(PATIENCE)
        if self._board is None or url != self._board_url:
            self._board, self._board_url = JobBoard(connect(url), self._queue), url
        return self._board

    def _hand_in(self, event: Event, trusted: bool, train: bool, token: str) -> str | None:
        board = self._ready_board()
        if trusted:
            gone_tasks, gone_annotations = removed(event)
            if gone_tasks or gone_annotations:
                board.undeliver(event.uid, tasks=gone_tasks, annotations=gone_annotations)
            pairs = labelled(event)
            if pairs:
                board.deliver(event.uid, pairs)
        if not train:
            return None
        data = event.data if trusted else ids_only(event)
        return board.record(event.uid, StoredEvent(event.action, data, trusted), token)
