"""A tab of Label Studio's Data Manager with the tasks of doubtful annotations, and links to these."""

import contextlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError, StudioError
from label_studio_ml.evaluation.doubtful.doubtful_labels import DoubtfulLabels
from label_studio_ml.evaluation.doubtful.judgement import Doubt
from label_studio_ml.model_calls.project_login import studio_login
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.studio.resources.views import is_marked, title_of
from label_studio_ml.studio.transport.api_client import ApiClient
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.support.texts import plural, whole_number
from label_studio_ml.versions.state.project_state import Project

#: Names of the versions that the predictions of a tab with an order are stored under.
VERSION_NAME = re.compile(r"doubtful-\d{8}-\d{6}")
#: Mark of the tabs that this module makes.
MARK = "doubtful labels"
#: Predictions in one upload.
_STORED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TabRequest:
    """The tab to make. `results` are the predicted regions by task, stored for the order of the tab; None for none."""

    title: str
    results: Mapping[int, Sequence[Any]] | None = None


def with_links(doubtful: DoubtfulLabels, project: Project, settings: Settings) -> DoubtfulLabels:
    """Return the result with the address of each annotation's page, where Label Studio's address is known."""
    base = _project_url(studio_login(project, settings)[0], doubtful.project)
    if not base:
        return doubtful

    def link(doubt: Doubt) -> str:
        annotation = "" if doubt.annotation is None else f"&annotation={doubt.annotation}"
        return "" if doubt.task is None else f"{base}/data?task={doubt.task}{annotation}"

    return msgspec.structs.replace(
        doubtful, doubts=[msgspec.structs.replace(doubt, url=link(doubt)) for doubt in doubtful.doubts]
    )


def require_tab(project: str, login: Mapping[str, Any], title: str, *, has_ids: bool) -> None:
    """Raise SettingsError if `make_tab` would refuse to make a tab of this title.

    `login` are the arguments of StudioClient. `has_ids` tells whether all annotations have ids. Raises StudioError if
    the tabs cannot be read.
    """
    number = _require_ids(project, has_ids=has_ids)
    with contextlib.closing(ApiClient(Http(**login))) as api:
        _own_tabs(LabelStudio(api), number, title)


def make_tab(doubtful: DoubtfulLabels, login: Mapping[str, Any], tab: TabRequest) -> DoubtfulLabels:
    """Make the tab in place of an earlier one of the same title; return the result with its address.

    `login` are the arguments of StudioClient. The earlier tab is deleted after the new one is made, and with it the
    versions that earlier runs have stored; if there are no doubts, no tab is made. With `tab.results`, the predictions
    are stored under a version that the project then shows, because Label Studio orders by predictions of the shown
    version only. If the tab cannot be made, nothing that was stored for it stays. Raises SettingsError if the
    annotations or the project have no id or the title is that of another tab, and StudioError.
    """
    annotations = [doubt.annotation for doubt in doubtful.doubts if doubt.annotation is not None]
    project = _require_ids(doubtful.project, has_ids=len(annotations) == len(doubtful.doubts))
    with contextlib.closing(ApiClient(Http(**login))) as api:
        studio = LabelStudio(api)
        earlier = _own_tabs(studio, project, tab.title)
        if annotations:
            doubtful = _add_tab(studio, project, doubtful, tab, earlier)
        if earlier or doubtful.version:
            _delete_earlier_versions(studio, project, doubtful.version)
        for view_id in earlier:
            studio.views.delete(view_id)
    return doubtful


def _require_ids(project: str, *, has_ids: bool) -> int:
    """Return the project's number. Raises SettingsError if it has none or not all annotations have ids."""
    number = whole_number(project)
    if not number or not has_ids:
        raise SettingsError(
            "A tab needs the ids of the project and of its annotations",
            fix="Name the project with --project and an export that has the ids, or make no tab, with --no-tab",
            field="--tab",
        )
    return number


def _own_tabs(studio: LabelStudio, project: int, title: str) -> list[int]:
    """Return the ids of the tabs of this title, all made by `make_tab`. Raises SettingsError if one is another's."""
    views = [view for view in studio.views.of_project(project) if title_of(view) == title]
    if not all(is_marked(view, MARK) for view in views):
        raise SettingsError(
            f"Project {project} has a tab {title!r} that this command has not made, so it is not replaced",
            fix="Give another title with --tab, or make no tab, with --no-tab",
            field="--tab",
        )
    return [int(view["id"]) for view in views]


def _add_tab(
    studio: LabelStudio, project: int, doubtful: DoubtfulLabels, tab: TabRequest, earlier: list[int]
) -> DoubtfulLabels:
    """Make the tab of the tasks with the doubtful annotations, and return the result with its address and version.

    If that fails, the predictions and the tab that were stored until then are deleted, also a tab whose response has
    not arrived. `earlier` are the tabs of this title that stay.
    """
    version = "" if tab.results is None else f"doubtful-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    annotations = [doubt.annotation for doubt in doubtful.doubts if doubt.annotation is not None]
    conditions = [task_filters.with_annotations(annotations)]
    with contextlib.ExitStack() as undo:
        if version:
            kept = {int(task["id"]) for task in studio.tasks.every(project, conditions)}
            doubtful = _with_note_of_deleted(doubtful, kept)
            undo.callback(_try_to, studio.predictions.delete_version, project, version)
            results = {task: result for task, result in (tab.results or {}).items() if task in kept}
            _store_order(studio, project, doubtful, results, version)
        ordering = "tasks:predictions_score" if version else ""
        undo.callback(_try_to, _delete_newer_tabs, studio, project, tab.title, earlier)
        view_id = studio.views.add(project, tab.title, conditions, mark=MARK, ordering=ordering)
        if version:
            studio.projects.change(project, model_version=version)
        undo.pop_all()
    address = f"{_project_url(studio.url, doubtful.project)}/data?tab={view_id}"
    return msgspec.structs.replace(doubtful, tab=address, version=version)


def _with_note_of_deleted(doubtful: DoubtfulLabels, kept: Collection[int]) -> DoubtfulLabels:
    """Return the result with a note on tasks of its list that are not among the `kept` ones, if there are any.

    Label Studio refuses all predictions of an upload if one of its tasks is gone.
    """
    deleted = {doubt.task for doubt in doubtful.doubts if doubt.task not in kept}
    if not deleted:
        return doubtful
    tasks = plural(len(deleted), "task of the list was", "tasks of the list were")
    note = f"{tasks} deleted, or the annotations, since they were read; the tab has the others"
    return msgspec.structs.replace(doubtful, notes=[*doubtful.notes, note])


def _delete_newer_tabs(studio: LabelStudio, project: int, title: str, earlier: Collection[int]) -> None:
    for view_id in _own_tabs(studio, project, title):
        if view_id not in earlier:
            studio.views.delete(view_id)


def _try_to(delete: Callable[..., None], *arguments: Any) -> None:
    """Delete something after a failure, whose error is the one to report if this fails, too."""
    with contextlib.suppress(StudioError, SettingsError):
        delete(*arguments)


def _store_order(
    studio: LabelStudio,
    project: int,
    doubtful: DoubtfulLabels,
    results: Mapping[int, Sequence[Any]],
    version: str,
) -> None:
    """Store the predictions of the doubtful tasks, scored by their places in the list."""
    tasks = list(dict.fromkeys(doubt.task for doubt in doubtful.doubts if doubt.task in results))
    body = [
        {"task": task, "result": list(results[task]), "score": place / len(tasks), "model_version": version}
        for place, task in enumerate(tasks)
        if task is not None
    ]
    stored = sum(
        studio.predictions.add(project, body[start : start + _STORED_AT_ONCE])
        for start in range(0, len(body), _STORED_AT_ONCE)
    )
    if stored < len(body):
        raise StudioError(
            f"Label Studio refused {len(body) - stored} of {plural(len(body), 'prediction')}: the label config has no "
            "place for such results",
            fix="Leave out --order",
            field="--order",
        )


def _delete_earlier_versions(studio: LabelStudio, project: int, version: str) -> None:
    """Delete the predictions that earlier runs stored for an order; `version` is this run's, empty for none.

    If there is none and the project shows such a version, it shows none afterwards.
    """
    if not version and VERSION_NAME.fullmatch(str(studio.projects.get(project).get("model_version") or "")):
        studio.projects.change(project, model_version="")
    for name in studio.predictions.versions(project):
        if VERSION_NAME.fullmatch(name) and name != version:
            studio.predictions.delete_version(project, name)


def _project_url(host: str, number: str) -> str:
    """Return the address of a project's page, empty if the host's address is no web address or not known."""
    try:
        parts = urlsplit(host.strip())
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or not whole_number(number):
        return ""
    return f"{host.strip().rstrip('/')}/projects/{number}"
