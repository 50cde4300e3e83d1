"""A tab of Label Studio's Data Manager with the tasks of doubtful annotations, and links to these."""

import contextlib
import re
from collections.abc import Mapping, Sequence
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


def require_own_title(project: str, login: Mapping[str, Any], title: str) -> None:
    """Raise SettingsError if the project has a tab of this title that `make_tab` has not made.

    `login` are the arguments of StudioClient. Raises StudioError if the tabs cannot be read.
    """
    if number := whole_number(project):
        with contextlib.closing(ApiClient(Http(**login))) as api:
            _own_tabs(LabelStudio(api), number, title)


def make_tab(doubtful: DoubtfulLabels, login: Mapping[str, Any], tab: TabRequest) -> DoubtfulLabels:
    """Make the tab in place of an earlier one of the same title; return the result with its address.

    `login` are the arguments of StudioClient. The earlier tab is deleted after the new one is made; if there are no
    doubts, none is made. With `tab.results`, the predictions are stored under a version that the project then shows,
    because Label Studio orders by predictions of the shown version only. Raises SettingsError if the annotations or the
    project have no id or the title is that of another tab, and StudioError.
    """
    project = whole_number(doubtful.project)
    annotations = [doubt.annotation for doubt in doubtful.doubts if doubt.annotation is not None]
    if not project or len(annotations) < len(doubtful.doubts):
        raise SettingsError(
            "A tab needs the ids of the project and of its annotations",
            fix="Name the project with --project and an export that has the ids, or make no tab, with --no-tab",
            field="--tab",
        )
    with contextlib.closing(ApiClient(Http(**login))) as api:
        studio = LabelStudio(api)
        earlier = _own_tabs(studio, project, tab.title)
        if annotations:
            doubtful = _add_tab(studio, project, annotations, doubtful, tab)
        for view_id in earlier:
            studio.views.delete(view_id)
    return doubtful


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
    studio: LabelStudio, project: int, annotations: list[int], doubtful: DoubtfulLabels, tab: TabRequest
) -> DoubtfulLabels:
    """Make the tab of the tasks with these annotations, and return the result with its address and version."""
    version = "" if tab.results is None else _store_order(studio, project, doubtful, tab.results)
    view_id = studio.views.add(
        project,
        tab.title,
        [task_filters.with_annotations(annotations)],
        mark=MARK,
        ordering="tasks:predictions_score" if version else "",
    )
    if version:
        _show_version(studio, project, version)
    address = f"{_project_url(studio.url, doubtful.project)}/data?tab={view_id}"
    return msgspec.structs.replace(doubtful, tab=address, version=version)


def _store_order(
    studio: LabelStudio, project: int, doubtful: DoubtfulLabels, results: Mapping[int, Sequence[Any]]
) -> str:
    """Store the predictions of the doubtful tasks, scored by their places in the list; return the version's name."""
    version = f"doubtful-{datetime.now(UTC):%Y%m%d-%H%M%S}"
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
        studio.predictions.delete_version(project, version)
        raise StudioError(
            f"Label Studio refused {len(body) - stored} of {plural(len(body), 'prediction')}: the label config has no "
            "place for such results",
            fix="Leave out --order",
            field="--order",
        )
    return version


def _show_version(studio: LabelStudio, project: int, version: str) -> None:
    """Let the project show the predictions of this version, and delete those of earlier runs."""
    studio.projects.change(project, model_version=version)
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
