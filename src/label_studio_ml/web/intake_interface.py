"""Interface of the event intake: how endpoints hand in events for training, and query and cancel training jobs."""

from typing import Any, Protocol

from label_studio_ml.monitoring.prometheus import SpoolFigures, Training
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.scheduling.stalled import Stall


class TrainingIntake(Protocol):
    """Event intake and job queries. Methods may block for a moment, so they are called in threads."""

    #: Whether `hand_in` returns only after the training has ended.
    immediate: bool

    @property
    def spool(self) -> SpoolFigures:
        """Figures of this server's spool."""

    @property
    def stall(self) -> Stall | None:
        """Projects whose events have waited too long for a training, None if there are none."""

    @property
    def spool_problem(self) -> str:
        """Why the spool takes no more events, empty if it does."""

    def start(self) -> None:
        """Start delivering the events in the spool, including those of an earlier server."""

    def stop(self) -> None:
        """Stop delivering events; the spool stays on the disk."""

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Store an event; return its training job's id, None without `train` or if the event is in the spool.

        Raises BrokerError if neither Redis nor the disk takes the event, and BodyTooLarge.
        """

    def simulate_hand_in(self, event: Event) -> None:
        """Take as long as `hand_in` does for an untrusted event, and raise the same errors, but store nothing."""

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record as JSON values, None if there is no such job."""

    def jobs(self, uid: str, most: int) -> list[dict[str, Any]]:
        """Return up to `most` job records of a project as JSON values, newest first."""

    def reprediction(self, uid: str) -> dict[str, Any] | None:
        """Return the progress of re-predicting a project's tasks after its last training, None if there is none."""

    def job_log(self, job_id: str, after: int) -> dict[str, Any] | None:
        """Return a job's log lines from number `after` on, None if there is no such job.

        A negative number counts from the end.
        """

    def job_metrics(self, job_id: str) -> dict[str, Any] | None:
        """Return the metrics that a job has reported over time, None if there is no such job."""

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Request the cancellation of a job; return its record. Raises UnknownJob, or JobEnded if it is over."""

    def running_job(self, uid: str) -> str | None:
        """Return the id of the project's running job, or of one that waits only for a worker; None if there is none."""

    def forget(self, uid: str) -> None:
        """Remove a project's events and job records."""

    def figures(self) -> Training | None:
        """Return the training figures, None if this intake has none. Raises BrokerError."""
