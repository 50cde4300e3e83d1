"""One project of a Label Studio, for work on all of its tasks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.model_calls.project_login import studio_arguments
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.resources.tasks import TASK_FIELDS, Page
from label_studio_ml.studio.transport.api_client import ApiClient, Json
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.versions.state.project_state import Project, Projects

#: Seconds to wait for a Label Studio that cannot be reached, or answers with server errors.
MAX_WAIT = 900.0
#: Seconds that one response may take: after storing predictions, Label Studio counts those of the whole
#: project again.
READ_TIMEOUT = 300.0
#: Task ids in one query, which become part of the URL.
IDS_AT_ONCE = 100


class ProjectApi:
    """One project of a Label Studio. Requests wait while Label Studio is not available. Thread-safe.

    `patience` is the longest wait in seconds, and `notify` is called with the reason of it. For the exceptions see
    ApiClient.
    """

    def __init__(
        self,
        http: Http,
        project: int,
        *,
        patience: float = MAX_WAIT,
        notify: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.project = project
        self.notify = notify
        self._api = ApiClient(http, retry_seconds=patience, notify=lambda reason: self.notify(reason))
        self._studio = LabelStudio(self._api)

    def stop(self) -> None:
        """Let all waiting and later requests, in all threads, raise Interrupted."""
        self._api.stop()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._api.close()

    def read(self) -> Json:
        """Return the project: `id`, `title`, `label_config`, `created_at`, `model_version` and more."""
        return self._studio.projects.get(self.project)

    def change(self, **fields: Any) -> None:
        """Change settings of the project."""
        self._studio.projects.change(self.project, **fields)

    def versions(self) -> dict[str, int]:
        """Return the number of predictions in the project by version."""
        return self._studio.predictions.versions(self.project)

    def count(self, conditions: Sequence[Filter]) -> int:
        """Return the number of tasks that meet the conditions."""
        return self.page(conditions, size=1).total

    def annotated(self) -> Iterator[Json]:
        """Yield the tasks that have annotations, including skipped tasks, with their annotations."""
        for column in ("total_annotations", "cancelled_annotations"):
            condition = task_filters.parse(f"{column} > 0")
            further_conditions = (
                [] if column == "total_annotations" else [task_filters.parse("total_annotations = 0")]
            )
            yield from self.all([condition, *further_conditions], size=100, fields="all")

    def judged(self) -> Iterator[Json]:
        """Yield the tasks that have annotations as in the API's responses, with their annotations and predictions."""
        condition = task_filters.parse("total_annotations > 0")
        yield from self._studio.tasks.every(self.project, [condition], size=100, fields="all")

    def changed_since(self, moment: datetime) -> Iterator[Json]:
        """Yield the tasks updated after `moment`, by an annotation or otherwise, with their annotations."""
        condition = task_filters.parse(f"updated_at > {moment.isoformat()}")
        yield from self.all([condition], size=100, fields="all")

    def page(self, conditions: Sequence[Filter], *, after: int = 0, size: int = 500) -> Page:
        """Return the first `size` tasks with an id above `after` that meet the conditions, by ascending id.

        A task has its `data` and the fields of a request for predictions.
        """
        page = self._studio.tasks.page(self.project, conditions, after=after, size=size)
        return Page(list(map(_requested, page.tasks)), page.total)

    def nth(self, conditions: Sequence[Filter], number: int) -> int | None:
        """Return the id of task `number` (from 1) among the tasks that meet the conditions, by ascending id.

        Return None if there are fewer tasks.
        """
        return self._studio.tasks.nth(self.project, conditions, number)

    def all(
        self, conditions: Sequence[Filter], *, size: int = 500, fields: str = "task_only"
    ) -> Iterator[Json]:
        """Yield every task that meets the conditions, by ascending id, with those imported meanwhile.

        With `fields="all"`, tasks have their annotations; `completed_by` is a user's id.
        """
        tasks = self._studio.tasks.every(self.project, conditions, until_empty=True, size=size, fields=fields)
        return map(_requested, tasks)

    def having(self, task_ids: Iterable[int], version: str) -> set[int]:
        """Return the ids of those of the given tasks that have a prediction of `version`."""
        ids, matching = sorted(task_ids), set[int]()
        for start in range(0, len(ids), IDS_AT_ONCE):
            chunk = task_filters.among(ids[start : start + IDS_AT_ONCE])
            page = self.page([chunk, task_filters.versions("contains", version)], size=IDS_AT_ONCE)
            matching.update(int(task["id"]) for task in page.tasks)
        if matching and self.ambiguous(version):
            return {task_id for task_id in matching if self.has(task_id, version)}
        return matching

    def has(self, task_id: int, version: str) -> bool:
        """Return whether a task has a prediction of exactly this version."""
        return any(prediction.get("model_version") == version for prediction in self.predictions(task_id))

    def ambiguous(self, version: str) -> bool:
        """Return whether the project has predictions of another version whose name contains `version`.

        Label Studio's filter on versions matches parts of names: "1" also finds "10".
        """
        return any(version in name and name != version for name in self.versions())

    def predictions(self, task_id: int) -> list[Json]:
        """Return the predictions of a task, oldest first."""
        return self._studio.predictions.of_task(task_id)

    def delete_prediction(self, prediction_id: int) -> None:
        """Delete one prediction."""
        self._studio.predictions.delete(prediction_id)

    def delete_version(self, version: str) -> None:
        """Delete all predictions of one version."""
        self._studio.predictions.delete_version(self.project, version)

    def upload(self, predictions: Sequence[Mapping[str, Any]]) -> int:
        """Store predictions and return how many were stored; see PredictionResource.add."""
        return self._studio.predictions.add(self.project, predictions)


def project_api(settings: Settings, project: int, **options: Any) -> ProjectApi:
    """Return the API of a project, with the login of the settings, else with that of its `/setup`.

    `options` are passed to ProjectApi. Raises StudioError when the address or the token is not known.
    """
    projects = Projects(settings.model_dir)
    matches = [uid for uid in projects.uids() if uid.partition(".")[0] == str(project)]
    stored = (projects.get(matches[0]) if len(matches) == 1 else None) or Project(uid=str(project))
    login = studio_arguments(stored, settings, instead="give --url and --api-key-file")
    return ProjectApi(Http(**login, read_timeout=READ_TIMEOUT), project, **options)


def _requested(raw: Json) -> Json:
    """Return a task with the fields of a request for predictions."""
    task = {name: raw[name] for name in ("id", *TASK_FIELDS) if name in raw}
    return {**task, "annotations": raw.get("annotations") or [], "predictions": []}
