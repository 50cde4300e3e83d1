"""What a worker does when there is nothing to train: it predicts shards of projects.

A training that waits comes first: the shard stores what the model was asked already and goes to the end of its queue.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import redis

from label_studio_ml.errors import BackendError, BrokerError, VersionError
from label_studio_ml.projects.api import Interrupted, ProjectApi
from label_studio_ml.projects.journal import Busy
from label_studio_ml.projects.login import project_api
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.run import predict_project, project_of
from label_studio_ml.projects.shards import Shard, Told
from label_studio_ml.serving.apart import ModelApart
from label_studio_ml.settings import Settings
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.mailbox import broker_errors
from label_studio_ml.versions.state import Project
from label_studio_ml.versions.store import VersionStore

if TYPE_CHECKING:
    from rq import Retry
    from rq.job import Job

logger = logging.getLogger(__name__)

#: Seconds that one call of a model should take: a training that waits has to wait for it.
LONGEST = 5.0
#: Seconds between two looks at what else there is to do.
LOOK = 0.3
#: Looks after which a training that waits is taken for one that no other worker takes.
PATIENT = 2
#: Seconds that Label Studio may be away after somebody wants the worker.
GRACE = 10.0
#: Seconds between two words about how far a shard is.
SAY = 1.0
#: RQ counts how often a job asked to be run again, and wants to know a limit.
_ALWAYS = 10**9

_beside: "Beside | None" = None


def shard(fields: dict[str, Any]) -> "Retry | None":
    """Predict a shard: the function that RQ calls in a worker."""
    from rq import Retry, get_current_job

    if _beside is None:
        raise RuntimeError("shard() runs only inside a worker")
    job = get_current_job()
    if job is None:
        raise RuntimeError("shard() runs only as a job of RQ")
    return None if _beside.predict(msgspec.convert(fields, Shard), job) else Retry(max=_ALWAYS)


class Turn:
    """The time that a worker has for predictions. `over` tells that somebody else wants it."""

    def __init__(self, board: JobBoard, stopping: threading.Event) -> None:
        self._board = board
        self._stopping = stopping
        self._waited = 0
        self.why = ""

    def over(self) -> bool:
        """Tell whether no further task is to be predicted now."""
        return bool(self.why)

    def look(self) -> None:
        """See who else wants the worker."""
        if self.why:
            return
        if self._stopping.is_set():
            self.why = "the worker is to end"
            return
        with contextlib.suppress(redis.RedisError):
            waiting = self._board.redis.llen(self._board.keys.wake_ups)
            self._waited = self._waited + 1 if waiting else 0
        if self._waited >= PATIENT:
            self.why = "a training waits"
            logger.info("A training waits: no further tasks are predicted now")

    async def watch(self, api: ProjectApi) -> None:
        """Look until the turn is over; end waiting for a Label Studio that is away a while after that."""
        while not self.over():
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)
        if not self._stopping.is_set():
            await asyncio.sleep(GRACE)
        api.stop()


class Beside:
    """Predicts shards in one worker; the model stays in memory for the next one, until a training begins."""

    def __init__(self, settings: Settings) -> None:
        self._settings = replace(settings, model_workers=1)
        self._store = VersionStore(settings.model_dir)
        self._runner = asyncio.Runner()
        self._model: ModelApart | None = None
        self._built: object = None
        self._board: JobBoard | None = None
        self._stopping = threading.Event()
        self._beat: Callable[[Any], None] = lambda job: None
        self.queue = f"{settings.queue}:predict"
        self.life = max(2, round(settings.lease))

    # As training.worker calls it

    def begin(self, board: JobBoard, stopping: threading.Event, beat: Callable[[Any], None]) -> None:
        """Get ready."""
        global _beside
        self._board, self._stopping, self._beat = board, stopping, beat
        self.queue = board.keys.predictions
        _beside = self

    def make_room(self) -> None:
        """Let the model leave the memory."""
        if self._model is not None:
            self._runner.run(self._forget())

    def sweep(self) -> None:
        """Begin those shards again whose workers are gone. Raises BrokerError."""
        from rq import Queue
        from rq.registry import StartedJobRegistry

        board = self._the_board
        pause = round(900 * self._settings.sweep)  # of all workers, one looks
        with broker_errors():
            if board.redis.set(board.keys.swept, 1, nx=True, px=max(pause, 1)):
                StartedJobRegistry(queue=Queue(self.queue, connection=board.redis)).cleanup()

    def close(self) -> None:
        """End the model's process."""
        self.make_room()
        self._runner.close()

    # One shard

    def predict(self, shard: Shard, job: "Job") -> bool:
        """Predict a shard; return whether it is done with, for better or for worse."""
        told = Told.of(job.meta) or Told(total=shard.tasks)
        told.error = ""
        turn = Turn(self._the_board, self._stopping)
        logger.info("Project %s: shard %d, version %s", shard.uid, shard.number + 1, shard.version)
        with self._beating(job):
            try:
                self._runner.run(self._shard(shard, told, turn, lambda: self._say(job, told)))
            except Interrupted:
                turn.why = turn.why or "it was interrupted"
            except Busy:  # a worker that was taken for dead is still at it
                turn.why = turn.why or "another worker has it"
            except (BackendError, OSError) as error:
                told.error = str(error)
                logger.error("Project %s: shard %d: %s", shard.uid, shard.number + 1, error)
            if turn.over() and not told.error:
                logger.info("Project %s: shard %d goes on later: %s", shard.uid, shard.number + 1, turn.why)
            if not told.error and not turn.over():
                logger.info("Project %s: shard %d: %d are stored", shard.uid, shard.number + 1, told.written)
            self._say(job, told)
            if not turn.over() and not self._more():
                self.make_room()
        return bool(told.error) or not turn.over()

    async def _shard(self, shard: Shard, told: Told, turn: Turn, say: Callable[[], None]) -> None:
        api = project_api(self._settings, shard.project)
        async with _beside_it(turn.watch(api), api.stop):
            project = await asyncio.to_thread(project_of, api, self._settings)
            if project.uid != shard.uid:
                raise BackendError(
                    f"The worker's Label Studio has another project {shard.project}",
                    fix="Give the worker the LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY that the command has",
                    field="LABEL_STUDIO_URL",
                )
            model = await self._there(project, shard.version, shard.version_id)
            progress = Progress()

            async def saying() -> None:
                while True:
                    await asyncio.sleep(SAY)
                    told.update(progress)
                    await asyncio.to_thread(say)

            async with _beside_it(saying()):
                report = await predict_project(
                    api,
                    project,
                    model,
                    self._settings,
                    progress,
                    conditions=shard.conditions,
                    until=turn.over,
                    part=str(shard.number),
                    span=shard.span,
                    patience=GRACE,
                )
            told.update(progress)
            told.removed += report.removed

    async def _there(self, project: Project, version: str, version_id: str) -> ModelApart:
        """Return the model of a version, built. Raises VersionError when it cannot be had, ModelError."""
        if self._model is None or self._built != (project, version_id):
            await self._forget()
            manifest = None
            if version_id:
                found = (one for one in self._store.versions(project.uid) if one.id == version_id)
                manifest = next(found, None)
                if manifest is None:
                    raise VersionError(
                        f"Version {version} is not in {self._settings.model_dir} any more",
                        fix="Run it again, with the version that is served by now",
                    )
            self._model = ModelApart(self._settings, project, manifest, longest=LONGEST)
            self._built = (project, version_id)
        if (name := await self._model.start()) != version:
            raise VersionError(
                f"The model calls itself version {name}, not {version}",
                fix="Let the worker have the model file that the command has",
            )
        return self._model

    async def _forget(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            await model.close()

    @property
    def _the_board(self) -> JobBoard:
        if self._board is None:
            raise BrokerError("The worker has not begun")
        return self._board

    def _more(self) -> bool:
        """Tell whether further shards wait."""
        from rq import Queue

        with contextlib.suppress(redis.RedisError):
            return bool(Queue(self.queue, connection=self._the_board.redis).count)
        return False

    @staticmethod
    def _say(job: "Job", told: Told) -> None:
        with contextlib.suppress(redis.RedisError):
            job.meta["told"] = msgspec.to_builtins(told)
            job.save_meta()

    @contextlib.contextmanager
    def _beating(self, job: "Job") -> Iterator[None]:
        """Say again and again that the job is being worked on."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.life / 6):
                with contextlib.suppress(redis.RedisError):
                    self._beat(job)

        thread = threading.Thread(target=beat, daemon=True, name="shard's heart")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@contextlib.asynccontextmanager
async def _beside_it(work: Awaitable[None], after: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Do something else while the block runs, and end it with the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        after()
