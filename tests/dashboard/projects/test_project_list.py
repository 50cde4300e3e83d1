"""The list of projects: search, pages, several sources, and how often it is read."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from label_studio_ml.dashboard.projects.project_list import ProjectList, studio_links
from label_studio_ml.errors import BrokerError
from label_studio_ml.versions.state import project_state
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.store.local_store import VersionStore


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path)


@pytest.fixture
def listed(tmp_path: Path, projects: Projects) -> ProjectList:
    return ProjectList(projects, VersionStore(tmp_path))


def _found(listed: ProjectList, words: str = "", first: int = 0, size: int = 100) -> list[str]:
    return [project.uid for project in listed.find(words, first=first, size=size)[1]]


def test_projects_are_sorted_by_number_and_found_by_words(projects: Projects, listed: ProjectList) -> None:
    projects.put(Project(uid="10.2", title="Straße <b>", hostname="http://studio.example", access_token="t"))
    projects.put(Project(uid="9.1", title="cats"))
    projects.put(Project(uid="name"))
    assert _found(listed) == ["name", "9.1", "10.2"]
    assert _found(listed, "STRASSE") == ["10.2"]
    assert _found(listed, " cat ") == ["9.1"]
    assert _found(listed, "studio.ex") == ["10.2"]
    assert _found(listed, "%") == []
    assert listed.find("", first=1, size=1)[0] == 3
    assert _found(listed, first=1, size=1) == ["9.1"]
    assert _found(listed, first=9) == []
    project = listed.get("10.2")
    assert project is not None
    assert project.token
    assert listed.get("11.1") is None


def test_other_servers_projects_and_forgotten_ones(tmp_path: Path, projects: Projects) -> None:
    projects.put(Project(uid="2.1", title="here"))
    store = VersionStore(tmp_path)
    for uid in ("2.1", "1.1"):
        store.begin(uid, store.new_id(uid))
    listed = ProjectList(projects, store, lambda: {"2.1": "there", "3.1": "elsewhere"})
    rows = {
        project.uid: (project.title, project.forgotten) for project in listed.find("", first=0, size=9)[1]
    }
    known = listed.find("", first=0, size=9, known=True)
    assert (known[0], [project.uid for project in known[1]]) == (2, ["2.1", "3.1"])
    assert rows == {"2.1": ("here", False), "3.1": ("elsewhere", False), "1.1": ("", True)}


def test_the_list_is_there_without_redis(tmp_path: Path, projects: Projects) -> None:
    def unavailable() -> dict[str, str]:
        raise BrokerError("Redis cannot be reached")

    projects.put(Project(uid="2.1"))
    assert _found(ProjectList(projects, VersionStore(tmp_path), unavailable)) == ["2.1"]


def test_a_damaged_entry_is_listed_without_its_data(projects: Projects, listed: ProjectList) -> None:
    projects.put(Project(uid="1.1", title="whole"))
    projects._cache.set("2.1", "project", '{"uid": "2.1", "tit')
    assert _found(listed) == ["1.1", "2.1"]


def test_five_thousand_projects_are_read_once(
    projects: Projects, listed: ProjectList, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = "<View>" + "x" * 2_000 + "</View>"
    with projects._cache._current_connection() as connection:  # a row each would take a minute
        rows = [
            (
                f"{number}.1",
                "project",
                f'{{"uid":"{number}.1","title":"t{number}","label_config":"{config}"}}',
            )
            for number in range(1, 5001)
        ]
        connection.executemany("INSERT INTO cache (project_id, key, value) VALUES (?, ?, ?)", rows)
    reads = Mock(wraps=projects.summaries)
    monkeypatch.setattr(projects, "summaries", reads)
    monkeypatch.setattr(projects, "get", lambda uid: pytest.fail("a description is read"))
    monkeypatch.setattr(project_state, "MTIME_RESOLUTION", 0.0)  # as two seconds later
    assert listed.find("t49", first=100, size=25)[0] == 111
    for first in range(0, 5000, 250):
        assert len(_found(listed, first=first, size=25)) == 25
    assert reads.call_count == 1


def test_a_change_is_seen(projects: Projects, listed: ProjectList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("label_studio_ml.dashboard.projects.project_list.REUSE", 0.0)
    projects.put(Project(uid="1.1"))
    assert _found(listed) == ["1.1"]
    projects.put(Project(uid="2.1"))
    assert _found(listed) == ["1.1", "2.1"]
    projects.delete("1.1")
    listed.changed()
    assert _found(listed) == ["2.1"]


@pytest.mark.parametrize(
    ("host", "number", "data"),
    [
        ("http://studio:8080", "6", "http://studio:8080/projects/6/data"),
        ("https://example.com/ls/", "6", "https://example.com/ls/projects/6/data"),
        ("javascript:alert(1)//", "6", None),
        ("data:text/html,x", "6", None),
        ("http://", "6", None),
        ("", "6", None),
        ("http://studio", "0", None),
        ("http://studio", "../x", None),
        ("http://[studio", "6", None),
    ],
)
def test_links_lead_to_label_studio_only(host: str, number: str, data: str | None) -> None:
    assert studio_links(host, number).get("data") == data
