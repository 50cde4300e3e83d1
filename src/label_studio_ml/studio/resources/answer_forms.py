"""The forms of Label Studio's answers, as far as this package reads them: needed fields, and the types of others.

A field that is not needed may be missing or null. Fields that are not listed here may have any value.
"""

from typing import Annotated, Any, Required, TypedDict

import msgspec

#: The id of an object.
Id = int | Annotated[str, msgspec.Meta(pattern=r"^\d{1,18}$")]


class Numbered(TypedDict):
    """An object of which only the id is read."""

    id: Id


class ProjectAnswer(TypedDict, total=False):
    """A project."""

    id: Required[Id]
    title: str | None
    label_config: str | None
    created_at: str | None
    model_version: str | None
    task_number: int | None


class AnnotationAnswer(TypedDict, total=False):
    """An annotation of a task."""

    result: list[Any] | None


class TaskAnswer(TypedDict, total=False):
    """A task without its annotations and predictions."""

    id: Required[Id]
    data: Required[dict[str, Any]]


class WholeTaskAnswer(TaskAnswer, total=False):
    """A task with its annotations and predictions. Releases differ in the form of the predictions."""

    annotations: list[AnnotationAnswer] | None
    predictions: list[Any] | None


class TaskPage(TypedDict):
    """A page of tasks, and the number of tasks on all pages."""

    tasks: list[TaskAnswer]
    total: int


class WholeTaskPage(TypedDict):
    """A page of tasks with their annotations and predictions, and the number of tasks on all pages."""

    tasks: list[WholeTaskAnswer]
    total: int


class ImportAnswer(TypedDict, total=False):
    """The answer to an import of tasks."""

    task_ids: list[Id] | None
    task_count: int | None


class BackendAnswer(TypedDict, total=False):
    """An ML backend of a project."""

    id: Required[Id]
    url: Required[str]
    title: Required[str | None]
    description: str | None
    state: str | None
    error_message: str | None
    model_version: str | None


class WebhookAnswer(TypedDict, total=False):
    """A webhook of a project."""

    id: Required[Id]
    url: Required[str]
    headers: dict[str, Any] | None
    actions: list[str] | None


class ViewAnswer(TypedDict, total=False):
    """A tab of the Data Manager."""

    id: Required[Id]
    data: dict[str, Any] | None
