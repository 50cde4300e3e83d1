"""Training one project: the order of steps is what nothing is lost by.

Take the lease and a fence, read the mailbox, run, commit the version, and only then remove the events.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from label_studio_ml.adapter import ModelSpec
from label_studio_ml.errors import BackendError, StaleFence
from label_studio_ml.logs import run_id
from label_studio_ml.settings import Settings
from label_studio_ml.training import keys
from label_studio_ml.training.cancel import settle_cancelled
from label_studio_ml.training.child import Child, Crashed, Interrupted
from label_studio_ml.training.ending import Ended
from label_studio_ml.training.figures import count
from label_studio_ml.training.job import PreviousVersion
from label_studio_ml.training.jobs import JobBoard, StoredEvent, now
from label_studio_ml.training.lease import Lease, LeaseLost
from label_studio_ml.training.publish import apply_state, publish, taken_in
from label_studio_ml.training.run import Outcome, RunRequest
from label_studio_ml.versions.manifest import Manifest, new_version_id
from label_studio_ml.versions.state import Projects
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)

#: Runs of the same events that may crash before the events are set aside.
MAX_CRASHES = 3


class Trainer:
    """Trains projects of one backend, with what one worker has."""

    def __init__(self, settings: Settings, board: JobBoard, stopping: threading.Event) -> None:
        self._settings = settings
        self._board = board
        self._stopping = stopping
        self._store = VersionStore(settings.model_dir, pin=settings.model_version)
        self._projects = Projects(settings.model_dir)

    def train(self, uid: str) -> None:
        """Train project `uid` on the events in its mailbox, if nobody else is doing so."""
        lease = Lease(self._board.redis, uid, self._settings.lease)
        if not lease.take():
            logger.info("Project %s is being trained already", uid)
            return
        try:
            job_id = self._board.take_waiting(uid)
            events, job_id = settle_cancelled(self._board, uid, job_id, self._unseen(uid))
            if events and job_id is None:
                job_id = self._board.new_job(uid)
            self._board.close_lost(uid, job_id)
            if events and job_id is not None:
                self._store.clear_unfinished(uid)
                self._run(uid, job_id, events, lease)
            else:
                if job_id is not None:
                    self._board.update_job(job_id, state="finished", ended=now())
                self._board.acknowledge(uid, [])
        finally:
            lease.release()
        if self._board.events(uid) and not self._stopping.is_set() and not self._crashed(uid):
            self._board.wake(uid)

    def _unseen(self, uid: str) -> list[StoredEvent]:
        """Return the waiting events, after removing those that a committed version holds."""
        events = self._board.events(uid)
        manifest, done = taken_in(self._store, uid, events)
        if manifest is not None:
            logger.info("Project %s: %d events are in version %s already", uid, len(done), manifest.name)
            apply_state(self._store, self._settings, manifest)
            self._store.tell(uid)
            self._board.settle(uid, manifest.job, done, **_published(manifest))
        gone = set(done)
        return [event for event in events if event.id not in gone]

    def _fence(self, uid: str) -> int:
        """Return a fence above all before it, also where this Redis is younger than the versions on disk."""
        fence = int(self._board.redis.incr(keys.fence(uid)))
        newest = self._store.fence(uid)
        if fence <= newest:
            fence = int(self._board.redis.incrby(keys.fence(uid), newest + 1 - fence))
        return fence

    def _crashed(self, uid: str) -> int:
        return int(self._board.redis.get(keys.attempts(uid)) or 0)

    def _run(self, uid: str, job_id: str, events: list[StoredEvent], lease: Lease) -> None:
        """Make one run, and see to it that its events end in exactly one outcome."""
        board = self._board
        fence = self._fence(uid)
        attempt = int(board.redis.incr(keys.attempts(uid)))
        version_id = new_version_id()
        board.update_job(job_id, state="started", started=now(), events=len(events), upto=events[-1].id)
        logger.info("Job %s: training project %s on %d events", job_id, uid, len(events))
        began = time.monotonic()
        run_id.set(job_id)
        fields: dict[str, object]
        try:
            workdir = self._store.begin(uid, version_id)
            request = self._request(uid, job_id, events, workdir)
            with self._delivered(request) as complete:
                outcome = Child(self._settings, complete, lease, self._stopping, board).run()
        except Interrupted:
            count(board, "interrupted")
            board.redis.decr(keys.attempts(uid))
            self._finish(
                uid, job_id, version_id, "failed", "the worker was stopped; the training will run again"
            )
            return
        except Ended as end:
            logger.info("Job %s is %s: %s", job_id, end.state, end.ending)
            self._store.discard(uid, version_id)
            fields = {"state": end.state, "ending": end.ending, "ended": now()}
            if end.state == "failed":
                fields["error"] = str(end)
            count(board, end.state)
            board.settle(uid, job_id, [event.id for event in events], **fields)
            return
        except LeaseLost as error:
            count(board, "interrupted")
            self._finish(uid, job_id, version_id, "failed", str(error))
            return
        except Crashed as crash:
            logger.error("Job %s crashed: %s", job_id, crash)
            count(board, "crashed")
            last = attempt >= MAX_CRASHES
            aside = f" ({attempt} runs crashed; their {len(events)} events are set aside)" if last else ""
            self._finish(uid, job_id, version_id, "failed", f"{crash}{aside}")
            if last:
                board.park(uid, events)
                board.redis.delete(keys.attempts(uid))
            return
        except BackendError as error:
            outcome = Outcome(error=str(error))
        except OSError as error:
            outcome = Outcome(
                error=f"{error}. Check the disk, and the rights on MODEL_DIR and the logs folder"
            )
        except msgspec.MsgspecError as error:
            outcome = Outcome(error=f"the training process answered with something unreadable: {error}")
        if outcome.error:
            logger.error("Job %s failed: %s", job_id, outcome.error)
        fields = {
            "state": "failed" if outcome.error else "finished",
            "error": outcome.error,
        }
        if not outcome.changed:
            self._store.discard(uid, version_id)
        else:
            try:
                manifest = publish(
                    self._store,
                    self._settings,
                    request,
                    outcome,
                    version_id=version_id,
                    fence=fence,
                )
            except StaleFence as error:
                count(board, "interrupted")
                self._finish(uid, job_id, version_id, "failed", str(error))
                return
            except BackendError as error:
                logger.error("Job %s: %s", job_id, error)
                self._store.discard(uid, version_id)
                fields = {"state": "failed", "error": str(error)}
            else:
                fields = {**_published(manifest), "error": outcome.error}
                logger.info(
                    "Job %s: version %s of project %s is published after %.1f s (%s)%s",
                    job_id,
                    manifest.name,
                    uid,
                    time.monotonic() - began,
                    f"{outcome.annotations} labelled tasks from {outcome.source}"
                    if outcome.annotations >= 0
                    else "events",
                    f"; it is held back: {manifest.gate}" if manifest.gate else "",
                )
        count(board, str(fields["state"]))
        board.settle(uid, job_id, [event.id for event in events], **{"ended": now(), **fields})

    def _finish(self, uid: str, job_id: str, version_id: str, state: str, error: str = "") -> None:
        self._store.discard(uid, version_id)
        self._board.update_job(job_id, state=state, ended=now(), error=error)

    def _request(self, uid: str, job_id: str, events: list[StoredEvent], workdir: Path) -> RunRequest:
        """Put together what the child needs."""
        project = self._projects.update(uid)
        parent = self._store.served(uid)
        spec = ModelSpec.of(project, parent)
        previous = PreviousVersion.of(parent, self._store.folder(uid, parent.id)) if parent else None
        return RunRequest(job=job_id, spec=spec, events=events, workdir=str(workdir), previous=previous)

    @contextlib.contextmanager
    def _delivered(self, request: RunRequest) -> Iterator[RunRequest]:
        """Keep the delivered tasks in a file, one JSON object a line, while the block runs."""
        tasks = self._board.delivered(request.spec.project.uid)
        if not tasks:
            yield request
            return
        runs = self._settings.model_dir / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        path = runs / f"{request.job}.jsonl"
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as lines:
                for task in tasks:
                    lines.write(msgspec.json.encode(task) + b"\n")
            yield msgspec.structs.replace(request, delivered=str(path))
        finally:
            path.unlink(missing_ok=True)


def _published(manifest: Manifest) -> dict[str, object]:
    """Return what the record of the job that made a version says of it."""
    return {
        "state": "finished",
        "ended": now(),
        "version": manifest.name,
        "annotations": manifest.annotations,
        "source": manifest.source,
        "held_back": manifest.gate,
    }
