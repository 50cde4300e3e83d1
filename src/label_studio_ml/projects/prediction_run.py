"""Predict a whole project or a file of tasks from start to end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.projects.journal import Journal
from label_studio_ml.projects.pipeline import Predicted, PredictionSource, Progress, Task, Writer, run
from label_studio_ml.projects.prediction_store import PredictionStore
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.projects.task_files import FileWriter, read_tasks
from label_studio_ml.protocol.requests import uid_of
from label_studio_ml.serving.offline_model import Outcome
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.versions.state.project_state import Project, Projects

logger = logging.getLogger(__name__)

#: Page sizes when reading tasks. The first page is small, so that the model can start early.
FIRST_PAGE, PAGE = 100, 500


@dataclass
class Report:
    """Result of a run: `removed` counts deleted duplicate predictions, `sample` is the prediction of a dry run.

    `present` is how many tasks had a prediction of this version before; None if that was not counted.
    """

    version: str
    progress: Progress = field(default_factory=Progress)
    removed: int = 0
    sample: Outcome | None = None
    present: int | None = None


def project_of(api: ProjectApi, settings: Settings) -> Project:
    """Return the project as Label Studio describes it now, with the login and parameters that the backend knows."""
    return project_from_api(api.read(), settings)


def project_from_api(description: Mapping[str, Any], settings: Settings) -> Project:
    """Return the project from the API's `description` of it, with the login and parameters that the backend knows."""
    uid = uid_of(dict(description))
    stored = Projects(settings.model_dir).get(uid)
    return Project(
        uid=uid,
        label_config=str(description.get("label_config") or ""),
        hostname=(stored.hostname if stored else "") or settings.studio_url,
        access_token=stored.access_token if stored else "",
        extra_params=stored.extra_params if stored else None,
        title=str(description.get("title") or ""),
        private=stored.private if stored else (),
    )


class UnpredictedTasks:
    """The tasks of a project that meet the conditions and have no prediction of `version`."""

    def __init__(self, api: ProjectApi, version: str, conditions: Sequence[Filter] = ()) -> None:
        self._api = api
        self._version = version
        self._check_each = api.ambiguous(version)  # Label Studio's filter on versions would also match others
        missing = [] if self._check_each else [task_filters.versions("not_contains", version)]
        self.conditions = [*conditions, *missing]

    def count(self) -> int:
        """Return the number of tasks; too high where the version's name is part of another one."""
        return self._api.count(self.conditions)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the tasks by ascending id, with the fields of a prediction request; read the next page ahead."""
        with ThreadPoolExecutor(1, "next page") as executor:
            next_page = executor.submit(self._api.page, self.conditions, size=FIRST_PAGE)
            while tasks := next_page.result().tasks:
                after = int(tasks[-1]["id"])
                next_page = executor.submit(self._api.page, self.conditions, after=after, size=PAGE)
                for task in tasks:
                    if not self._check_each or not self._api.has(int(task["id"]), self._version):
                        yield task


class StoreWriter:
    """Writer that stores predictions in Label Studio."""

    def __init__(self, store: PredictionStore) -> None:
        self._store = store

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Store the predictions of the tasks without an error; return how many tasks have predictions."""
        return self._store.store(
            [(int(task["id"]), outcome.predictions) for task, outcome in predicted if not outcome.error]
        )


async def predict_project(
    api: ProjectApi,
    project: Project,
    prediction_source: PredictionSource,
    settings: Settings,
    progress: Progress,
    *,
    conditions: Sequence[Filter] = (),
    until: Callable[[], bool] = lambda: False,
    span: Sequence[Filter] = (),
    journal_of: Callable[[Path, str, str], Journal] = Journal,
    paced: Callable[[Iterator[Task]], Iterator[Task]] = iter,
    writer: Callable[[PredictionStore], Writer] = StoreWriter,
) -> Report:
    """Predict every task that meets the conditions, and store its predictions exactly once.

    Tasks that already have a prediction of the source's version are skipped, so a later run continues one that was
    ended. Once `until` returns True, no further tasks are requested. `span` limits the run to a range of ids,
    `journal_of` returns its journal, `paced` slows down the tasks, `writer` returns the writer for the store. Raises
    Busy when another run stores predictions of the same version, and the errors of ProjectApi and `pipeline.run`.
    """
    report = Report(prediction_source.version, progress)
    folder = settings.model_dir / "predict"
    journal = await asyncio.to_thread(journal_of, folder, project.uid, prediction_source.version)
    store = PredictionStore(
        api, journal, prediction_source.version, project.label_config, _refusal_counter(progress)
    )
    with contextlib.closing(journal):
        await asyncio.to_thread(store.recover)
        tasks = await asyncio.to_thread(
            UnpredictedTasks, api, prediction_source.version, [*conditions, *span]
        )
        progress.total = await asyncio.to_thread(tasks.count)
        await run(paced(iter(tasks)), prediction_source, writer(store), progress, until=until)
        report.removed = await asyncio.to_thread(store.reconcile, span)
    return report


def settle(api: ProjectApi, project: Project, journal: Journal, version: str) -> None:
    """Wait until uploads of a killed run are stored or given up, delete duplicates, and close the journal."""
    with contextlib.closing(journal):
        store = PredictionStore(api, journal, version, project.label_config)
        store.recover()
        store.reconcile()


async def try_project(
    api: ProjectApi,
    prediction_source: PredictionSource,
    progress: Progress,
    *,
    conditions: Sequence[Filter] = (),
) -> Report:
    """Count the tasks that `predict_project` would predict and predict the first of them; store nothing."""
    report = Report(prediction_source.version, progress)
    tasks = await asyncio.to_thread(UnpredictedTasks, api, prediction_source.version, conditions)
    progress.total = await asyncio.to_thread(tasks.count)
    for task in await asyncio.to_thread(lambda: [next(iter(tasks), None)]):
        if task is not None:
            (report.sample,) = await prediction_source.ask([task])
    return report


async def predict_file(
    source: Path, target: Path, prediction_source: PredictionSource, progress: Progress
) -> Report:
    """Predict the tasks of a file into another one, and continue a run that was ended.

    Raises SettingsError when `source` does not hold tasks.
    """
    report = Report(prediction_source.version, progress)
    progress.total = await asyncio.to_thread(lambda: sum(1 for _ in read_tasks(source)))
    writer = FileWriter(target, prediction_source.version)
    report.present = writer.done
    with contextlib.closing(writer):
        progress.total -= writer.done
        await run(writer.remaining(read_tasks(source)), prediction_source, writer, progress)
        writer.finish()
    return report


def _refusal_counter(progress: Progress) -> Any:
    def refused(task_id: int, cause: str) -> None:
        logger.error("Task %d: %s", task_id, cause)
        progress.fail(cause, task_id)

    return refused


@contextlib.asynccontextmanager
async def stopping(api: ProjectApi) -> AsyncIterator[None]:
    """Call `api.stop` at the end of the block, so that no thread waits any longer for Label Studio."""
    try:
        yield
    finally:
        api.stop()
