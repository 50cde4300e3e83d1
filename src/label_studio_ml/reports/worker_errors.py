"""Report the errors of a worker: failed trainings, and tasks without prediction in its prediction jobs."""

import contextlib
import logging
import socket
from collections.abc import Callable, Mapping, Sequence

from label_studio_ml.errors import BackendError, BrokerError, PredictError, StudioAuthError
from label_studio_ml.monitoring.error_groups import ErrorGroups, Kind
from label_studio_ml.reports.error_records import ErrorRecords
from label_studio_ml.training.records.job_record import JobFailure
from label_studio_ml.training.records.job_store import JobStore

logger = logging.getLogger(__name__)

FIX_INTERRUPTED = (
    "A later training has its events. If it is interrupted again, see its log, and logs/rq.log for its worker"
)
FIX_TRAINING = "See the training's log for the traceback, correct the cause, then start the training again"


class WorkerErrors:
    """Writes errors to Redis at once. Best effort: errors of Redis are ignored."""

    def __init__(self, job_store: JobStore) -> None:
        self._records = ErrorRecords(job_store.redis, job_store.keys)

    def after(self, on_failure: Callable[[JobFailure], None]) -> Callable[[JobFailure], None]:
        """Return a function for `JobStore.on_failure` that calls `on_failure`, then reports the training."""

        def failed(failure: JobFailure) -> None:
            on_failure(failure)
            kind: Kind = "interrupted_training" if failure.is_interrupted else "training"
            fix = FIX_INTERRUPTED if failure.is_interrupted else FIX_TRAINING
            self._write(
                lambda groups: groups.add(
                    kind,
                    failure.error,
                    fix=fix,
                    code=failure.error_code,
                    project=failure.project,
                    job=failure.job,
                )
            )

        return failed

    def after_login(
        self, on_login: Callable[[str, str, str, bool], None]
    ) -> Callable[[str, str, str, bool], None]:
        """Return a function for `JobStore.on_login` that calls `on_login`, then reports a Label Studio that refused.

        A run that can read Label Studio again removes the project's reports.
        """

        def ended(project: str, job_id: str, refused: str, trained: bool) -> None:
            on_login(project, job_id, refused, trained)
            if refused:
                self._write(
                    lambda groups: groups.add(
                        "studio", refused, code=StudioAuthError.code, project=project, job=job_id
                    )
                )
            else:
                with contextlib.suppress(BrokerError):
                    self._records.forget(project, kind="studio")

        return ended

    def job(self, project: str, version: str, error: BackendError | OSError) -> None:
        """Report the error that a prediction job ended with."""
        message, fix, code = str(error), "", ""
        if isinstance(error, BackendError):
            message, fix, code = error.message, error.fix, error.code
        self._write(
            lambda groups: groups.add(
                "prediction_job", message, fix=fix, code=code, project=project, version=version
            )
        )

    def tasks(
        self, project: str, version: str, causes: Mapping[str, int], tasks: Mapping[str, Sequence[str]]
    ) -> None:
        """Report the tasks of a job that got no prediction: their number and the ids of some by cause."""

        def add_all(groups: ErrorGroups) -> None:
            for cause, count in causes.items():
                ids = tasks.get(cause, ())
                code = PredictError.code
                groups.add(
                    "prediction_job",
                    cause,
                    code=code,
                    project=project,
                    version=version,
                    tasks=ids,
                    count=count,
                )

        if causes:
            self._write(add_all)

    def _write(self, add: Callable[[ErrorGroups], None]) -> None:
        groups = ErrorGroups(socket.gethostname())
        add(groups)
        try:
            self._records.merge(groups.take())
        except BrokerError as error:
            logger.debug("An error is not shown on the dashboard: %s", error)
