"""Label Studio's API for work on a whole project. The behaviour described here was observed with version 1.23.2."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from label_studio_ml.errors import BackendError, StudioError, StudioUnavailable
from label_studio_ml.projects import task_filters
from label_studio_ml.projects.task_filters import Filter
from label_studio_ml.studio.client import TASK_FIELDS
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.support import lone_surrogates

Json = dict[str, Any]

T = TypeVar("T")

#: Seconds to wait for a Label Studio that cannot be reached, or answers with server errors.
PATIENCE = 900.0
#: Seconds that one response may take: after storing predictions, Label Studio counts those of the whole
#: project again.
READ_TIMEOUT = 300.0
#: Longest pause between two tries, in seconds.
LONGEST_PAUSE = 10.0
#: Task ids in one query, which become part of the URL.
IDS_AT_ONCE = 100


class Interrupted(BackendError):
    """`stop` was called while a request waited for Label Studio."""


class Unsure(StudioError):
    """The response is missing, incomplete or a server error, so it is not known whether the data sent were stored."""


class Refused(StudioError):
    """Label Studio stored nothing of a request, because something in it is invalid."""


@dataclass(frozen=True)
class Page:
    """Tasks of a project by ascending id, and the total number of tasks from the first of them on."""

    tasks: list[Json]
    total: int


class ProjectApi:
    """One project of a Label Studio. Requests wait while Label Studio is not available. Thread-safe.

    `patience` is the longest wait in seconds, and `told` is called with the reason of it. Every method raises
    StudioAuthError when the token is refused, StudioUnavailable when patience is exhausted, StudioError when Label
    Studio refuses the request, and Interrupted after `stop`.
    """

    def __init__(
        self,
        http: Http,
        project: int,
        *,
        patience: float = PATIENCE,
        told: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._http = http
        self.project = project
        self._patience = patience
        self.told = told
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let all waiting and later requests, in all threads, raise Interrupted."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._http.close()

    def read(self) -> Json:
        """Return the project: `id`, `title`, `label_config`, `created_at`, `model_version` and more."""
        return self._get(f"/api/projects/{self.project}/")

    def change(self, **fields: Any) -> None:
        """Change settings of the project."""
        self._send("PATCH", f"/api/projects/{self.project}/", fields)

    def versions(self) -> dict[str, int]:
        """Return the number of predictions in the project by version."""
        counts = self._get(f"/api/projects/{self.project}/model-versions/")
        return {str(name): int(count) for name, count in counts.items()}

    def count(self, conditions: Sequence[Filter]) -> int:
        """Return the number of tasks that meet the conditions."""
        return self.page(conditions, size=1).total

    def annotated(self) -> Iterator[Json]:
        """Yield the tasks that have annotations, including skipped tasks, with their annotations."""
        for column in ("total_annotations", "cancelled_annotations"):
            condition = task_filters.parse(f"{column} > 0")
            others = [] if column == "total_annotations" else [task_filters.parse("total_annotations = 0")]
            yield from self.all([condition, *others], size=100, fields="all")

    def changed_since(self, moment: datetime) -> Iterator[Json]:
        """Yield the tasks updated after `moment`, by an annotation or otherwise, with their annotations."""
        condition = task_filters.parse(f"updated_at > {moment.isoformat()}")
        yield from self.all([condition], size=100, fields="all")

    def page(
        self, conditions: Sequence[Filter], *, after: int = 0, size: int = 500, fields: str = "task_only"
    ) -> Page:
        """Return the first `size` tasks with an id above `after` that meet the conditions, by ascending id.

        A task has its `data` and the fields of a request for predictions; with `fields="all"` also its annotations
        (`completed_by` is a user's id). Paging by id leaves out no task when other tasks change between two pages.
        Raises StudioError if Label Studio ignores the filter on ids, as releases before 1.13 do.
        """
        query = {
            "filters": task_filters.everything([*conditions, task_filters.above(after)]),
            "ordering": ["tasks:id"],
        }
        found = self._tasks(query, page=1, size=size, fields=fields)
        tasks = sorted((self._task(raw) for raw in found["tasks"]), key=lambda task: int(task["id"]))
        if tasks and tasks[0]["id"] <= after:
            raise StudioError(
                f"Label Studio did not give the tasks of project {self.project} after task {after}",
                fix="Label Studio 1.13 or newer is needed",
            )
        return Page(tasks, found["total"])

    def nth(self, conditions: Sequence[Filter], number: int) -> int | None:
        """Return the id of task `number` (from 1) among the tasks that meet the conditions, by ascending id.

        Return None if there are fewer tasks.
        """
        query = {"filters": task_filters.everything(list(conditions)), "ordering": ["tasks:id"]}
        try:
            found = self._tasks(query, page=number, size=1)
        except StudioError as error:
            if error.status != 404:
                raise
            return None
        return int(found["tasks"][0]["id"]) if found["tasks"] else None

    def all(
        self, conditions: Sequence[Filter], *, size: int = 500, fields: str = "task_only"
    ) -> Iterator[Json]:
        """Yield every task that meets the conditions, by ascending id."""
        after = 0
        while tasks := self.page(conditions, after=after, size=size, fields=fields).tasks:
            yield from tasks
            after = int(tasks[-1]["id"])

    def having(self, task_ids: Iterable[int], version: str) -> set[int]:
        """Return the ids of those of the given tasks that have a prediction of `version`."""
        ids, found = sorted(task_ids), set[int]()
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = task_filters.among(ids[start : start + IDS_AT_ONCE])
            page = self.page([some, task_filters.versions("contains", version)], size=IDS_AT_ONCE)
            found.update(int(task["id"]) for task in page.tasks)
        return (
            {one for one in found if self.has(one, version)} if found and self.ambiguous(version) else found
        )

    def has(self, task_id: int, version: str) -> bool:
        """Return whether a task has a prediction of exactly this version."""
        return any(one.get("model_version") == version for one in self.predictions(task_id))

    def ambiguous(self, version: str) -> bool:
        """Return whether the project has predictions of another version whose name contains `version`.

        Label Studio's filter on versions matches parts of names: "1" also finds "10".
        """
        return any(version in other and other != version for other in self.versions())

    def predictions(self, task_id: int) -> list[Json]:
        """Return the predictions of a task, oldest first."""
        found: list[Json] = self._get_any("/api/predictions/", task=str(task_id))
        return sorted(found, key=lambda one: int(one["id"]))

    def delete_prediction(self, prediction_id: int) -> None:
        """Remove one prediction."""
        self._send("DELETE", f"/api/predictions/{prediction_id}/")

    def delete_version(self, version: str) -> None:
        """Remove all predictions of one version."""
        self._send("DELETE", f"/api/projects/{self.project}/model-versions/", {"model_version": version})

    def upload(self, predictions: Sequence[Mapping[str, Any]]) -> int:
        """Store predictions (`task`, `result`, `score`, `model_version`) and return how many were stored.

        Label Studio stores all predictions that fit the label config in one transaction and skips the others without
        an error. Raises Refused when it stores none because of an invalid one, and Unsure when the outcome is not
        known.
        """
        path = f"/api/projects/{self.project}/import/predictions"
        body = [dict(one) for one in predictions]

        def attempt() -> int:
            with self._request("POST", path, error=Unsure, json=body) as response:
                if response.status_code == 400:
                    raise Refused(_why(response) or self._http.status(response))
                if response.status_code in (429, 503):
                    raise StudioUnavailable(self._http.status(response))
                if response.status_code >= 500:
                    raise Unsure(self._http.status(response))
                if response.status_code >= 400:
                    self._json(response)
                try:
                    return int(response.json()["created"])
                except (ValueError, KeyError, TypeError, OSError):
                    raise Unsure(
                        f"Label Studio's answer ended early: {self._http.status(response)}"
                    ) from None

        return self._patiently(attempt)

    def _tasks(self, query: Json, *, page: int, size: int, fields: str = "task_only") -> Json:
        found = self._get(
            "/api/tasks/",
            project=str(self.project),
            page=str(page),
            page_size=str(size),
            fields=fields,
            resolve_uri="false",
            query=json.dumps(query),
            review="true",  # otherwise Label Studio may first request predictions of these tasks from its backend
        )
        if not isinstance(found.get("tasks"), list) or not isinstance(found.get("total"), int):
            raise StudioError(f"Label Studio's list of the tasks of project {self.project} has no 'tasks'")
        return found

    def _task(self, raw: Json) -> Json:
        task = {name: raw[name] for name in ("id", *TASK_FIELDS) if name in raw}
        return {**task, "annotations": raw.get("annotations") or [], "predictions": []}

    def _get(self, path: str, **params: str) -> Json:
        value = self._get_any(path, **params)
        if not isinstance(value, dict):
            raise StudioError(f"Label Studio's answer to {path} is not a JSON object")
        return value

    def _get_any(self, path: str, **params: str) -> Any:
        def attempt() -> Any:
            with self._request("GET", path, error=StudioUnavailable, params=params) as response:
                return self._json(response)

        return self._patiently(attempt)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Send a change that may safely be sent twice. A DELETE of an object that does not exist counts as done."""

        def attempt() -> None:
            with self._request(method, path, error=StudioUnavailable, json=dict(body or {})) as response:
                if response.status_code != 404 or method != "DELETE":  # deleted already
                    self._json(response, empty=True)

        self._patiently(attempt)

    def _request(self, method: str, path: str, *, error: type[StudioError], **arguments: Any) -> Any:
        return self._http.request(
            method,
            self._http.base + path,
            login=lambda _: True,
            stay=True,
            error=error,
            repeatable=error is not Unsure,
            **arguments,
        )

    def _json(self, response: Any, *, empty: bool = False) -> Any:
        """Return the decoded body of a response, None with `empty`. Raises the error for its status."""
        status = response.status_code
        if status in (401, 403):
            raise self._http.refused(response)
        if status == 429 or status >= 500:
            raise StudioUnavailable(
                f"Label Studio cannot answer at the moment: {self._http.status(response)}"
            )
        if status >= 400:
            raise StudioError(
                _why(response) or f"Label Studio refused a request: {self._http.status(response)}"
            ).answered(status)
        if empty:
            return None
        try:
            return lone_surrogates.parsed(response.content)
        except (ValueError, OSError):
            raise StudioError(
                f"Label Studio did not answer with JSON: {self._http.status(response)}",
                fix="Set LABEL_STUDIO_URL to Label Studio's address with its sub-path, if it has one",
                field="LABEL_STUDIO_URL",
            ) from None

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Repeat `attempt` while it raises StudioUnavailable and patience lasts. Raises Interrupted after `stop`."""
        began, pause = time.monotonic(), 0.5
        while True:
            if self._stopped.is_set():
                raise Interrupted("Interrupted")
            try:
                return attempt()
            except StudioUnavailable as error:
                if time.monotonic() - began > self._patience:
                    raise
                self.told(error.message)
            self._stopped.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 2)


def _why(response: Any) -> str:
    """Return the validation errors or the detail of a response in one line, empty if it has none."""
    try:
        body = response.json()
        errors = body.get("validation_errors") or body.get("detail")
    except (ValueError, OSError, AttributeError):
        return ""
    return f"Label Studio refused a request: {json.dumps(errors)[:500]}" if errors else ""
