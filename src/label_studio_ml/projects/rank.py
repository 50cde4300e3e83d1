"""Rank a project's unlabelled tasks for active learning, by prediction scores that Label Studio can sort by."""

import asyncio
import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from label_studio_ml import active
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import PredictError, SettingsError
from label_studio_ml.projects.journal import Journal
from label_studio_ml.projects.pipeline import Predicted, PredictionSource, Progress, run
from label_studio_ml.projects.prediction_store import PredictionStore
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.transport.api_client import Json
from label_studio_ml.versions.state.project_state import Project

#: Ranking methods, each with the field of a prediction that it needs.
METHODS = {
    "margin": "probabilities",
    "entropy": "probabilities",
    "least-confidence": "probabilities",
    "diversity": "embedding",
    "coverage": "embedding",
}
#: Label Studio's name for handing out tasks by ascending score.
SAMPLING = "Uncertainty sampling"
#: Default number of tasks that `coverage` chooses: each choice compares all pairs.
COVERING = 50
#: Tasks in one upload.
STORED_AT_ONCE = 500

#: Names of the versions that rankings are stored under.
RANK_NAME = re.compile(rf"rank-({'|'.join(METHODS)})-\d{{8}}-\d{{6}}")

_LABELLED = task_filters.parse("total_annotations > 0")
_UNLABELLED = task_filters.parse("total_annotations = 0")


@dataclass
class Ranked:
    """Result of a ranking: the version it is stored under, the first tasks with scores, the number of stored tasks."""

    version: str
    first: list[tuple[int, float]]
    stored: int
    progress: Progress


@dataclass
class _PredictedTask:
    """A task's id, its prediction, and whether the task has annotations."""

    task_id: int
    prediction: Json
    labelled: bool


async def rank(
    api: ProjectApi,
    project: Project,
    prediction_source: PredictionSource,
    settings: Settings,
    progress: Progress,
    *,
    by: str,
    top: int | None = None,
    conditions: Sequence[Filter] = (),
    select: bool = True,
) -> Ranked:
    """Store each unlabelled task's prediction with a score; the task with the lowest score should be labelled first.

    Predictions are stored under a version of their own, `rank-<by>-<time>`. The model's version name is not part of
    that name, because Label Studio's filter for the version would match it. With `select`, the project is set to
    show this version and to hand out tasks in its order, and the versions of earlier rankings are deleted. Only the
    `top` first tasks get a score (None: all; `coverage` then chooses `COVERING`). Raises SettingsError when
    predictions lack the field that `by` needs, and PredictError when their values cannot be used.
    """
    name = f"rank-{by}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    writer = _MemoryWriter()
    await run(iter(_tasks(api, by, conditions)), prediction_source, writer, progress)
    scored = await asyncio.to_thread(_scored, writer.tasks, by, top)
    scored.sort(key=lambda pair: pair[1])
    chosen = scored[:top]
    earlier = [version for version in await asyncio.to_thread(api.versions) if RANK_NAME.fullmatch(version)]
    stored = await asyncio.to_thread(_store, api, project, settings, name, chosen, progress.fail)
    if select and stored:
        await asyncio.to_thread(api.change, model_version=name, sampling=SAMPLING)
        for version in earlier:
            await asyncio.to_thread(api.delete_version, version)
    first = [(task.task_id, score) for task, score in chosen[:5]]
    return Ranked(name, first, stored, progress)


def _tasks(api: ProjectApi, by: str, conditions: Sequence[Filter]) -> Iterator[Json]:
    """Yield the unlabelled tasks, and for rankings by embedding the labelled ones too."""
    yield from api.all([*conditions, _UNLABELLED])
    if METHODS[by] == "embedding":
        yield from api.all([_LABELLED])


class _MemoryWriter:
    """Writer that keeps predictions in memory."""

    def __init__(self) -> None:
        self.tasks: list[_PredictedTask] = []

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Keep the first prediction of each task."""
        earlier = len(self.tasks)
        self.tasks += [
            _PredictedTask(
                int(task["id"]), outcome.predictions[0], int(task.get("total_annotations") or 0) > 0
            )
            for task, outcome in predicted
            if not outcome.error
        ]
        return len(self.tasks) - earlier


def _scored(tasks: Sequence[_PredictedTask], by: str, top: int | None) -> list[tuple[_PredictedTask, float]]:
    """Return the unlabelled tasks with their scores. Raises SettingsError or PredictError."""
    if not any(not task.labelled for task in tasks):
        return []
    tasks = sorted(tasks, key=lambda task: task.task_id)
    if by == "least-confidence" and not _have_probabilities(tasks):
        values: Any = _model_scores(tasks)
    else:
        try:
            values = _values(tasks, by, top)
        except ValueError as error:
            raise PredictError(f"The model's predictions cannot be used for --by {by}: {error}") from None
        except ImportError as error:
            raise SettingsError(str(error), field="--by") from None
    return [
        (task, float(value))
        for task, value in zip(tasks, values, strict=True)
        if not task.labelled and math.isfinite(value)
    ]


def _values(tasks: Sequence[_PredictedTask], by: str, top: int | None) -> Any:
    """Return the score of each prediction by the module `active`, NaN for predictions that are not chosen."""
    certainty = {
        "margin": active.margin,
        "entropy": active.entropy,
        "least-confidence": active.least_confidence,
    }
    rows = _rows(tasks, METHODS[by], by)
    if by in certainty:
        return certainty[by](rows)
    labelled = [number for number, task in enumerate(tasks) if task.labelled]
    if by == "diversity":
        order = active.diverse(rows, labelled=labelled, count=top)
    else:
        shares = _rows(tasks, "probabilities", by) if _have_probabilities(tasks) else None
        order = active.covering(rows, shares, labelled=labelled, count=top or COVERING)
    return active.scores(order, len(rows))


def _have_probabilities(tasks: Sequence[_PredictedTask]) -> bool:
    return any(task.prediction.get("probabilities") is not None for task in tasks)


def _rows(tasks: Sequence[_PredictedTask], field: str, by: str) -> list[list[float]]:
    """Return the field of each prediction as a list of numbers. Raises SettingsError when a prediction lacks it."""
    return [_row(task, field, by) for task in tasks]


def _row(task: _PredictedTask, field: str, by: str) -> list[float]:
    value = task.prediction.get(field)
    if isinstance(value, dict):  # sorted by label: the same columns for all tasks
        value = [value[label] for label in sorted(value)]
    if not isinstance(value, list) or not all(isinstance(number, int | float) for number in value):
        embeds = field != "embedding" and by != "coverage" and task.prediction.get("embedding") is not None
        alternative = "coverage" if embeds else "least-confidence"
        raise SettingsError(
            f"The model's prediction of task {task.task_id} has no {field!r}, which --by {by} needs",
            fix=f"Return it from predict beside 'result' (a list of numbers), or use --by {alternative}",
            field="--by",
        )
    return value


def _model_scores(tasks: Sequence[_PredictedTask]) -> list[float]:
    """Return the predictions' own scores. Raises SettingsError when all are 0 or missing."""
    scores = [task.prediction.get("score") or 0.0 for task in tasks]
    if not any(scores):
        raise SettingsError(
            "The model's predictions have neither 'probabilities' nor a score above 0",
            fix="Return one of them from predict beside 'result'",
            field="--by",
        )
    return scores


def _store(
    api: ProjectApi,
    project: Project,
    settings: Settings,
    name: str,
    chosen: Sequence[tuple[_PredictedTask, float]],
    fail: Callable[[str], None],
) -> int:
    """Store the predictions with their scores; return the number of tasks that have predictions."""
    journal = Journal(settings.model_dir / "predict", project.uid, name)
    with contextlib.closing(journal):
        store = PredictionStore(api, journal, name, project.label_config, lambda task, cause: fail(cause))
        store.recover()
        stored = 0
        for start in range(0, len(chosen), STORED_AT_ONCE):
            part = chosen[start : start + STORED_AT_ONCE]
            stored += store.store(
                [(task.task_id, [task.prediction | {"score": score}]) for task, score in part]
            )
        store.reconcile()
    return stored
