"""End the runs of a project: for each way of ending, the events, the job's record and the next run.

The table is `run_end.RULES`. Each write of the state "failed" or "interrupted" sends a notice (`JobStore.on_failure`),
so the end of a run writes it once.
"""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from label_studio_ml.errors import BrokerError
from label_studio_ml.storage.retries import pause_after, retry
from label_studio_ml.support.texts import our_command, plural
from label_studio_ml.training.policy import Decision, Entry
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.run_request import Outcome
from label_studio_ml.training.records.job_record import now
from label_studio_ml.training.records.training_figures import count
from label_studio_ml.training.worker.leased_project import LeasedProject
from label_studio_ml.training.worker.run_end import FINAL_STATE, RULES, EndKind, Fate, RunEnd, Starts
from label_studio_ml.training.worker.version_commit import commit_progress

logger = logging.getLogger(__name__)

#: Longest pause in seconds before a run that failed for a cause that may pass is tried again.
MAX_PAUSE = 900.0
#: Seconds during which the write of an outcome is tried again.
WRITE_TIMEOUT = 10.0


@dataclass(frozen=True)
class Recovery:
    """What was done for a run that broke off.

    `current` is the id of the event that it was processing, empty if that is not known. `completed` are the ids of the
    events that are in a version now. `is_recorded`: the job's record has its final state.
    """

    current: str = ""
    completed: frozenset[str] = frozenset()
    is_recorded: bool = False

    def unprocessed(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the event that the run was processing, or all events without an outcome if it is not known."""
        remaining = [entry for entry in entries if entry.id not in self.completed]
        return [entry for entry in remaining if entry.id == self.current] or remaining


class ResultHandler:
    """Ends the runs of one project. Every method raises BrokerError and redis.RedisError."""

    def __init__(self, project: LeasedProject) -> None:
        self._project = project
        self._uid, self._job_store = project.uid, project.job_store

    def finish(self, end: RunEnd) -> None:
        """Do what the table says for the end of a run. Raises LeaseLost: then the events belong to another worker."""
        rule, project = RULES[end.kind], self._project
        if rule.renews_lease:
            project.lease.renew()
        if rule.counted:
            count(self._job_store, str(end.fields["state"]) if rule.counted == FINAL_STATE else rule.counted)
        recovery = self.recover(end.error, end.error_code) if rule.recovers else Recovery()
        if rule.starts is Starts.UNDONE:
            self._job_store.queues.undo_begin(self._uid)
        elif rule.starts is Starts.RESET:
            self._job_store.queues.reset_begins(self._uid)
        if end.version_id and rule.removes_folder:
            project.store.discard(self._uid, end.version_id)
        if end.version_id and rule.removes_progress:
            with contextlib.suppress(OSError):  # without the version's folder, the file is not used
                project.progress_path.unlink(missing_ok=True)
        runs = self._count(rule.limit.counter) if rule.limit is not None else 0
        if rule.limit is not None and runs >= rule.limit.most:
            events = recovery.unprocessed(end.entries)
            self._set_aside(end.job_id, events, f"{end.error} ({runs} {rule.limit.runs})", end.error_code)
        elif rule.fate is Fate.REMOVED:
            self._settle(end)
        elif rule.fate is Fate.SET_ASIDE:
            self._set_aside(end.job_id, end.entries, end.error, end.error_code)
        elif rule.fate is Fate.POSTPONED:
            self.postpone(end.job_id, end.decision or self._next_try(end.error, runs), end.entries)
        elif end.job_id is not None and not recovery.is_recorded:
            fields = {"error": end.error, "error_code": end.error_code}
            self._job_store.update_job(end.job_id, state="interrupted", ended=now(), **fields)

    def recover(self, cause: str = "", code: str = "") -> Recovery:
        """Commit the completed events of a run over single events that broke off, if there is one.

        `cause` says why it broke off, empty if its worker died; `code` is the error's. Raises VersionError, and OSError
        if the progress file cannot be removed.
        """
        path = self._project.progress_path
        progress = progress_file.read(path, Outcome)
        if progress is None:
            return Recovery()
        end = commit_progress(self._project, progress, cause, code)
        completed: frozenset[str] = frozenset()
        if end is not None:
            self.finish(end)
            if end.kind is EndKind.RECOVERED:
                completed = frozenset(entry.id for entry in end.entries)
        path.unlink(missing_ok=True)
        is_recorded = end is not None and end.kind in (EndKind.RECOVERED, EndKind.OVERTAKEN)
        return Recovery(progress.current, completed, is_recorded)

    def postpone(self, job_id: str | None, decision: Decision, entries: Sequence[Entry]) -> None:
        """Postpone the project's next run according to `decision`."""
        logger.info("Project %s %s", self._uid, decision.message)
        code = self._project.policies.code
        if not self._job_store.postpone(self._uid, job_id, decision, list(entries), code=code):
            self._job_store.wake(self._uid)  # more events have arrived: decide again
        self._project.postponed.set()

    def _next_try(self, error: str, tries: int) -> Decision:
        """Return the decision for a run that failed for a cause that may pass: the pause doubles with each try."""
        pause = pause_after(tries, first=self._project.settings.sweep, longest=MAX_PAUSE)
        text = f"{error} (try {tries}; the next one is in {pause:.0f} s)"
        logger.warning("Project %s: %s", self._uid, text)
        return Decision(at=self._job_store.queues.clock() + round(pause * 1000), text=text)

    def _count(self, counter: str) -> int:
        """Increment a counter of runs without an outcome, and return it."""
        return int(self._job_store.redis.hincrby(self._job_store.keys.attempts(self._uid), counter, 1))

    def _set_aside(self, job_id: str | None, entries: Sequence[Entry], cause: str, code: str) -> None:
        """Set events aside, and fail the job with the cause and the command that brings the events back."""
        job_id = job_id or self._job_store.new_job(self._uid)
        command = our_command("jobs", self._project.settings.backend_dir, "--retry")
        error = f"{cause}; {plural(len(entries), 'event is', 'events are')} set aside. Bring back: {command}"
        logger.error("Job %s: %s", job_id, error)
        self._job_store.queues.park(self._uid, [entry.id for entry in entries], why=cause, since=now())
        fields = {"error": error, "error_code": code}
        self._job_store.settle(self._uid, job_id, [], state="failed", ended=now(), **fields)

    def _settle(self, end: RunEnd) -> None:
        """Write the outcome of a run to its record, and remove its events; retry for WRITE_TIMEOUT seconds.

        The retries are for a Redis whose disk was full: it accepts writes again only a moment after there is space. The
        lease is renewed before each retry. Raises BrokerError if no try succeeds, and LeaseLost.
        """
        assert end.job_id is not None
        job_id, event_ids = end.job_id, [entry.id for entry in end.entries]
        fields: Mapping[str, object] = {"ended": now(), **end.fields}

        def wait(seconds: float) -> None:
            time.sleep(seconds)
            self._project.lease.renew()

        retry(
            lambda: self._job_store.settle(self._uid, job_id, event_ids, **fields),
            on=BrokerError,
            seconds=WRITE_TIMEOUT,
            first=0.2,
            failed=lambda error: logger.warning(
                "Job %s: its outcome cannot be written yet: %s", job_id, error
            ),
            sleep=wait,
        )
