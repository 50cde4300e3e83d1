"""Client for the part of Label Studio's API that a model needs: projects, labelled tasks, import of tasks.

Statements about Label Studio's behaviour were verified with version 1.23.2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.errors import StudioError
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.studio.resources.tasks import TASK_FIELDS
from label_studio_ml.studio.transport.api_client import ApiClient
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.support.texts import whole_number

#: Fields of the API's response that a task keeps: those of the JSON export.
_EXPORT_FIELDS = ("id", "annotations", "predictions", "file_upload", *TASK_FIELDS)

#: Display fields that the API adds to annotations and predictions; the export does not have them.
_DISPLAY_FIELDS = frozenset({"created_username", "created_ago"})

_LABELLED = task_filters.parse("total_annotations > 0")


class StudioClient:
    """Reads projects and tasks of the Label Studio at `url`, with a legacy or a personal access token.

    `url` may have a sub-path. `options` are those of Http. Every method raises StudioAuthError when the token is
    missing or refused, and StudioError when Label Studio cannot be reached or answers with an error; both name URL,
    status and the setting to change. Thread-safe.
    """

    def __init__(self, url: str, token: str, **options: Any) -> None:
        if not url.strip():
            raise StudioError(
                "Label Studio's address is not known", fix="Set LABEL_STUDIO_URL", field="LABEL_STUDIO_URL"
            )
        self._studio = LabelStudio(ApiClient(Http(url, token, **options)))

    def __repr__(self) -> str:
        return f"StudioClient({self._studio.api.http!r})"

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._studio.api.close()

    def project(self, project_id: int | str) -> dict[str, Any]:
        """Return the API's object of a project: `id`, `title`, `label_config`, `task_number` and more."""
        return self._studio.projects.get(_number(project_id))

    def task(self, task_id: int | str) -> dict[str, Any]:
        """Return a task, with or without annotations, in the format of `labelled_tasks`.

        A model must not call this while it predicts: if the task has no prediction and the project shows predictions,
        Label Studio first asks its ML backend for one.
        """
        return _task(self._studio.tasks.get(_number(task_id)))

    def count_labelled(self, project_id: int | str) -> int:
        """Return the number of tasks with an annotation that is not skipped, as Label Studio counts them."""
        project, review = _number(project_id), self._predicts_when_listed(project_id)
        page = self._studio.tasks.page(project, [_LABELLED], size=1, fields="all", review=review)
        return page.total

    def labelled_tasks(self, project_id: int | str, *, page_size: int = 100) -> Iterator[dict[str, Any]]:
        """Yield the project's tasks that have an annotation that is not skipped, ordered by id.

        A task is a dict in the format of Label Studio's JSON export (`id`, `data`, `meta`, `annotations`,
        `predictions`, …), with file references in `data` as they were imported. Skipped annotations and drafts are
        left out; `completed_by` is a user id. At most `page_size` tasks are in memory at once. No task is missed or
        yielded twice while people annotate.
        """
        project, review = _number(project_id), self._predicts_when_listed(project_id)
        size = max(page_size, 1)
        for raw in self._studio.tasks.every(project, [_LABELLED], size=size, fields="all", review=review):
            task = _task(raw)
            if task["annotations"]:
                yield task

    def import_tasks(self, project_id: int | str, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Import tasks (`{"data", "annotations"?, "predictions"?}`) and return their ids in order."""
        return self._studio.tasks.add(_number(project_id), tasks)

    def _predicts_when_listed(self, project_id: int | str) -> bool:
        """Tell whether listing the project's tasks would make Label Studio ask its ML backend for predictions."""
        return bool(self.project(project_id).get("evaluate_predictions_automatically"))


def _number(value: int | str) -> int:
    """Return an id as a number, also of a project's uid `"<id>.<creation time>"`. Raises ValueError for other text."""
    number = whole_number(str(value).partition(".")[0])
    if number is None:
        raise ValueError(f"{value!r} is not an id of Label Studio")
    return number


def _task(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a task of the API to the format of the JSON export, without skipped annotations."""
    task = {key: raw[key] for key in _EXPORT_FIELDS if key in raw}
    task["annotations"] = [
        _exported(annotation)
        for annotation in raw.get("annotations") or []
        if not annotation.get("was_cancelled")
    ]
    task["predictions"] = [
        _exported(prediction) if isinstance(prediction, Mapping) else prediction
        for prediction in raw.get("predictions") or []
    ]
    return task


def _exported(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an annotation or prediction of the API to the format of the JSON export."""
    exported = {key: value for key, value in raw.items() if key not in _DISPLAY_FIELDS}
    author = exported.get("completed_by")
    if isinstance(author, Mapping):
        exported["completed_by"] = author.get("id")
    return exported
