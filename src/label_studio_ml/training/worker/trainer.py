"""Train one project: take the lease, read the event queue, run the training, commit the version, remove the events.

Events are removed only after the commit, so a crash between any two steps repeats work and loses nothing.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import (
    BackendError,
    BrokerError,
    StaleFence,
    StoreError,
    VersionError,
)
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.monitoring.logs import run_id
from label_studio_ml.storage.retries import pause_after
from label_studio_ml.support.texts import our_command, plural
from label_studio_ml.training.job import PreviousVersion
from label_studio_ml.training.policy import Decision, Entry, Policy, Tally, decide, order, prediction_source
from label_studio_ml.training.records.figures import count
from label_studio_ml.training.records.job_board import JobBoard
from label_studio_ml.training.records.job_record import now
from label_studio_ml.training.run import progress_file
from label_studio_ml.training.run.failures import explained, may_pass, parent_is_damaged
from label_studio_ml.training.run.publish import apply_state, publish, published, taken_in
from label_studio_ml.training.run.run_request import Outcome, RunRequest
from label_studio_ml.training.scheduling.cancellation import settle_cancelled
from label_studio_ml.training.scheduling.lease import Lease, LeaseLost
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.training.worker.handover import handed_over, light
from label_studio_ml.training.worker.run_outcome import settle_patiently
from label_studio_ml.training.worker.run_process import Crashed, Interrupted, RunProcess
from label_studio_ml.training.worker.termination import Ended
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Projects

logger = logging.getLogger(__name__)

#: Number of crashed runs of the same events after which the events are set aside.
MAX_CRASHES = 3
#: Number of runs of the same events that may end with their worker before the events are set aside.
MAX_STARTS = 10
#: Number of runs of the same events that fail for a cause that may pass until the events are set aside, in about a day.
MAX_TRIES = 100
#: Longest pause in seconds before such a run is tried again.
LONGEST_PAUSE = 900.0


class Trainer:
    """Trains the projects of one backend in one worker. `postponed` is set whenever a project's run is postponed."""

    def __init__(
        self,
        settings: Settings,
        board: JobBoard,
        stopping: threading.Event,
        *,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the version store. `make_room` is called before each run, to free memory that the worker uses."""
        self._settings = settings
        self._make_room = make_room
        self._board = board
        self._stopping = stopping
        self._lease: Lease  # of the project that is being trained
        self._store = open_store(settings)
        self._projects = Projects(settings.model_dir)
        self.memory = PolicyCache(board, settings)
        self.postponed = threading.Event()

    def train(self, uid: str) -> None:
        """Train project `uid` on its queued events, if a run is due and no other worker trains the project."""
        lease = Lease(self._board.redis, self._board.keys.lease(uid), self._settings.lease)
        if not lease.take():
            logger.info("Project %s is being trained already", uid)
            return
        self._lease = lease
        with contextlib.ExitStack() as stack:
            stack.callback(lease.release)
            stack.callback(run_id.reset, run_id.set(""))  # later log records do not belong to this run
            if self._store.remote:  # calls to a remote store may take longer than the lease
                stack.enter_context(lease.kept())
            try:
                if self._store.remote:
                    self._bring(uid)
                self._look(uid, lease)
            except LeaseLost as error:
                logger.warning("Project %s: %s", uid, error)
            except (VersionError, OSError) as error:
                if entries := self._board.queues.entries(uid):
                    self._try_later(uid, None, str(error), entries)
        if not self._stopping.is_set() and not self._attempts(uid) and self._board.wakeable(uid):
            self._board.wake(uid)

    def _bring(self, uid: str) -> None:
        """Fetch what a run of the project needs from the remote store, and the project's description from Redis.

        Raises LeaseLost, and StoreError if the store is unreachable or would not accept the new version.
        """
        self._store.bring(uid)
        self._store.check()
        known = self._board.descriptions.get(uid)
        if known is not None:
            self._projects.put(known)
        self._lease.renew()
        self._lease.check()

    def _look(self, uid: str, lease: Lease) -> None:
        """Run a training if one is due. Raises VersionError if the project's versions cannot be read."""
        # An error must be raised here, before `take_waiting` removes the waiting job's id from Redis.
        self._store.versions(uid)
        self._recover(uid)
        if self._waits(uid):
            return
        job_id = self._board.take_waiting(uid)
        entries, job_id = settle_cancelled(self._board, uid, job_id, self._unseen(uid))
        if entries and job_id is None:
            job_id = self._board.new_job(uid)
        self._board.close_lost(uid, job_id)
        if entries and job_id is not None:
            self._run(uid, job_id, entries, lease)
        else:
            if job_id is not None:
                self._board.update_job(job_id, state="finished", ended=now())
            self._board.queues.acknowledge(uid, [])

    # Whether a run is due

    def _waits(self, uid: str) -> bool:
        """Tell whether no run is due according to the cached policy (`Memory`), and postpone the run then.

        Without a cached policy the result is False: the training process decides.
        """
        code, clock = self.memory.code, self._board.queues.clock()
        if self._board.cancelling(uid):
            return False
        hold = self._board.postponement(uid)
        if hold is not None and hold.applies(code, clock):
            return True
        policy = self.memory.policy(code)
        if policy is None:
            return False
        entries = self._unseen(uid)
        if not entries:
            return False
        decision = self._decide(uid, policy, entries, clock)
        if decision.due:
            return False
        self._hold(uid, None, decision, entries)
        return True

    def _decide(self, uid: str, policy: Policy, entries: list[Entry], clock: int) -> Decision:
        labelled = self.memory.labelled(uid, entries, clock) if policy.min_annotations else None
        return decide(policy, Tally.of(entries), clock, labelled)

    def _hold(self, uid: str, job_id: str | None, decision: Decision, entries: list[Entry]) -> None:
        """Postpone a project's next run according to `decision`."""
        logger.info("Project %s %s", uid, decision.message)
        if not self._board.postpone(uid, job_id, decision, entries, code=self.memory.code):
            self._board.wake(uid)  # more events have arrived: decide again
        self.postponed.set()

    def _postponed(self, uid: str, job_id: str, outcome: Outcome, entries: list[Entry], clock: int) -> None:
        """Postpone a project's next run because the training process refused this one as not due."""
        if outcome.labelled >= 0:
            self.memory.learn_labelled(uid, outcome.labelled, entries[-1].id, clock)
        decision = Decision(due=True)
        if outcome.policy is not None:
            decision = self._decide(uid, outcome.policy, entries, clock)
        if decision.due:
            decision = Decision(
                at=clock, text=outcome.postponed
            )  # refused for another reason than the policy: check again immediately
        self._hold(uid, job_id, decision, entries)

    def _try_later(self, uid: str, job_id: str | None, error: str, entries: list[Entry]) -> None:
        """Postpone a run that failed for a cause that may pass; after MAX_TRIES, set its events aside instead."""
        tries = self._count(uid, "tries")
        if tries >= MAX_TRIES:
            self._park(uid, job_id or self._board.new_job(uid), entries, f"{error} ({tries} tries)")
            return
        pause = pause_after(tries, first=self._settings.sweep, longest=LONGEST_PAUSE)
        text = f"{error} (try {tries}; the next one is in {pause:.0f} s)"
        logger.warning("Project %s: %s", uid, text)
        self._hold(
            uid, job_id, Decision(at=self._board.queues.clock() + round(pause * 1000), text=text), entries
        )

    # Counting runs without an outcome

    def _attempts(self, uid: str) -> bool:
        return bool(self._board.redis.exists(self._board.keys.attempts(uid)))

    def _count(self, uid: str, what: str) -> int:
        """Increment the number `what` of runs without an outcome, and return it; reset `starts`: the worker lives."""
        key = self._board.keys.attempts(uid)
        with self._board.redis.pipeline(transaction=True) as pipe:
            pipe.hincrby(key, what, 1)
            pipe.hdel(key, "starts")
            return int(pipe.execute()[0])

    def _park(self, uid: str, job_id: str, entries: list[Entry], why: str) -> None:
        """Set events aside, and fail the job with the cause and the command that brings the events back."""
        retry = our_command("jobs", self._settings.backend_dir, "--retry")
        error = f"{why}; {plural(len(entries), 'event is', 'events are')} set aside. Bring back: {retry}"
        logger.error("Job %s: %s", job_id, error)
        self._board.queues.park(uid, [entry.id for entry in entries], why=why, since=now())
        self._board.settle(uid, job_id, [], state="failed", ended=now(), error=error)

    # A run

    def _unseen(self, uid: str) -> list[Entry]:
        """Return the queued events, without those that a committed version holds: those are removed."""
        entries = self._board.queues.entries(uid)
        manifest, done = taken_in(self._store, uid, light(entries))
        if manifest is not None:
            logger.info("Project %s: version %s has %s", uid, manifest.name, plural(len(done), "event"))
            apply_state(self._store, self._settings, manifest)
            self._store.tell(uid)
            self._board.settle(uid, manifest.job, done, **published(manifest))
        gone = set(done)
        return [entry for entry in entries if entry.id not in gone]

    def _fence(self, uid: str) -> int:
        """Return a fence above all earlier ones, also if Redis has lost its data and the store's versions have not."""
        key = self._board.keys.fence(uid)
        fence = int(self._board.redis.incr(key))
        newest = self._store.fence(uid)
        if fence <= newest:
            fence = int(self._board.redis.incrby(key, newest + 1 - fence))
        return fence

    def _run(self, uid: str, job_id: str, entries: list[Entry], lease: Lease) -> None:
        """Run one training on `entries`, and handle every way in which the run can end. Raises Redis errors."""
        board = self._board
        try:
            self._store.clear_unfinished(uid)
            fence = self._fence(uid)
            self._store.line(uid)  # raises DecisionError if the new version's parent cannot be determined
            version_id = self._store.new_id(uid)
        except (VersionError, OSError) as error:
            self._try_later(uid, job_id, str(error), entries)
            return
        code, clock = self.memory.code, board.queues.clock()
        starts = board.queues.begin(uid)
        if starts > MAX_STARTS:
            self._park(uid, job_id, entries, f"{starts - 1} runs ended with their worker")
            return
        fields: dict[str, object] = {"events": len(entries), "message": "", "upto": entries[-1].id}
        if asked_by := prediction_source(entries):  # the events may include some of an earlier job
            fields["asked_by"] = asked_by
        board.update_job(job_id, state="started", started=now(), **fields)
        logger.info("Job %s: training project %s on %s", job_id, uid, plural(len(entries), "event"))
        began = time.monotonic()
        run_id.set(job_id)
        request: RunRequest | None = None
        try:
            workdir = str(self._store.begin(uid, version_id))
            request = self._request(uid, job_id, entries, workdir, clock)
            whole = self.memory.generation(code) != "seed"
            runs = self._settings.model_dir / "runs"
            with handed_over(board, request, entries, runs, whole=whole) as complete:
                self._make_room()
                outcome = RunProcess(self._settings, complete, lease, self._stopping, board).run()
        except Interrupted:
            lease.renew()
            count(board, "interrupted")
            self._recover(uid)
            board.redis.hincrby(board.keys.attempts(uid), "starts", -1)
            self._finish(
                uid, job_id, version_id, "failed", "the worker was stopped; the training will run again"
            )
            return
        except Ended as end:
            logger.info("Job %s is %s: %s", job_id, end.state, end.ending)
            lease.renew()  # raises LeaseLost: then the events belong to another worker
            self._store.discard(uid, version_id)
            progress_file.place(self._settings.model_dir, uid).unlink(missing_ok=True)
            fields = {"state": end.state, "ending": end.ending, "ended": now()}
            if end.state == "failed":
                fields["error"] = str(end)
            count(board, end.state)
            board.settle(uid, job_id, [entry.id for entry in entries], **fields)
            return
        except LeaseLost as error:  # the worker that has the lease now handles the files of the run
            count(board, "interrupted")
            board.update_job(job_id, state="failed", ended=now(), error=str(error))
            return
        except Crashed as crash:
            self._crashed(uid, job_id, version_id, entries, crash)
            return
        except BrokerError:  # the events stay
            raise
        except BackendError as error:
            outcome = Outcome(error=str(error), passing=may_pass(error, self._settings.model_dir))
        except OSError as error:  # raised in this process, not by fit
            outcome = Outcome(error=explained(error, self._settings.model_dir), passing=True)
        except msgspec.MsgspecError as error:
            outcome = Outcome(error=f"the training process answered with something unreadable: {error}")
        if outcome.policy is not None:
            self.memory.learn(code, outcome.policy, outcome.generation)
        if outcome.postponed:
            self._store.discard(uid, version_id)
            board.redis.hdel(board.keys.attempts(uid), "starts")
            self._postponed(uid, job_id, outcome, entries, clock)
            return
        if outcome.error:
            logger.error("Job %s failed: %s", job_id, outcome.error)
        done = [entry for entry in entries if not outcome.last or order(entry.id) <= order(outcome.last)]
        if not outcome.last and outcome.error and not outcome.changed:
            done = [] if outcome.passing or parent_is_damaged(self._store, request) else done
        if done:
            said = self._commit(uid, job_id, request, outcome, entries, done, version_id, fence)
            if said is None:
                return
            logger.info("Job %s took %.1f s", job_id, time.monotonic() - began)
            count(board, str(said["state"]))
            settle_patiently(board, lease, uid, job_id, done, {"ended": now(), **said})
        else:
            self._store.discard(uid, version_id)
        progress_file.place(self._settings.model_dir, uid).unlink(missing_ok=True)
        rest = entries[len(done) :]
        if rest and outcome.stuck:
            self._park(uid, board.new_job(uid) if done else job_id, rest, outcome.error)
        elif rest:
            self._try_later(uid, None if done else job_id, outcome.error, rest)

    def _commit(
        self,
        uid: str,
        job_id: str,
        request: RunRequest | None,
        outcome: Outcome,
        entries: list[Entry],
        done: list[Entry],
        version_id: str,
        fence: int,
    ) -> dict[str, object] | None:
        """Commit the version that a run made, if it made one, and return the fields for the job's record.

        `entries` are all events of the run, `done` those that it has processed. Returns None if these stay in the
        event queue: the lease was lost, another run has committed a version meanwhile, or disk or store refuse for a
        cause that may pass, and the next run is postponed.
        """
        failed = {"state": "failed" if outcome.error else "finished", "error": outcome.error}
        if request is None or not outcome.changed:
            self._store.discard(uid, version_id)
            said = {"message": outcome.message} if outcome.message and not outcome.error else {}
            return {**failed, **said, "events": len(done)}
        try:
            with self._lease.kept() as holds:
                manifest = publish(
                    self._store,
                    self._settings,
                    msgspec.structs.replace(request, events=light(done)),
                    outcome,
                    version_id=version_id,
                    fence=fence,
                    holds=holds,
                )
        except (LeaseLost, StaleFence) as error:
            count(self._board, "interrupted")
            self._finish(uid, job_id, version_id, "failed", str(error))
            return None
        except (BackendError, OSError) as error:
            self._store.discard(uid, version_id)
            model_dir = self._settings.model_dir
            if isinstance(error, StoreError | OSError) or may_pass(error, model_dir):
                # If the version was committed in spite of the error, the next run finds the events in its manifest.
                self._try_later(uid, job_id, explained(error, model_dir), entries)
                return None
            logger.error("Job %s: %s", job_id, error)
            return {"state": "failed", "error": str(error)}
        learned = f"{plural(outcome.annotations, 'labelled task')} from {outcome.source}"
        made_of = learned if outcome.annotations >= 0 else plural(len(done), "event")
        held = f"; it is held back: {manifest.gate}" if manifest.gate else ""
        logger.info(
            "Job %s: project %s: version %s is published (%s)%s", job_id, uid, manifest.name, made_of, held
        )
        return {**published(manifest), "error": outcome.error, "events": len(done)}

    def _crashed(self, uid: str, job_id: str, version_id: str, entries: list[Entry], crash: Crashed) -> None:
        """Commit the completed events of a crashed run; after MAX_CRASHES, set the event in progress (or all) aside."""
        logger.error("Job %s crashed: %s", job_id, crash)
        count(self._board, "crashed")
        found = progress_file.read(progress_file.place(self._settings.model_dir, uid), Outcome)
        through = self._recover(uid)
        self._store.discard(uid, version_id)
        rest = [entry for entry in entries if entry.id not in through]
        crashes = self._count(uid, "crashes")
        why = str(crash)
        if crashes >= MAX_CRASHES:
            current = [entry for entry in rest if found is not None and entry.id == found.current]
            self._park(uid, job_id, current or rest, f"{why} ({crashes} runs crashed)")
        else:
            kept = f"; {plural(len(through), 'event')} before that went into a version" if through else ""
            self._board.update_job(job_id, state="failed", ended=now(), error=f"{why}{kept}")

    def _recover(self, uid: str) -> set[str]:
        """Commit the completed events of a run over single events that broke off; return the ids of those events."""
        path = progress_file.place(self._settings.model_dir, uid)
        found = progress_file.read(path, Outcome)
        if found is None:
            return set()
        parent, job = self._store.served(uid), self._board.jobs.get(found.job)
        ours = found.last and found.parent == (parent.name if parent else "") and Path(found.workdir).is_dir()
        ours = ours and not (job is not None and job.cancel)
        waiting = self._unseen(uid)
        done = [entry for entry in waiting if ours and order(entry.id) <= order(found.last)]
        if done:
            version_id = Path(found.workdir).name
            request = self._request(uid, found.job, done, found.workdir, 0)
            fence = self._fence(uid)
            fields = self._commit(uid, found.job, request, found.result, waiting, done, version_id, fence)
            if fields is None:
                done = []
            else:
                error = (
                    "its run broke off; the events that were through are kept, the others went to a later job"
                )
                ids = [entry.id for entry in done]
                self._board.settle(uid, found.job, ids, **{**fields, "state": "failed", "error": error})
        path.unlink(missing_ok=True)
        return {entry.id for entry in done}

    def _finish(self, uid: str, job_id: str, version_id: str, state: str, error: str = "") -> None:
        self._store.discard(uid, version_id)
        self._board.update_job(job_id, state=state, ended=now(), error=error)

    def _request(self, uid: str, job_id: str, entries: list[Entry], workdir: str, clock: int) -> RunRequest:
        """Return the request for the training process, without events: `handed_over` writes them to a file."""
        parent = self._store.served(uid)
        previous = PreviousVersion.of(parent, self._store.folder(uid, parent.id)) if parent else None
        return RunRequest(
            job=job_id,
            spec=ModelSpec.of(self._projects.update(uid), parent),
            events=[],
            workdir=workdir,
            previous=previous,
            progress=str(progress_file.place(self._settings.model_dir, uid)),
            tally=Tally.of(entries),
            now=clock,
        )
