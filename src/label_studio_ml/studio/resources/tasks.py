"""Tasks in Label Studio's API. All lists of tasks come from one query, which `TaskResource.page` sends."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.errors import StudioError
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.answer_forms import (
    ImportAnswer,
    TaskPage,
    WholeTaskAnswer,
    WholeTaskPage,
)
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.transport.api_client import ApiClient, Json

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


@dataclass(frozen=True)
class Page:
    """Tasks of a project by ascending id, and the total number of tasks from the first of them on."""

    tasks: list[Json]
    total: int


class TaskResource:
    """Reads and imports tasks. Tasks are as in the API's responses. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def get(self, task_id: int) -> Json:
        """Return a task, with file references in its `data` as they were imported."""
        return self._api.json_object(
            "GET", f"/api/tasks/{task_id}/", form=WholeTaskAnswer, params={"resolve_uri": "false"}
        )

    def page(
        self,
        project: int,
        conditions: Sequence[Filter] = (),
        *,
        after: int = 0,
        number: int = 1,
        size: int = 500,
        fields: str = "task_only",
        review: bool = True,
    ) -> Page:
        """Return page `number` of the tasks with an id above `after` that meet the conditions, by ascending id.

        The server may cap `size`. With `fields="all"`, tasks have their annotations and predictions. `review` keeps
        Label Studio from requesting predictions of these tasks from its backend first; it leaves out the score column.
        Raises StudioError if Label Studio ignores the filter on ids, as releases before 1.13 do.
        """
        query = {
            "filters": task_filters.everything([*conditions, task_filters.above(after)]),
            "ordering": ["tasks:id"],
        }
        parameters = {
            "project": str(project),
            "page": str(number),
            "page_size": str(size),
            "fields": fields,
            "resolve_uri": "false",
            "query": json.dumps(query),
        }
        if review:
            parameters["review"] = "true"
        form = WholeTaskPage if fields == "all" else TaskPage
        answer = self._api.json_object("GET", "/api/tasks/", form=form, params=parameters)
        tasks = sorted(answer["tasks"], key=lambda task: int(task["id"]))
        if tasks and int(tasks[0]["id"]) <= after:
            raise StudioError(
                f"Label Studio did not give the tasks of project {project} after task {after}",
                fix="Label Studio 1.13 or newer is needed",
            )
        return Page(tasks, answer["total"])

    def every(
        self, project: int, conditions: Sequence[Filter] = (), *, until_empty: bool = False, **options: Any
    ) -> Iterator[Json]:
        """Yield every task that meets the conditions, by ascending id; at most one page is in memory at once.

        `options` are those of `page`: `size`, `fields`, `review`.
        Each page is requested by "id greater than the last id", so that no task is missed or yielded twice while tasks
        change. Page 1 is always requested: a page past the last one is a 404. `until_empty` requests pages until one is
        empty, so that tasks imported while the last page is read are yielded, too.
        """
        after = 0
        while True:
            page = self.page(project, conditions, after=after, **options)
            yield from page.tasks
            if not page.tasks or (len(page.tasks) >= page.total and not until_empty):
                return
            after = int(page.tasks[-1]["id"])

    def nth(self, project: int, conditions: Sequence[Filter], number: int) -> int | None:
        """Return the id of task `number` (from 1) among the tasks that meet the conditions, by ascending id.

        Return None if there are fewer tasks.
        """
        try:
            page = self.page(project, conditions, number=number, size=1)
        except StudioError as error:
            if error.status != 404:
                raise
            return None
        return int(page.tasks[0]["id"]) if page.tasks else None

    def first(self, project: int, conditions: Sequence[Filter] = (), *, review: bool = True) -> Json | None:
        """Return the first task that meets the conditions, with its annotations and predictions; None without any."""
        tasks = self.page(project, conditions, size=1, fields="all", review=review).tasks
        return tasks[0] if tasks else None

    def predicted(self, project: int, version: str = "") -> Json | None:
        """Return a task that has predictions, of `version` if given, with the score column; None without any."""
        condition = task_filters.versions("contains", version)
        if not version:
            condition = task_filters.parse("total_predictions > 0")
        return self.first(project, [condition], review=False)

    def add(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Import tasks (`{"data", "annotations"?, "predictions"?}`) and return their ids in order."""
        parameters, body = {"return_task_ids": "true"}, [dict(task) for task in tasks]
        answer = self._api.json_object(
            "POST", f"/api/projects/{project}/import", form=ImportAnswer, params=parameters, json=body
        )
        return [int(task_id) for task_id in answer.get("task_ids") or []]

    def add_file(self, project: int, name: str, data: bytes) -> int:
        """Import the tasks of a file with the content `data`; return their number.

        Label Studio takes the file's format from the extension of `name`.
        """
        file = {"file": (name, data)}
        answer = self._api.json_object(
            "POST", f"/api/projects/{project}/import", form=ImportAnswer, files=file
        )
        return int(answer.get("task_count") or 0)
