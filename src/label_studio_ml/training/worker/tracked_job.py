"""A training in the trackers that are switched on: what it is, what it reports, how it ended, and where to look.

Trackers write nothing but where they have the run and what is missing there in the job's record, and warnings in its
log; they have no say in how a run ends.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from label_studio_ml.errors import BrokerError, VersionError
from label_studio_ml.storage.retries import retry
from label_studio_ml.support.secret_values import mask_secrets
from label_studio_ml.support.url_secrets import mask_in_text
from label_studio_ml.trackers.credentials import tracker_secrets
from label_studio_ml.trackers.gaps import record_of
from label_studio_ml.trackers.messages import Gap, RunDescription, RunLink, RunResult, Status
from label_studio_ml.trackers.run_trackers import RunTrackers
from label_studio_ml.training.job import Report
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.records.job_pages import append_line, write_progress
from label_studio_ml.training.records.job_record import now
from label_studio_ml.training.records.run_log import RunLog, Scrubber, append_to_log
from label_studio_ml.training.worker.leased_project import LeasedProject
from label_studio_ml.training.worker.run_end import EndKind, RunEnd

logger = logging.getLogger(__name__)

#: How a run ended, for the trackers; SETTLED and CUT_SHORT depend on the job's final state.
_STATUSES: Mapping[EndKind, Status] = {
    EndKind.INTERRUPTED: "killed",
    EndKind.LEASE_LOST: "killed",
    EndKind.OVERTAKEN: "killed",
}
_STATUSES_OF_STATES: Mapping[str, Status] = {"finished": "finished", "cancelled": "killed"}
#: Seconds during which the write of what a tracker has is tried again.
_WRITE_TIMEOUT = 60.0


class TrackedJob:
    """The trackers of one run of job `job_id`. Without trackers in the settings, no method does anything."""

    def __init__(self, project: LeasedProject, job_id: str, version_id: str) -> None:
        self._project = project
        self._job_id = job_id
        self._version_id = version_id
        self._log: RunLog | None = None
        self._scrubber = Scrubber(tracker_secrets())
        self._states: dict[str, tuple[RunLink | None, Gap]] = {}
        self._earlier_records: Mapping[str, Mapping[str, str]] | None = None
        self._lock, self._write_lock = threading.Lock(), threading.Lock()
        self._trackers = RunTrackers(project.settings, self._write_state, self._warn)

    @contextlib.contextmanager
    def logging_to(self, log: RunLog, scrubber: Scrubber) -> Iterator[None]:
        """Write warnings to `log`, which is open during the block. `scrubber` knows the secrets of the run."""
        self._log, self._scrubber = log, scrubber
        yield

    def observe(self, report: Report, request: RunRequest) -> None:
        """Pass on a report of the run of `request`. The first one that fit begins starts the trackers."""
        with self._without_errors():
            if report.begins:
                self._trackers.begin(partial(self._describe, request))
            if report.point is not None or report.params is not None:
                self._trackers.log(point=report.point, params=self._public_texts(report.params or {}) or None)

    def finish(self, ends: Sequence[RunEnd]) -> None:
        """Pass on how the run ended, after the commit of its version; an empty sequence stands for an error."""
        with self._without_errors():
            if self._trackers.are_running:
                self._trackers.end(self._result(ends[0]) if ends else RunResult(status="killed"))

    @contextlib.contextmanager
    def _without_errors(self) -> Iterator[None]:
        """Log an error of the block instead of raising it: no fault here may end a training."""
        try:
            yield
        except Exception:
            logger.exception("Job %s: its trackers cannot be told of it", self._job_id)

    def _public(self, text: str) -> str:
        """Return a text without the secrets that this worker knows, and without logins and query values in URLs."""
        return mask_in_text(self._scrubber.text(text))

    def _public_texts(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return texts without secrets."""
        return {name: self._public(text) for name, text in texts.items()}

    def _describe(self, request: RunRequest, tracker: str) -> RunDescription:
        """Return the description of the run for a tracker."""
        uid, settings, project = self._project.uid, self._project.settings, request.spec.project
        params = {
            "job": self._job_id,
            "project": uid,
            "parent_version": request.spec.version,
            "label_config": project.label_config,
        }
        tags = {"label_studio_ml.project": uid}
        if project.title:
            tags["label_studio_ml.project_title"] = project.title
        if retried := self._earlier_tries():
            tags["label_studio_ml.retry_of"] = retried[0]
            tags["label_studio_ml.attempt"] = str(len(retried) + 1)
        pages = {"mlflow": settings.trackers.mlflow_page, "tensorboard": settings.trackers.tensorboard_page}
        folder = settings.trackers.tensorboard_dir
        return RunDescription(
            job=self._job_id,
            name=f"project-{uid.partition('.')[0]}-{self._job_id}",
            began=now(),
            params=self._public_texts({name: text for name, text in params.items() if text}),
            tags=self._public_texts(tags),
            experiment=settings.trackers.experiment,
            log_dir=str(settings.log_dir),
            tensorboard_dir=str(
                settings.backend_dir / folder if folder else settings.log_dir / "tensorboard"
            ),
            page=pages.get(tracker, ""),
        )

    def _earlier_tries(self) -> list[str]:
        """Return the jobs before this one, newest first, whose runs broke off so that this one has their events."""
        try:
            tries = self._project.job_store.jobs.interrupted_before(self._project.uid, self._job_id)
        except BrokerError as error:
            logger.warning("Job %s: the jobs before it cannot be read: %s", self._job_id, error)
            return []
        return [job.id for job in tries if job.started]

    def _result(self, end: RunEnd) -> RunResult:
        fields, settings = end.fields, self._project.settings
        state = str(fields.get("state", ""))
        version = str(fields.get("version", ""))
        folder = ""
        if version and settings.trackers.artifact_bytes:
            folder = str(self._project.store.folder(self._project.uid, self._version_id))
        params = {"version": version, "annotations": _count(fields.get("annotations"))}
        metrics: dict[str, Any] = msgspec.json.decode(str(fields.get("metrics") or "{}"))
        return RunResult(
            status=_STATUSES.get(end.kind) or _STATUSES_OF_STATES.get(state, "failed"),
            message=mask_secrets(
                self._public(
                    str(
                        fields.get("error")
                        or end.error
                        or fields.get("ending")
                        or fields.get("held_back")
                        or ""
                    )
                )
            ),
            version=version,
            folder=folder,
            max_bytes=settings.trackers.artifact_bytes,
            versions=self._version_names(),
            metrics=metrics,
            params={name: text for name, text in params.items() if text},
        )

    def _version_names(self) -> list[str] | None:
        """Return the names of the project's versions, None if they cannot be read."""
        try:
            return [manifest.name for manifest in self._project.store.versions(self._project.uid)]
        except (VersionError, OSError) as error:
            logger.warning("Job %s: the project's versions cannot be read: %s", self._job_id, error)
            return None

    def _write_state(self, tracker: str, link: RunLink | None, gap: Gap) -> None:
        """Write where the run is and what is missing there to the job's record; retry while Redis cannot be reached."""
        with self._lock:
            self._states[tracker] = link, gap
        job_store, job_id = self._project.job_store, self._job_id

        def write() -> None:
            if self._earlier_records is None:
                job = job_store.jobs.get(job_id)
                self._earlier_records = {} if job is None else job.trackers
            with self._lock:  # the latest states, also if this write has waited for another one
                fields = {"trackers": msgspec.json.encode(self._records(self._earlier_records)).decode()}
            write_progress(job_store, job_id, fields, points=None, first=0, lines=[])

        try:
            with self._write_lock:
                retry(write, on=BrokerError, seconds=_WRITE_TIMEOUT, first=0.5, longest=5.0)
        except BrokerError as error:
            logger.warning("Job %s: what %s has cannot be written: %s", job_id, tracker, error)

    def _records(self, earlier: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
        """Return the records of all trackers. `earlier` are those of an earlier try of this job.

        A tracker that has not been reached yet has what the earlier try has sent there.
        """
        records = dict(earlier)
        for tracker, (link, gap) in self._states.items():
            if link is None:
                place = {
                    name: text for name, text in earlier.get(tracker, {}).items() if name in ("url", "place")
                }
            else:
                place = {"url": link.url} if link.url else {"place": link.place}
            records[tracker] = record_of(tracker, place, Gap(problem=self._public(gap.problem), fix=gap.fix))
        return records

    def _warn(self, text: str) -> None:
        """Write a warning of a tracker to the log of this process and to the job's log, also after the run's end."""
        line = f"[label-studio-ml: {self._public(text)}]"
        logger.warning("Job %s: %s", self._job_id, line)
        if self._log is not None and self._log.add_line(line):
            return
        try:
            append_to_log(self._project.settings.log_dir / "jobs" / f"{self._job_id}.log", line)
            append_line(self._project.job_store, self._job_id, line)
        except (OSError, BrokerError) as error:
            logger.warning("Job %s: its log cannot be written: %s", self._job_id, error)


def _count(number: object) -> str:
    return str(number) if isinstance(number, int) and number >= 0 else ""
