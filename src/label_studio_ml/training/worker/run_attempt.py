"""Run one training on the queued events of a project, from the new version's folder to its commit."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from label_studio_ml.errors import BackendError, BrokerError, VersionError
from label_studio_ml.monitoring.logs import run_id
from label_studio_ml.support.texts import plural
from label_studio_ml.training.policy import Decision, Entry, order, training_requester
from label_studio_ml.training.process.failures import code_of, explained, may_pass, parent_is_damaged
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.records.job_record import now
from label_studio_ml.training.records.job_store import WORKER_ENDED
from label_studio_ml.training.scheduling.lease import LeaseLost
from label_studio_ml.training.worker.child_process import Crashed, RunProcess, TrainingInterrupted
from label_studio_ml.training.worker.handover import handed_over
from label_studio_ml.training.worker.leased_project import LeasedProject
from label_studio_ml.training.worker.run_end import MAX_STARTS, EndKind, RunEnd
from label_studio_ml.training.worker.termination import Ended
from label_studio_ml.training.worker.tracked_job import TrackedJob
from label_studio_ml.training.worker.version_commit import commit

logger = logging.getLogger(__name__)

#: The exceptions with which a training process ends without an outcome.
END_KINDS: Mapping[type[Exception], EndKind] = {
    TrainingInterrupted: EndKind.INTERRUPTED,
    Ended: EndKind.CUT_SHORT,
    LeaseLost: EndKind.LEASE_LOST,
    Crashed: EndKind.CRASHED,
}


@dataclass
class RunAttempt:
    """One run of job `job_id` on the events `entries`.

    `make_room` is called before the training process starts, `stopping` is set when the worker is to stop.
    """

    project: LeasedProject
    job_id: str
    entries: list[Entry]
    stopping: threading.Event
    make_room: Callable[[], None]
    version_id: str = ""

    def run(self) -> list[RunEnd]:
        """Run the training, and return how it ended: for all events, or first for the processed and then for the rest.

        Raises BrokerError and redis.RedisError; then the events stay in the event queue.
        """
        project, store = self.project, self.project.store
        try:
            store.clear_unfinished(project.uid)
            fence = project.next_fence()
            store.line(project.uid)  # raises DecisionError if the new version's parent cannot be determined
            version_id = store.new_id(project.uid)
        except (VersionError, OSError) as error:
            return [self._run_end(EndKind.MAY_PASS, str(error), code=code_of(error, VersionError))]
        code, clock = project.policies.code, project.job_store.queues.clock()
        starts = project.job_store.queues.begin(project.uid)
        if starts > MAX_STARTS:
            cause = f"{starts - 1} runs ended with their worker"
            return [self._run_end(EndKind.WORN_OUT, cause, code=WORKER_ENDED)]
        self.version_id = version_id
        self._write_start()
        tracked = TrackedJob(project, self.job_id, version_id)
        ends: list[RunEnd] = []
        try:
            ends = self._train_and_commit(tracked, code, clock, fence)
        finally:
            tracked.finish(ends)
        return ends

    def _train_and_commit(self, tracked: TrackedJob, code: str, clock: int, fence: int) -> list[RunEnd]:
        """Run the training process and commit its version; return how the run ended."""
        project = self.project
        began = time.monotonic()
        request, outcome = self._train(tracked, code, clock)
        if isinstance(outcome, RunEnd):
            return [outcome]
        if outcome.policy is not None:
            project.policies.learn(code, outcome.policy, outcome.generation)
        if outcome.postponed:
            return [self._not_due(outcome, clock)]
        ends = self._commit_outcome(outcome, request, fence)
        logger.info("Job %s took %.1f s", self.job_id, time.monotonic() - began)
        return ends

    def _write_start(self) -> None:
        """Write the start of the run to the job's record and to the log."""
        fields: dict[str, object] = {"events": len(self.entries), "message": "", "upto": self.entries[-1].id}
        if asked_by := training_requester(self.entries):  # the events may include some of an earlier job
            fields["asked_by"] = asked_by
        self.project.job_store.update_job(self.job_id, state="started", started=now(), **fields)
        events = plural(len(self.entries), "event")
        logger.info("Job %s: training project %s on %s", self.job_id, self.project.uid, events)
        run_id.set(self.job_id)

    def _train(
        self, tracked: TrackedJob, code: str, clock: int
    ) -> tuple[RunRequest | None, Outcome | RunEnd]:
        """Run the training process; return its request, None if it could not be made, and its outcome or end."""
        project, settings = self.project, self.project.settings
        request = None
        try:
            workdir = str(project.store.begin(project.uid, self.version_id))
            request = project.request(self.job_id, self.entries, workdir, clock)
            all_events = project.policies.generation(code) != "seed"
            folder = settings.model_dir / "runs"
            with handed_over(
                project.job_store, request, self.entries, folder, all_events=all_events
            ) as request_with_files:
                self.make_room()
                process = RunProcess(
                    settings, request_with_files, project.lease, self.stopping, project.job_store, tracked
                )
                return request, process.run()
        except BrokerError:
            raise
        except (BackendError, OSError, msgspec.MsgspecError) as error:
            kind = END_KINDS.get(type(error))
            if kind is None:
                return request, self._failure(error)
            logger.log(
                logging.ERROR if kind is EndKind.CRASHED else logging.INFO, "Job %s: %s", self.job_id, error
            )
            fields = error.fields if isinstance(error, Ended) else {}
            return request, self._run_end(kind, str(error), fields, code=code_of(error))

    def _failure(self, error: Exception) -> Outcome:
        """Return the outcome of a run that failed with an error in this process."""
        model_dir = self.project.settings.model_dir
        if isinstance(error, OSError):
            return Outcome(error=explained(error, model_dir), error_code=VersionError.code, passing=True)
        if isinstance(error, BackendError):
            return Outcome(error=str(error), error_code=error.code, passing=may_pass(error, model_dir))
        return Outcome(
            error=f"the training process answered with something unreadable: {error}", error_code=Crashed.code
        )

    def _not_due(self, outcome: Outcome, clock: int) -> RunEnd:
        """Return the end of a run that the training process refused as not due."""
        project = self.project
        if outcome.labelled >= 0:
            project.policies.learn_labelled(project.uid, outcome.labelled, self.entries[-1].id, clock)
        decision = Decision(due=True)
        if outcome.policy is not None:
            decision = project.decide(outcome.policy, self.entries, clock)
        if decision.due:  # refused for another reason than the policy: check again immediately
            decision = Decision(at=clock, text=outcome.postponed)
        return RunEnd(EndKind.NOT_DUE, self.entries, self.job_id, self.version_id, decision=decision)

    def _commit_outcome(self, outcome: Outcome, request: RunRequest | None, fence: int) -> list[RunEnd]:
        """Commit the version of a run that returned `outcome`; return its end, and the end of the events left over."""
        if outcome.error:
            code = f" ({outcome.error_code})" if outcome.error_code else ""
            logger.error("Job %s failed: %s%s", self.job_id, outcome.error, code)
        processed = self._processed(outcome, request)
        ends = []
        if processed:
            end = commit(
                self.project,
                self.job_id,
                request,
                outcome,
                entries=self.entries,
                processed=processed,
                version_id=self.version_id,
                fence=fence,
            )
            if end.kind is not EndKind.SETTLED:
                return [end]
            ends.append(end)
        if remaining := self.entries[len(processed) :]:
            kind = EndKind.STUCK if outcome.stuck else EndKind.MAY_PASS
            job_id, version_id = (None, "") if processed else (self.job_id, self.version_id)
            ends.append(RunEnd(kind, remaining, job_id, version_id, outcome.error, outcome.error_code))
        return ends

    def _processed(self, outcome: Outcome, request: RunRequest | None) -> list[Entry]:
        """Return the events that `outcome` covers: none if the run failed for a cause that may pass."""
        if outcome.last:
            return [entry for entry in self.entries if order(entry.id) <= order(outcome.last)]
        failed = outcome.error and not outcome.changed
        if failed and (outcome.passing or parent_is_damaged(self.project.store, request)):
            return []
        return self.entries

    def _run_end(
        self, kind: EndKind, error: str, fields: Mapping[str, object] | None = None, *, code: str = ""
    ) -> RunEnd:
        return RunEnd(kind, self.entries, self.job_id, self.version_id, error, code, fields or {})
