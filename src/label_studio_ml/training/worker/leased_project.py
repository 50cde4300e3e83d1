"""A project that this worker trains, because it holds the project's lease; shared by all steps of a training."""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.config.settings import Settings
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.support.texts import plural
from label_studio_ml.training.job import PreviousVersion
from label_studio_ml.training.policy import Decision, Entry, Policy, Tally, decide
from label_studio_ml.training.process import progress_file
from label_studio_ml.training.process.publish import apply_state, published, version_with_events
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling.lease import Lease
from label_studio_ml.training.scheduling.policy_cache import PolicyCache
from label_studio_ml.training.worker.handover import without_payloads
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeasedProject:
    """Project `uid` with its `lease`, and what the worker trains it with. All methods raise BrokerError.

    The event `postponed` is set whenever a project's run is postponed.
    """

    uid: str
    lease: Lease
    settings: Settings
    job_store: JobStore
    store: VersionStore
    projects: Projects
    policies: PolicyCache
    postponed: threading.Event

    @property
    def progress_path(self) -> Path:
        """The path of the progress file of the project's run."""
        return progress_file.path_for(self.settings.model_dir, self.uid)

    def untrained(self) -> list[Entry]:
        """Return the queued events, without those that a committed version holds: those are removed.

        Raises VersionError if the project's versions cannot be read.
        """
        entries = self.job_store.queues.entries(self.uid)
        manifest, done = version_with_events(self.store, self.uid, without_payloads(entries))
        if manifest is not None:
            logger.info("Project %s: version %s has %s", self.uid, manifest.name, plural(len(done), "event"))
            apply_state(self.store, self.settings, manifest)
            self.store.announce(self.uid)
            self.job_store.settle(self.uid, manifest.job, done, **published(manifest))
        trained = set(done)
        return [entry for entry in entries if entry.id not in trained]

    def decide(self, policy: Policy, entries: list[Entry], clock: int) -> Decision:
        """Decide whether a run on `entries` is due at the time `clock` in ms."""
        labelled = self.policies.labelled(self.uid, entries, clock) if policy.min_annotations else None
        return decide(policy, Tally.of(entries), clock, labelled)

    def next_fence(self) -> int:
        """Return a fence above all earlier ones, also if Redis has lost its data and the store's versions have not."""
        key = self.job_store.keys.fence(self.uid)
        fence = int(self.job_store.redis.incr(key))
        newest = self.store.fence(self.uid)
        if fence <= newest:
            fence = int(self.job_store.redis.incrby(key, newest + 1 - fence))
        return fence

    def request(self, job_id: str, entries: list[Entry], workdir: str, clock: int = 0) -> RunRequest:
        """Return the request for the training process, without events: `handed_over` writes them to a file."""
        parent = self.store.served(self.uid)
        previous = PreviousVersion.of(parent, self.store.folder(self.uid, parent.id)) if parent else None
        return RunRequest(
            job=job_id,
            spec=ModelSpec.of(self.projects.update(self.uid), parent),
            events=[],
            workdir=workdir,
            previous=previous,
            progress=str(self.progress_path),
            tally=Tally.of(entries),
            now=clock,
        )
