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
WAYS = {
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
RANK_NAME = re.compile(rf"rank-({'|'.join(WAYS)})-\d{{8}}-\d{{6}}")

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
class _Asked:
    """A task's id, its prediction, and whether the task has annotations."""

    task: int
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
    keeper = _Keeper()
    await run(iter(_tasks(api, by, conditions)), prediction_source, keeper, progress)
    scored = await asyncio.to_thread(_scored, keeper.asked, by, top)
    scored.sort(key=lambda pair: pair[1])
    chosen = scored[:top]
    earlier = [version for version in await asyncio.to_thread(api.versions) if RANK_NAME.fullmatch(version)]
    stored = await asyncio.to_thread(_store, api, project, settings, name, chosen, progress.fail)
    if select and stored:
        await asyncio.to_thread(api.change, model_version=name, sampling=SAMPLING)
        for version in earlier:
            await asyncio.to_thread(api.delete_version, version)
    first = [(one.task, score) for one, score in chosen[:5]]
    return Ranked(name, first, stored, progress)


def _tasks(api: ProjectApi, by: str, conditions: Sequence[Filter]) -> Iterator[Json]:
    """Yield the unlabelled tasks, and for rankings by embedding the labelled ones too."""
    yield from api.all([*conditions, _UNLABELLED])
    if WAYS[by] == "embedding":
        yield from api.all([_LABELLED])


class _Keeper:
    """Writer that keeps predictions in memory."""

    def __init__(self) -> None:
        self.asked: list[_Asked] = []

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Keep the first prediction of each task."""
        before = len(self.asked)
        self.asked += [
            _Asked(int(task["id"]), outcome.predictions[0], int(task.get("total_annotations") or 0) > 0)
            for task, outcome in predicted
            if not outcome.error
        ]
        return len(self.asked) - before


def _scored(asked: Sequence[_Asked], by: str, top: int | None) -> list[tuple[_Asked, float]]:
    """Return the unlabelled tasks with their scores. Raises SettingsError or PredictError."""
    if not any(not one.labelled for one in asked):
        return []
    asked = sorted(asked, key=lambda one: one.task)
    if by == "least-confidence" and not _any(asked, "probabilities"):
        values: Any = _own_scores(asked)
    else:
        try:
            values = _values(asked, by, top)
        except ValueError as error:
            raise PredictError(f"The model's predictions cannot be used for --by {by}: {error}") from None
        except ImportError as error:
            raise SettingsError(str(error), field="--by") from None
    return [
        (one, float(value))
        for one, value in zip(asked, values, strict=True)
        if not one.labelled and math.isfinite(value)
    ]


def _values(asked: Sequence[_Asked], by: str, top: int | None) -> Any:
    """Return the score of each prediction by the module `active`, NaN for predictions that are not chosen."""
    certainty = {
        "margin": active.margin,
        "entropy": active.entropy,
        "least-confidence": active.least_confidence,
    }
    rows = _rows(asked, WAYS[by], by)
    if by in certainty:
        return certainty[by](rows)
    labelled = [number for number, one in enumerate(asked) if one.labelled]
    if by == "diversity":
        order = active.diverse(rows, labelled=labelled, count=top)
    else:
        shares = _rows(asked, "probabilities", by) if _any(asked, "probabilities") else None
        order = active.covering(rows, shares, labelled=labelled, count=top or COVERING)
    return active.scores(order, len(rows))


def _any(asked: Sequence[_Asked], field: str) -> bool:
    return any(one.prediction.get(field) is not None for one in asked)


def _rows(asked: Sequence[_Asked], field: str, by: str) -> list[list[float]]:
    """Return the field of each prediction as a list of numbers. Raises SettingsError when a prediction lacks it."""
    return [_row(one, field, by) for one in asked]


def _row(one: _Asked, field: str, by: str) -> list[float]:
    value = one.prediction.get(field)
    if isinstance(value, dict):  # sorted by label: the same columns for all tasks
        value = [value[label] for label in sorted(value)]
    if not isinstance(value, list) or not all(isinstance(number, int | float) for number in value):
        embeds = field != "embedding" and by != "coverage" and one.prediction.get("embedding") is not None
        other = "coverage" if embeds else "least-confidence"
        raise SettingsError(
            f"The model's prediction of task {one.task} has no {field!r}, which --by {by} needs",
            fix=f"Let predict return it beside 'result' (a list of numbers), or use --by {other}",
            field="--by",
        )
    return value


def _own_scores(asked: Sequence[_Asked]) -> list[float]:
    """Return the predictions' own scores. Raises SettingsError when all are 0 or missing."""
    found = [one.prediction.get("score") or 0.0 for one in asked]
    if not any(found):
        raise SettingsError(
            "The model's predictions have neither 'probabilities' nor a score above 0",
            fix="Let predict return one of them beside 'result'",
            field="--by",
        )
    return found


def _store(
    api: ProjectApi,
    project: Project,
    settings: Settings,
    name: str,
    chosen: Sequence[tuple[_Asked, float]],
    fail: Callable[[str], None],
) -> int:
    """Store the predictions with their scores; return the number of tasks that have theirs."""
    journal = Journal(settings.model_dir / "predict", project.uid, name)
    with contextlib.closing(journal):
        store = PredictionStore(api, journal, name, project.label_config, lambda task, cause: fail(cause))
        store.recover()
        stored = 0
        for start in range(0, len(chosen), STORED_AT_ONCE):
            part = chosen[start : start + STORED_AT_ONCE]
            stored += store.store([(one.task, [one.prediction | {"score": score}]) for one, score in part])
        store.reconcile()
    return stored
