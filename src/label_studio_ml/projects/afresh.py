"""After a training: tasks get predictions of the new version by themselves, as a job of RQ in a worker.

What is due is kept in Redis until it is done, so it survives every restart; RQ only wakes a worker. One job at a time
works on a project, for a few seconds, and always for the version that is served by then.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from label_studio_ml.backend_login import authorization
from label_studio_ml.errors import (
    BackendError,
    BrokerError,
    DecisionError,
    SettingsError,
    StoreError,
    StudioUnavailable,
)
from label_studio_ml.projects import filters
from label_studio_ml.projects.api import ProjectApi
from label_studio_ml.projects.backend import MOST, BackendAsker, BackendGone
from label_studio_ml.projects.filters import Filter
from label_studio_ml.projects.journal import Busy, Journal, unfinished
from label_studio_ml.projects.login import project_api
from label_studio_ml.projects.notes import Notes, noted
from label_studio_ml.projects.pipeline import Asker, Predicted, Progress, Task
from label_studio_ml.projects.run import StoreWriter, predict_project, project_of, settle
from label_studio_ml.projects.store import PredictionStore
from label_studio_ml.projects.turn import Turn, beside_it
from label_studio_ml.running import address
from label_studio_ml.settings import Settings
from label_studio_ml.texts import plural
from label_studio_ml.training.afresh import Afresh, Renewal
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.versions.manifest import Manifest
from label_studio_ml.versions.state import Project
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)

#: The tasks that get predictions: those that nobody has labelled.
UNLABELLED = filters.parse("total_annotations = 0")
#: Seconds for which a job works at a time; between two, whoever predicts the project by hand gets in.
SLICE = 30.0
LET_IN = 0.5
#: Seconds until something that was away is looked for again, and until the server must serve a new version.
PAUSE = 5.0
SERVED = 60.0
#: Seconds that the running backend should take for one request: as long may a training have to wait.
GOAL = 5.0

#: Builds the model of a version here, or returns the one that is there already.
Build = Callable[[Project, str, str], Awaitable[Asker]]


class Renewer:
    """Gives tasks predictions of the served version, at the settings' pace."""

    def __init__(self, settings: Settings, store: VersionStore, board: JobBoard, build: Build) -> None:
        self._settings = settings
        self._store = store
        self._board = board
        self._afresh = Afresh(board)
        self._build = build
        self._conditions: list[Filter] = (
            [UNLABELLED] if settings.predict_after_training == "unlabelled" else []
        )

    async def work(self, uid: str, turn: Turn) -> bool:
        """Predict until all is done or the turn is over; return whether all is done, for better or for worse."""
        due = self._afresh.due(uid)
        try:
            await asyncio.to_thread(self._store.bring, uid)  # another machine may have trained
            manifest = await asyncio.to_thread(self._store.served, uid)
        except (StoreError, DecisionError) as error:
            logger.warning("Project %s: its tasks get predictions later: %s", uid, error)
            await turn.wait(PAUSE)
            return False
        if due is None or manifest is None:
            self._afresh.finish(uid, due or "")
            return True
        renewal = self._afresh.renewal(uid)
        if renewal is None or renewal.version_id != manifest.id:
            renewal = Renewal(version=manifest.name, version_id=manifest.id, began=_now())
            logger.info("Project %s: tasks get predictions of version %s", uid, manifest.name)
        renewal.state, renewal.error = "started", ""
        self._afresh.say(uid, renewal)
        turn.also = _Newer(self._store, manifest, partial(self._still, uid, due)).why
        await asyncio.sleep(LET_IN)
        try:
            await self._renew(uid, manifest, renewal, turn)
        except (Busy, BackendGone, StudioUnavailable) as error:
            renewal.error = str(error)
            self._afresh.say(uid, renewal)
            await turn.wait(PAUSE)
            return False
        except (BackendError, OSError) as error:
            renewal.state, renewal.error = "failed", str(error)
            logger.error("Project %s: tasks get no predictions of version %s: %s", uid, manifest.name, error)
        else:
            if turn.over():
                return False
            renewal.state = "finished"
            logger.info(
                "Project %s: %s predictions of version %s",
                uid,
                plural(renewal.written, "task got", "tasks got"),
                manifest.name,
            )
        self._afresh.say(uid, renewal)
        return self._afresh.finish(uid, due)

    async def _renew(self, uid: str, manifest: Manifest, renewal: Renewal, turn: Turn) -> None:
        api = project_api(self._settings, int(uid.partition(".")[0]), patience=SLICE)
        async with beside_it(turn.watch(api), api.stop):
            project = await asyncio.to_thread(project_of, api, self._settings)
            if project.uid != uid:
                raise SettingsError(
                    f"Label Studio has another project {project.project_id} than the one that was trained",
                    fix="Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY where the worker runs",
                    field="LABEL_STUDIO_URL",
                )
            await asyncio.to_thread(self._settle_others, api, project, manifest.name)
            asker = await self._asker(project, manifest, turn)
            progress = Progress()
            try:
                await predict_project(
                    api,
                    project,
                    asker,
                    self._settings,
                    progress,
                    conditions=self._conditions,
                    until=turn.over,
                    span=[filters.above(renewal.after)],
                    journal_of=partial(Journal, copy=Notes(self._board, uid, manifest.name, part="afresh")),
                    paced=lambda tasks: paced(tasks, self._settings.predict_rate, turn.over),
                    writer=lambda store: _Writer(store, uid, renewal, progress, self._afresh, turn),
                )
            finally:
                if isinstance(asker, BackendAsker):
                    await asker.close()

    def _still(self, uid: str, due: str) -> bool:
        """Tell whether no other version has made the project due, as far as can be told."""
        with contextlib.suppress(BrokerError):
            return self._afresh.due(uid) == due
        return True

    def _settle_others(self, api: ProjectApi, project: Project, version: str) -> None:
        """See to it that nothing older is stored later than what comes now."""
        folder, uid = self._settings.model_dir / "predict", project.uid
        for other in {*unfinished(folder, uid), *noted(self._board, uid)} - {version}:
            journal = Journal(folder, uid, other, copy=Notes(self._board, uid, other))
            settle(api, project, journal, other)

    async def _asker(self, project: Project, manifest: Manifest, turn: Turn) -> Asker:
        """Return the backend that runs on this machine, which puts annotators first; where none does, a model."""
        url = address(self._settings.model_dir)
        if not url:
            return await self._build(project, manifest.name, manifest.id)
        settings = self._settings
        most = round(settings.predict_rate * GOAL) or MOST
        asker = BackendAsker(url, project, authorization(settings), goal=GOAL, most=most)
        deadline = time.monotonic() + SERVED
        while (serves := await asker.start()) != manifest.name:
            if time.monotonic() > deadline:
                raise BackendError(f"The backend at {url} serves version {serves}, not {manifest.name}")
            if turn.over():
                raise BackendGone(f"The backend at {url} serves version {serves} yet")
            await turn.wait(LET_IN)
        return asker


class _Newer:
    """Tells whether another version is served than the one that predicts.

    `still` says whether no training on another machine has published one.
    """

    def __init__(self, store: VersionStore, manifest: Manifest, still: Callable[[], bool]) -> None:
        self._store = store
        self._manifest = manifest
        self._still = still
        self._hint = store.hint(manifest.project)
        self._end = time.monotonic() + SLICE

    def why(self) -> str:
        """Return why the turn is over, nothing if it is not."""
        uid = self._manifest.project
        hint = self._store.hint(uid)
        served: Manifest | None = self._manifest
        if hint is not None and hint != self._hint:
            self._hint = hint
            with contextlib.suppress(DecisionError):  # it is said where it is served
                served = self._store.served(uid)
        if served is None or served.id != self._manifest.id or not self._still():
            logger.info("Project %s: another version is served than %s", uid, self._manifest.name)
            return "another version is served"
        return "others have their turn" if time.monotonic() > self._end else ""


class _Writer(StoreWriter):
    """Stores predictions as long as their version is served, and says how far it is."""

    def __init__(
        self,
        store: PredictionStore,
        uid: str,
        renewal: Renewal,
        progress: Progress,
        afresh: Afresh,
        turn: Turn,
    ) -> None:
        super().__init__(store)
        self._uid, self._renewal, self._progress = uid, renewal, progress
        self._afresh, self._turn = afresh, turn
        self._failed = 0

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Store predictions of the tasks that have some, unless another version is served by now."""
        self._turn.look()
        if self._turn.why == "another version is served":
            return 0
        stored = super().write(predicted)
        renewal, progress = self._renewal, self._progress
        renewal.total = max(renewal.total, renewal.written + renewal.failed + (progress.total or 0))
        renewal.written += stored
        renewal.failed += len(predicted) - stored
        renewal.after = int(predicted[-1][0]["id"])
        self._afresh.say(self._uid, renewal)
        return stored


def paced(tasks: Iterator[Task], rate: float, over: Callable[[], bool]) -> Iterator[Task]:
    """Yield tasks, `rate` in a second at most (0: as they come), until it is over."""
    following = time.monotonic()
    for task in tasks:
        yield task
        if rate:
            following = max(following, time.monotonic()) + 1 / rate
            while (pause := following - time.monotonic()) > 0 and not over():
                time.sleep(min(pause, 0.2))
        if over():
            return


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
