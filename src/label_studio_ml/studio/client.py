"""Client for the part of Label Studio's API that a model needs: projects, labelled tasks, import of tasks.

Statements about Label Studio's behaviour were verified with version 1.23.2.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from label_studio_ml.errors import StudioError
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.support import lone_surrogates
from label_studio_ml.support.texts import whole_number

#: Fields of a task in Label Studio's JSON export and in its requests for predictions alike.
TASK_FIELDS = (
    "data",
    "meta",
    "created_at",
    "updated_at",
    "is_labeled",
    "inner_id",
    "overlap",
    "total_annotations",
    "cancelled_annotations",
    "total_predictions",
    "comment_count",
    "unresolved_comment_count",
    "last_comment_updated_at",
    "project",
    "comment_authors",
)
#: Fields of the API's response that a task keeps: those of the JSON export.
_EXPORTED = ("id", "annotations", "predictions", "file_upload", *TASK_FIELDS)

#: Display fields that the API adds to annotations and predictions; the export does not have them.
_FOR_SHOW = frozenset({"created_username", "created_ago"})


class StudioClient:
    """Reads projects and tasks of the Label Studio at `url`, with a legacy or a personal access token.

    `url` may have a sub-path. Timeouts are in seconds, for each attempt. `access_folder` is where processes share
    access tokens (None: the user's cache). `private` are the private addresses that Label Studio may have, `*` for
    any. Every method raises StudioAuthError when the token is missing or refused, and StudioError when Label Studio
    cannot be reached or answers with an error; both name URL, status and the setting to change. Thread-safe.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        verify_tls: bool = True,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        access_folder: Path | None = None,
        private: tuple[str, ...] = ("*",),
    ) -> None:
        if not url.strip():
            raise StudioError(
                "Label Studio's address is not known", fix="Set LABEL_STUDIO_URL", field="LABEL_STUDIO_URL"
            )
        self._http = Http(
            url,
            token,
            verify_tls=verify_tls,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            access_folder=access_folder,
            own_private=private,
        )

    def __repr__(self) -> str:
        return f"StudioClient({self._http!r})"

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._http.close()

    def project(self, project_id: int | str) -> dict[str, Any]:
        """Return the API's object of a project: `id`, `title`, `label_config`, `task_number` and more."""
        return self._object("GET", f"/api/projects/{_number(project_id)}/")

    def task(self, task_id: int | str) -> dict[str, Any]:
        """Return a task, with or without annotations, in the format of `labelled_tasks`.

        A model must not call this while it predicts: if the task has no prediction and the project shows predictions,
        Label Studio first asks its ML backend for one.
        """
        return _task(self._object("GET", f"/api/tasks/{_number(task_id)}/", params={"resolve_uri": "false"}))

    def count_labelled(self, project_id: int | str) -> int:
        """Return the number of tasks with an annotation that is not skipped, as Label Studio counts them."""
        page = self._page(_number(project_id), after=0, page_size=1, quiet=self._must_be_quiet(project_id))
        return int(page["total"])

    def labelled_tasks(self, project_id: int | str, *, page_size: int = 100) -> Iterator[dict[str, Any]]:
        """Yield the project's tasks that have an annotation that is not skipped, ordered by id.

        A task is a dict in the format of Label Studio's JSON export (`id`, `data`, `meta`, `annotations`,
        `predictions`, …), with file references in `data` as they were imported. Skipped annotations and drafts are
        left out; `completed_by` is a user id. At most `page_size` tasks are in memory at once. Each page is requested
        by "id greater than the last id", so that no task is missed or yielded twice while people annotate.
        """
        project, last = _number(project_id), 0
        quiet = self._must_be_quiet(project)
        while True:
            page = self._page(project, after=last, page_size=max(page_size, 1), quiet=quiet)
            tasks = sorted(page["tasks"], key=lambda task: int(task["id"]))
            if tasks and int(tasks[0]["id"]) <= last:
                raise StudioError(
                    f"Label Studio did not give the tasks of project {project} after task {last}",
                    fix="Label Studio 1.13 or newer is needed",
                )
            for raw in tasks:
                last = int(raw["id"])
                task = _task(raw)
                if task["annotations"]:
                    yield task
            if len(tasks) >= int(page["total"]) or not tasks:
                return

    def import_tasks(self, project_id: int | str, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Import tasks (`{"data", "annotations"?, "predictions"?}`) and return their ids in order."""
        answer = self._object(
            "POST",
            f"/api/projects/{_number(project_id)}/import",
            params={"return_task_ids": "true"},
            json=[dict(task) for task in tasks],
        )
        return [int(task_id) for task_id in answer.get("task_ids", [])]

    def _must_be_quiet(self, project_id: int | str) -> bool:
        """Tell whether listing the project's tasks would make Label Studio ask its ML backend for predictions."""
        return bool(self.project(project_id).get("evaluate_predictions_automatically"))

    def _page(self, project: int, *, after: int, page_size: int, quiet: bool) -> dict[str, Any]:
        """Return `{"tasks", "total"}` for the labelled tasks with an id above `after`; `total` counts all of them.

        Page 1 is always requested: a page past the last one is a 404, and the server may cap `page_size`. `quiet`
        keeps Label Studio from asking its ML backend for predictions of the listed tasks.
        """
        filters = [
            {"filter": "filter:tasks:total_annotations", "operator": "greater", "type": "Number", "value": 0},
            {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": after},
        ]
        query = {"filters": {"conjunction": "and", "items": filters}, "ordering": ["tasks:id"]}
        parameters = {
            "project": str(project),
            "page": "1",
            "page_size": str(page_size),
            "fields": "all",
            "resolve_uri": "false",
            "query": json.dumps(query),
        }
        if quiet:
            parameters["review"] = "true"
        page = self._object("GET", "/api/tasks/", params=parameters)
        if not isinstance(page.get("tasks"), list) or not isinstance(page.get("total"), int):
            raise StudioError(
                f"Label Studio's list of the tasks of project {project} has no 'tasks' or no 'total'"
            )
        return page

    def _object(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and return the JSON object of the response. Raises StudioError or StudioAuthError."""
        with self._http.request(
            method,
            self._http.base + path,
            login=lambda _: True,
            stay=True,
            repeatable=method == "GET",
            **arguments,
        ) as response:
            if response.status_code in {401, 403}:
                raise self._http.refused(response)
            json_body = response.headers.get("Content-Type", "").startswith("application/json")
            if response.status_code >= 400 and json_body:
                raise StudioError(f"Label Studio refused a request: {self._http.status(response)}").answered(
                    response.status_code
                )
            try:
                value = lone_surrogates.parsed(response.content)
            except (ValueError, OSError):
                value = None
        if not isinstance(value, dict):
            raise StudioError(
                f"Label Studio did not answer with a JSON object: {self._http.status(response)}",
                fix="Set LABEL_STUDIO_URL to Label Studio's address with its sub-path, if it has one",
                field="LABEL_STUDIO_URL",
            ).answered(response.status_code)
        return value


def _number(value: int | str) -> int:
    """Return an id as a number, also of a project's uid `"<id>.<creation time>"`. Raises ValueError for other text."""
    number = whole_number(str(value).partition(".")[0])
    if number is None:
        raise ValueError(f"{value!r} is not an id of Label Studio")
    return number


def _task(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a task of the API to the format of the JSON export, without skipped annotations."""
    task = {key: raw[key] for key in _EXPORTED if key in raw}
    task["annotations"] = [
        _made(annotation)
        for annotation in raw.get("annotations") or []
        if not annotation.get("was_cancelled")
    ]
    task["predictions"] = [
        _made(prediction) if isinstance(prediction, Mapping) else prediction
        for prediction in raw.get("predictions") or []
    ]
    return task


def _made(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an annotation or prediction of the API to the format of the JSON export."""
    made = {key: value for key, value in raw.items() if key not in _FOR_SHOW}
    author = made.get("completed_by")
    if isinstance(author, Mapping):
        made["completed_by"] = author.get("id")
    return made
