"""The worker: takes wake-ups from RQ and trains one project at a time, each run in a child of its own.

The order of steps is what nothing is lost by: take the lease and
a fence, read the mailbox, run, commit the version, and only then remove the events.
"""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import redis
from redis.lock import Lock
from rq import Queue, SimpleWorker, get_current_job

from label_studio_ml.adapter import ModelSpec
from label_studio_ml.errors import BackendError, BrokerError, StaleFence
from label_studio_ml.settings import Settings
from label_studio_ml.training import keys
from label_studio_ml.training.jobs import JobBoard, StoredEvent, connect, now
from label_studio_ml.training.publish import apply_state, publish, taken_in
from label_studio_ml.training.run import Outcome, RunRequest
from label_studio_ml.versions.state import Projects
from label_studio_ml.versions.store import Manifest, VersionStore, new_version_id

logger = logging.getLogger(__name__)

#: Parts of the lease's life: between two renewals, and until a child whose worker is silent ends itself.
RENEW = 1 / 6
PATIENCE = 2 / 3
#: Runs of the same events that may crash before the events are set aside.
MAX_CRASHES = 3
#: Seconds that a child has between SIGTERM and SIGKILL.
TERM_GRACE = 5.0

_stopping = threading.Event()


class LeaseLost(BackendError):
    """Another worker may have taken the project over."""


class Interrupted(BackendError):
    """The worker was told to stop; the events stay for the next one."""


class Trainer:
    """Trains projects of one backend, with what one worker has."""

    def __init__(self, settings: Settings, board: JobBoard) -> None:
        self._settings = settings
        self._board = board
        self._store = VersionStore(settings.model_dir)
        self._projects = Projects(settings.model_dir)

    def train(self, uid: str) -> None:
        """Train project `uid` on the events in its mailbox, if nobody else is doing so."""
        lease = Lock(
            self._board.redis,
            keys.lease(uid),
            timeout=self._settings.lease,
            blocking=False,
            thread_local=False,
        )
        if not lease.acquire():
            logger.info("Project %s is being trained already", uid)
            return
        try:
            job_id = self._board.take_waiting(uid)
            events = self._unseen(uid)
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
            with contextlib.suppress(redis.RedisError):
                lease.release()
        if self._board.events(uid) and not _stopping.is_set() and not self._crashed(uid):
            self._board.wake(uid)

    def _unseen(self, uid: str) -> list[StoredEvent]:
        """Return the waiting events, after removing those that a committed version holds."""
        events = self._board.events(uid)
        manifest, done = taken_in(self._store, uid, events)
        if manifest is not None:
            logger.info("Project %s: %d events are in version %s already", uid, len(done), manifest.name)
            apply_state(self._settings.model_dir, manifest)
            self._board.settle(uid, manifest.job, done, **_published(manifest))
        gone = set(done)
        return [event for event in events if event.id not in gone]

    def _fence(self, uid: str) -> int:
        """Return a fence above all before it, also where this Redis is younger than the versions on disk."""
        fence = int(self._board.redis.incr(keys.fence(uid)))
        newest = self._store.newest(uid)
        if newest is not None and fence <= newest.fence:
            fence = int(self._board.redis.incrby(keys.fence(uid), newest.fence + 1 - fence))
        return fence

    def _crashed(self, uid: str) -> int:
        return int(self._board.redis.get(keys.attempts(uid)) or 0)

    def _run(self, uid: str, job_id: str, events: list[StoredEvent], lease: Lock) -> None:
        """Make one run, and see to it that its events end in exactly one outcome."""
        board = self._board
        fence = self._fence(uid)
        attempt = int(board.redis.incr(keys.attempts(uid)))
        version_id = new_version_id()
        board.update_job(job_id, state="started", started=now(), events=len(events))
        logger.info("Job %s: training project %s on %d events", job_id, uid, len(events))
        began = time.monotonic()
        try:
            workdir = self._store.begin(uid, version_id)
            request = self._request(uid, job_id, events, workdir)
            outcome = self._child(request, lease)
        except Interrupted:
            board.redis.decr(keys.attempts(uid))
            self._finish(
                uid, job_id, version_id, "failed", "the worker was stopped; the training will run again"
            )
            return
        except LeaseLost as error:
            self._finish(uid, job_id, version_id, "failed", str(error))
            return
        except _Crashed as crash:
            logger.error("Job %s crashed: %s", job_id, crash)
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
        fields: dict[str, object] = {
            "state": "failed" if outcome.error else "finished",
            "error": outcome.error,
        }
        if not outcome.changed:
            self._store.discard(uid, version_id)
        else:
            try:
                manifest = publish(
                    self._store,
                    self._settings.model_dir,
                    request,
                    outcome,
                    version_id=version_id,
                    fence=fence,
                )
            except StaleFence as error:
                self._finish(uid, job_id, version_id, "failed", str(error))
                return
            except BackendError as error:
                logger.error("Job %s: %s", job_id, error)
                self._store.discard(uid, version_id)
                fields = {"state": "failed", "error": str(error)}
            else:
                fields = {**_published(manifest), "error": outcome.error}
                logger.info(
                    "Job %s: version %s of project %s is published after %.1f s (%s)",
                    job_id,
                    manifest.name,
                    uid,
                    time.monotonic() - began,
                    f"{outcome.annotations} labelled tasks from {outcome.source}"
                    if outcome.annotations >= 0
                    else "events",
                )
        board.settle(uid, job_id, [event.id for event in events], **{"ended": now(), **fields})

    def _finish(self, uid: str, job_id: str, version_id: str, state: str, error: str = "") -> None:
        self._store.discard(uid, version_id)
        self._board.update_job(job_id, state=state, ended=now(), error=error)

    def _request(self, uid: str, job_id: str, events: list[StoredEvent], workdir: Path) -> RunRequest:
        """Put together what the child needs."""
        project = self._projects.update(uid)
        parent = self._store.newest(uid)
        spec = ModelSpec.of(project, parent)
        patience = self._settings.lease * PATIENCE
        return RunRequest(job=job_id, spec=spec, events=events, workdir=str(workdir), patience=patience)

    def _child(self, request: RunRequest, lease: Lock) -> Outcome:
        """Run `request` in a child and return its outcome.

        Raises _Crashed, LeaseLost or Interrupted; the child has ended in every case.
        """
        logs = self._settings.log_dir / "jobs"
        runs = self._settings.model_dir / "runs"
        for folder in (logs, runs):
            folder.mkdir(parents=True, exist_ok=True)
        delivered = runs / f"{request.job}.jsonl"
        request = msgspec.structs.replace(
            request, delivered=self._write_delivered(request.spec.project.uid, delivered)
        )
        ours, theirs = socket.socketpair()
        try:
            self._renew(lease)
            with theirs, (logs / f"{request.job}.log").open("ab") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "label_studio_ml.training.run", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**self._settings.child_env(), "PYTHONUNBUFFERED": "1"},
                    start_new_session=True,
                )
            with ours, _ended(child):
                return self._watch(child, ours, request, lease)
        finally:
            delivered.unlink(missing_ok=True)

    def _write_delivered(self, uid: str, path: Path) -> str:
        """Write the delivered tasks, one JSON object a line; return the path, or nothing if there are none."""
        tasks = self._board.delivered(uid)
        if not tasks:
            return ""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as lines:
            for task in tasks:
                lines.write(msgspec.json.encode(task) + b"\n")
        return str(path)

    def _watch(
        self, child: "subprocess.Popen[bytes]", connection: socket.socket, request: RunRequest, lease: Lock
    ) -> Outcome:
        """Send the request, keep the lease and tell the child so, and wait for the outcome."""
        connection.settimeout(min(0.5, self._settings.lease * RENEW))
        received = bytearray()
        sender = threading.Thread(
            target=_send, args=(connection.dup(), msgspec.json.encode(request) + b"\n"), daemon=True
        )
        sender.start()
        renewed = time.monotonic()
        while not received.endswith(b"\n"):
            if _stopping.is_set():
                raise Interrupted("the worker was stopped")
            if time.monotonic() - renewed >= self._settings.lease * RENEW:
                renewed = time.monotonic()
                if self._renew(lease) and not sender.is_alive():
                    _tell(connection, since=renewed)
            try:
                data = connection.recv(1 << 20)
            except TimeoutError:
                if child.poll() is None:
                    continue
                data = b""  # it is gone, and something that it started keeps the socket open
            except OSError:
                data = b""
            if not data:
                raise _Crashed(f"{_end_of(child)} in fit; its log is logs/jobs/{request.job}.log")
            received += data
        self._renew(lease)
        return msgspec.json.decode(bytes(received), type=Outcome)

    def _renew(self, lease: Lock) -> bool:
        """Keep the lease; tell whether Redis took it. Raises LeaseLost if it is somebody else's by now."""
        try:
            seconds: Any = (
                self._settings.lease
            )  # redis-py takes fractions, older versions' types say it does not
            lease.extend(seconds, replace_ttl=True)
            if (job := get_current_job()) is not None:
                job.heartbeat(_utc(), 120)
        except redis.exceptions.LockError as error:
            raise LeaseLost(
                f"the lease on the project was lost ({error}); another worker trains it"
            ) from error
        except redis.RedisError as error:
            # Redis is away: the lease runs on without us until it expires; publishing checks the fence.
            logger.warning("The lease cannot be renewed: %s", error)
            return False
        return True


class _Crashed(BackendError):
    """The child ended without an outcome."""


def _published(manifest: Manifest) -> dict[str, object]:
    """Return what the record of the job that made a version says of it."""
    return {
        "state": "finished",
        "ended": now(),
        "version": manifest.name,
        "annotations": manifest.annotations,
        "source": manifest.source,
    }


def _tell(connection: socket.socket, *, since: float) -> None:
    """Tell the child that the lease was renewed, unless this process was stopped for a while since it asked."""
    if time.monotonic() - since < 1.0:
        with contextlib.suppress(OSError):
            connection.sendall(b"\n")


def _utc() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _send(connection: socket.socket, data: bytes) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(None)
        connection.sendall(data)


@contextlib.contextmanager
def _ended(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """End the child and what it started when the block is left."""
    try:
        yield
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(TERM_GRACE)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _end_of(child: "subprocess.Popen[bytes]") -> str:
    try:
        status = child.wait(5)
    except subprocess.TimeoutExpired:
        return "the training process closed its connection"
    if status < 0:
        name = signal.Signals(-status).name
        return f"the training process was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    return f"the training process ended with status {status}"


_trainer: Trainer | None = None


def train(uid: str) -> None:
    """Train project `uid`: the function that RQ calls in a worker."""
    if _trainer is None:
        raise RuntimeError("train() runs only inside label_studio_ml.training.worker")
    try:
        _trainer.train(uid)
    except BackendError as error:
        logger.error("Project %s: %s", uid, error)
    except redis.RedisError as error:
        logger.error("Project %s: Redis: %s", uid, error)


class Worker(SimpleWorker):  # type: ignore[misc]
    """RQ's worker that runs jobs in its own process (ours start a child), ending at once on SIGTERM or SIGINT."""

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        _stopping.set()
        if self.get_state() in ("idle", "started"):
            raise SystemExit(0)
        self._stop_requested = True  # the run hands its events back first


def sweep(board: JobBoard) -> None:
    """Wake workers for projects with events that nobody trains and nobody is about to."""
    for uid in board.dirty():
        if not board.leased(uid):
            logger.info("Project %s has events and no run: waking a worker", uid)
            board.wake(uid)


def _sweep_forever(board: JobBoard, pause: float) -> None:
    while not _stopping.is_set():
        try:
            sweep(board)
        except BrokerError as error:
            logger.warning("%s", error)
        _stopping.wait(pause)


def work(settings: Settings) -> None:
    """Run one worker until it is told to stop by SIGTERM or SIGINT."""
    global _trainer
    logging.getLogger("rq").setLevel(logging.WARNING)
    connection = connect(settings.redis_url)
    board = JobBoard(connection, settings.queue)
    _trainer = Trainer(settings, board)
    threading.Thread(target=_sweep_forever, args=(board, settings.sweep), daemon=True, name="sweeper").start()
    logger.info("Worker %d waits for training jobs on queue %s", os.getpid(), settings.queue)
    worker = Worker([Queue(settings.queue, connection=connection)], connection=connection)
    worker.work(logging_level="WARNING")
