"""Train one project: take the lease, read the event queue, run the training, commit the version, remove the events.

Events are removed only after the commit, so a crash between any two steps repeats work and loses nothing. How a run can
end, and what follows from it, is in `run_end`.
"""

import contextlib
import logging
import threading
from collections.abc import Callable

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError
from label_studio_ml.monitoring.logs import run_id
from label_studio_ml.training.process.failures import code_of
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling.cancellation import settle_cancelled
from label_studio_ml.training.scheduling.lease import Lease, LeaseLost
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.training.worker.leased_project import LeasedProject
from label_studio_ml.training.worker.result_handler import ResultHandler
from label_studio_ml.training.worker.run_attempt import RunAttempt
from label_studio_ml.training.worker.run_end import EndKind, RunEnd
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Projects

logger = logging.getLogger(__name__)


class Trainer:
    """Trains the projects of one backend in one worker. `postponed` is set whenever a project's run is postponed."""

    def __init__(
        self,
        settings: Settings,
        job_store: JobStore,
        stopping: threading.Event,
        *,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the version store. `make_room` is called before each run, to free memory that the worker uses."""
        self._settings = settings
        self._job_store = job_store
        self._stopping = stopping
        self._make_room = make_room
        self._store = open_store(settings)
        self._projects = Projects(settings.model_dir)
        self.policies = PolicyCache(job_store, settings)
        self.postponed = threading.Event()

    def train(self, uid: str) -> None:
        """Train project `uid` on its queued events, if a run is due and no other worker trains the project."""
        job_store = self._job_store
        lease = Lease(job_store.redis, job_store.keys.lease(uid), self._settings.lease)
        if not lease.acquire():
            logger.info("Project %s is being trained already", uid)
            return
        project = LeasedProject(
            uid, lease, self._settings, job_store, self._store, self._projects, self.policies, self.postponed
        )
        handler = ResultHandler(project)
        with contextlib.ExitStack() as stack:
            stack.callback(lease.release)
            stack.callback(run_id.reset, run_id.set(""))  # later log records do not belong to this run
            is_remote = self._store.source.is_remote
            if is_remote:  # calls may take longer than the lease
                stack.enter_context(lease.renewing())
            try:
                if is_remote:
                    self._fetch(project)
                self._train_if_due(project, handler)
            except LeaseLost as error:
                logger.warning("Project %s: %s", uid, error)
            except (VersionError, OSError) as error:
                if entries := job_store.queues.entries(uid):
                    code = code_of(error, VersionError)
                    handler.finish(RunEnd(EndKind.MAY_PASS, entries, None, error=str(error), error_code=code))
        has_attempts = bool(job_store.redis.exists(job_store.keys.attempts(uid)))
        if not self._stopping.is_set() and not has_attempts and job_store.wakeable(uid):
            job_store.wake(uid)

    def _fetch(self, project: LeasedProject) -> None:
        """Fetch what a run of the project needs from the remote store, and the project's description from Redis.

        Raises LeaseLost, and StoreError if the store is unreachable or would not accept the new version.
        """
        self._store.synchronise(project.uid)
        self._store.check()
        described = self._job_store.descriptions.get(project.uid)
        if described is not None:
            self._projects.put(described)
        project.lease.renew()
        project.lease.check()

    def _train_if_due(self, project: LeasedProject, handler: ResultHandler) -> None:
        """Run a training if one is due. Raises VersionError if the project's versions cannot be read, and LeaseLost."""
        uid, job_store = project.uid, self._job_store
        # An error must be raised here, before `take_waiting` removes the waiting job's id from Redis.
        self._store.versions(uid)
        handler.recover()
        if self._is_postponed(project, handler):
            return
        job_id = job_store.take_waiting(uid)
        entries, job_id = settle_cancelled(job_store, uid, job_id, project.untrained())
        if entries and job_id is None:
            job_id = job_store.new_job(uid)
        elif not entries and job_id is not None:
            job_store.end_without_events(uid, job_id)
            job_id = None
        job_store.close_lost(uid, job_id)
        if job_id is not None:
            for end in RunAttempt(project, job_id, entries, self._stopping, self._make_room).run():
                handler.finish(end)
            return
        job_store.queues.acknowledge(uid, [])

    def _is_postponed(self, project: LeasedProject, handler: ResultHandler) -> bool:
        """Tell whether no run is due according to the cached policy, and postpone the run then.

        Without a cached policy the result is False: the training process decides.
        """
        uid, job_store = project.uid, self._job_store
        code, clock = self.policies.code, job_store.queues.clock()
        if job_store.cancelling(uid):
            return False
        postponement = job_store.postponement(uid)
        if postponement is not None and postponement.applies(code, clock):
            return True
        policy = self.policies.policy(code)
        entries = project.untrained() if policy is not None else []
        if policy is None or not entries:
            return False
        decision = project.decide(policy, entries, clock)
        if decision.due:
            return False
        handler.postpone(None, decision, entries)
        return True
