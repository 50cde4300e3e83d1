"""What the endpoints ask of whoever trains."""

from typing import Any, Protocol

from label_studio_ml.metrics.exposition import Training
from label_studio_ml.protocol import Event
from label_studio_ml.training.stalled import Stall


class TrainingDesk(Protocol):
    """Where events are handed in for training. Its methods block for a moment: they are called in a thread."""

    #: Whether `hand_in` returns only after the training.
    immediate: bool

    @property
    def spooled(self) -> int:
        """How many events wait on this server's disk for a Redis that is away."""

    @property
    def kept(self) -> int:
        """How many events were kept there since the start."""

    @property
    def spooled_bytes(self) -> int:
        """How many bytes the events on this server's disk have."""

    @property
    def refused(self) -> int:
        """How many events were refused since the start because the disk keeps no more."""

    @property
    def stall(self) -> Stall | None:
        """The projects whose events have waited for too long, None if none has."""

    @property
    def spool_problem(self) -> str:
        """Why the disk keeps no more events, empty if it does."""

    def start(self) -> None:
        """Hand over what an earlier server kept."""

    def stop(self) -> None:
        """Hand nothing over any more."""

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Keep an event; return the id of the training job that will take it in, None if it starts none."""

    def rehearse(self, event: Event) -> None:
        """Take as long as `hand_in` of an event without login, and raise what that would, but keep nothing."""

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record as JSON values, None if there is none."""

    def jobs(self, uid: str, most: int) -> list[dict[str, Any]]:
        """Return the project's job records as JSON values, newest first, `most` of them."""

    def renewal(self, uid: str) -> dict[str, Any] | None:
        """Return how far a project's tasks have predictions of the last training's version, None if they get none."""

    def job_log(self, job_id: str, after: int) -> dict[str, Any] | None:
        """Return the lines of a job's log from number `after` on, None if there is no such job.

        A negative number counts from the end.
        """

    def job_metrics(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's metrics over time, None if there is no such job."""

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Ask for a job's end, and return its record. Raises UnknownJob, and JobEnded where it is too late."""

    def running_job(self, uid: str) -> str | None:
        """Return the id of the project's waiting or running job, None if there is none."""

    def forget(self, uid: str) -> None:
        """Remove everything of a project."""

    def figures(self) -> Training | None:
        """Return the trainings in numbers, None where nobody counts them. Raises BrokerError."""
