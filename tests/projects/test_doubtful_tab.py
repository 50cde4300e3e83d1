"""The tab of doubtful annotations, on a fake of Label Studio's API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluation.doubtful.doubtful_list import doubtful_list
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError, StudioError
from label_studio_ml.evaluation.doubtful.doubtful_labels import DoubtfulLabels
from label_studio_ml.projects import doubtful_tab
from label_studio_ml.projects.doubtful_tab import (
    MARK,
    TabRequest,
    make_tab,
    require_tab,
    with_links,
)
from label_studio_ml.studio.resources.views import is_marked
from label_studio_ml.versions.state.project_state import Project
from studio.fake import Asked, FakeServer, Reply

RESULTS: dict[int, list[Any]] = {3: [], 9: []}


EARLIER = "doubtful-20200101-000000"
VERSIONS = "DELETE /api/projects/7/model-versions/"
OURS = {"columnsWidth": {"tasks:id": 50, f"label-studio-ml:{MARK}": 1}}


class FakeTabs(FakeServer):
    """Tabs, predictions and the settings of project 7; `stored` of an upload's predictions are taken.

    `calls` are the changes in order, as method and path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.views: list[dict[str, Any]] = [
            {"id": 4, "data": {"title": "Default"}},
            {"id": 5, "data": {"title": "Doubtful labels", **OURS}},
            {"id": 6, "data": None},
        ]
        self.added: list[Any] = []
        self.changes: list[Any] = []
        self.deleted_versions: list[str] = []
        self.stored: int | None = None
        self.tasks: list[dict[str, Any]] = [{"id": 3, "data": {}}, {"id": 9, "data": {}}]
        self.shown = ""
        self.on("/api/dm/views/", self._views)
        self.on("/api/tasks/", lambda _: Reply.of({"tasks": self.tasks, "total": len(self.tasks)}))
        self.on("/api/projects/7/model-versions/", self._versions)
        self.on("/api/projects/7/import/predictions", self._predictions)
        self.on("/api/projects/7/", self._project)

    @property
    def calls(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked if asked.method != "GET"]

    def _views(self, asked: Asked) -> Reply:
        if asked.method == "DELETE":
            return Reply(204)
        if asked.method == "POST":
            self.added.append(json.loads(asked.body))
            self.views.append({"id": 12, **self.added[-1]})
            return Reply.of({"id": 12}, 201)
        return Reply.of(self.views)

    def _versions(self, asked: Asked) -> Reply:
        if asked.method == "DELETE":
            self.deleted_versions.append(json.loads(asked.body)["model_version"])
            return Reply(204)
        return Reply.of({EARLIER: 3, "mine": 5})

    def _predictions(self, asked: Asked) -> Reply:
        body = json.loads(asked.body)
        self.added += body
        return Reply.of({"created": len(body) if self.stored is None else self.stored}, 201)

    def _project(self, asked: Asked) -> Reply:
        if asked.method == "PATCH":
            self.changes.append(json.loads(asked.body))
        return Reply.of({"id": 7, "model_version": self.shown})


@pytest.fixture
def fake() -> Iterator[FakeTabs]:
    server = FakeTabs()
    yield server
    server.stop()


def _login(fake: FakeTabs) -> dict[str, Any]:
    return {"url": fake.url, "token": "secret", "own_private": ("*",)}


def _make(
    fake: FakeTabs, doubtful: DoubtfulLabels, *, order: bool = False, title: str = "Doubtful labels"
) -> DoubtfulLabels:
    return make_tab(doubtful, _login(fake), TabRequest(title, RESULTS if order else None))


def test_a_tab_of_the_annotations_takes_the_place_of_an_earlier_one_that_is_deleted_last(
    fake: FakeTabs,
) -> None:
    made = _make(fake, doubtful_list((9, 90), (3, 30)))
    assert made.tab == f"{fake.url}/projects/7/data?tab=12"
    assert (made.version, fake.changes) == ("", [])
    assert fake.deleted_versions == [EARLIER]
    assert fake.calls == ["POST /api/dm/views/", VERSIONS, "DELETE /api/dm/views/5/"]
    (view,) = fake.added
    (condition,) = view["data"]["filters"]["items"]
    assert (condition["filter"], condition["operator"]) == ("filter:tasks:annotations_ids", "contains")
    assert condition["value"] == "90 30"
    assert (view["project"], view["data"]["title"], view["data"]["ordering"]) == (7, "Doubtful labels", [])
    assert is_marked(view, MARK)


@pytest.mark.parametrize("data", [{}, {"columnsWidth": {"tasks:id": 50}}])
@pytest.mark.parametrize("doubts", [(), ((9, 90),)])
def test_a_tab_of_other_origin_is_neither_deleted_nor_joined(
    fake: FakeTabs, data: dict[str, Any], doubts: tuple[tuple[int, int], ...]
) -> None:
    fake.views.append({"id": 8, "data": {"title": "Mine", **data}})
    for refused in (
        lambda: _make(fake, doubtful_list(*doubts), title="Mine", order=True),
        lambda: require_tab("7", _login(fake), "Mine", has_ids=True),
    ):
        with pytest.raises(
            SettingsError, match=r"has a tab 'Mine' that this command has not made.*--tab"
        ) as error:
            refused()
        assert error.value.field == "--tab"
    assert fake.calls == []
    require_tab("7", _login(fake), "Doubtful labels", has_ids=True)
    require_tab("7", _login(fake), "Another", has_ids=True)


def test_an_earlier_tab_stays_if_the_new_one_is_refused(fake: FakeTabs) -> None:
    fake.on("/api/projects/7/import/predictions", Reply.of({"detail": "no"}, 400))
    with pytest.raises(StudioError):
        _make(fake, doubtful_list((9, 90)), order=True)
    assert fake.calls == ["POST /api/projects/7/import/predictions", VERSIONS]
    assert EARLIER not in fake.deleted_versions


@pytest.mark.parametrize("path", ["/api/dm/views/", "/api/projects/7/"])
def test_nothing_that_was_stored_for_a_tab_stays_if_it_cannot_be_made(fake: FakeTabs, path: str) -> None:
    answers = {"/api/dm/views/": fake._views, "/api/projects/7/": fake._project}[path]
    fake.on(
        path,
        lambda asked: (
            Reply.of({"detail": "no"}, 400) if asked.method in ("POST", "PATCH") else answers(asked)
        ),
    )
    with pytest.raises(StudioError):
        _make(fake, doubtful_list((9, 90)), order=True)
    (version,) = {each["model_version"] for each in fake.added if "model_version" in each}
    assert fake.deleted_versions == [version]
    assert ("DELETE /api/dm/views/12/" in fake.calls) == (path == "/api/projects/7/")
    assert "DELETE /api/dm/views/5/" not in fake.calls


def test_a_tab_whose_response_was_lost_does_not_stay(fake: FakeTabs) -> None:
    def lost(asked: Asked) -> Reply:
        answer = fake._views(asked)
        return Reply.of({"detail": "timed out"}, 400) if asked.method == "POST" else answer

    fake.on("/api/dm/views/", lost)
    with pytest.raises(StudioError):
        _make(fake, doubtful_list((9, 90)))
    assert fake.calls == ["POST /api/dm/views/", "DELETE /api/dm/views/12/"]


def test_tasks_that_were_deleted_meanwhile_have_no_predictions(fake: FakeTabs) -> None:
    fake.tasks = [{"id": 9, "data": {}}]
    made = _make(fake, doubtful_list((3, 30), (9, 90)), order=True)
    *predictions, _ = fake.added
    assert [(each["task"], each["score"]) for each in predictions] == [(9, 0.0)]
    assert made.notes == [
        "1 task of the list was deleted, or the annotations, since they were read; the tab has the others"
    ]
    (asked,) = [asked for asked in fake.asked if asked.path == "/api/tasks/"]
    assert "annotations_ids" in asked.query["query"]


def test_uploads_before_one_that_is_refused_are_deleted(
    fake: FakeTabs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubtful_tab, "_STORED_AT_ONCE", 1)
    fake.on(
        "/api/projects/7/import/predictions",
        lambda asked: Reply.of({"detail": "no"}, 400) if fake.added else fake._predictions(asked),
    )
    with pytest.raises(StudioError):
        _make(fake, doubtful_list((9, 90), (3, 30)), order=True)
    (stored,) = fake.added
    assert fake.deleted_versions == [stored["model_version"]]


def test_the_order_of_the_list_by_predictions_of_a_version_of_its_own(fake: FakeTabs) -> None:
    made = _make(fake, doubtful_list((9, 90), (3, 30), (9, 91)), order=True)
    *predictions, view = fake.added
    assert [(each["task"], each["score"]) for each in predictions] == [(9, 0.0), (3, 0.5)]
    assert {each["model_version"] for each in predictions} == {made.version}
    assert view["data"]["ordering"] == ["tasks:predictions_score"]
    assert fake.changes == [{"model_version": made.version}]
    assert fake.deleted_versions == [EARLIER]
    assert fake.calls[-1] == "DELETE /api/dm/views/5/"


def test_predictions_that_are_refused_change_nothing(fake: FakeTabs) -> None:
    fake.stored = 1
    with pytest.raises(StudioError, match=r"refused 1 of 2 predictions.*Leave out --order"):
        _make(fake, doubtful_list((9, 90), (3, 30)), order=True)
    assert fake.changes == []
    assert EARLIER not in fake.deleted_versions
    assert "DELETE /api/dm/views/5/" not in fake.calls


def test_without_doubts_there_is_no_tab(fake: FakeTabs) -> None:
    fake.shown = EARLIER
    assert _make(fake, doubtful_list()).tab == ""
    assert (fake.added, fake.changes, fake.deleted_versions) == ([], [{"model_version": ""}], [EARLIER])
    assert fake.calls == ["PATCH /api/projects/7/", VERSIONS, "DELETE /api/dm/views/5/"]


def test_another_version_that_the_project_shows_stays_chosen(fake: FakeTabs) -> None:
    fake.shown = "mine"
    _make(fake, doubtful_list())
    assert (fake.changes, fake.deleted_versions) == ([], [EARLIER])


def test_annotations_without_ids_have_no_tab(fake: FakeTabs) -> None:
    with pytest.raises(SettingsError, match="needs the ids"):
        _make(fake, doubtful_list((9, None)))
    with pytest.raises(SettingsError, match="needs the ids"):
        _make(fake, msgspec.structs.replace(doubtful_list((9, 90)), project="unknown"))
    for project, has_ids in (("unknown", True), ("7", False)):
        with pytest.raises(SettingsError, match="needs the ids"):
            require_tab(project, _login(fake), "Doubtful labels", has_ids=has_ids)


def test_links_where_the_address_is_known() -> None:
    doubtful = doubtful_list((9, 90), (3, None))
    settings = Settings(backend_dir=Path(), studio_url="http://studio:8080/sub/", studio_api_key="secret")
    urls = [doubt.url for doubt in with_links(doubtful, Project(uid="7.1"), settings).doubts]
    assert urls == [
        "http://studio:8080/sub/projects/7/data?task=9&annotation=90",
        "http://studio:8080/sub/projects/7/data?task=3",
    ]
    unsafe = Project(uid="7.1", hostname="javascript:alert(1)")
    assert [doubt.url for doubt in with_links(doubtful, unsafe, Settings(backend_dir=Path())).doubts] == [
        "",
        "",
    ]
