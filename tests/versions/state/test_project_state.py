"""The database of projects."""

from pathlib import Path

import pytest

from label_studio_ml.versions.state.project_state import Project, Projects


def test_projects(tmp_path: Path) -> None:
    projects = Projects(tmp_path)
    assert projects.get("1") is None
    assert projects.update("1", title="t", label_config=None) == Project(uid="1", title="t")
    changed = projects.update("1", label_config="<View/>", extra_params={"a": [1]}, access_token="s")
    assert (changed.title, changed.extra_params) == ("t", {"a": [1]})
    assert Projects(tmp_path).get("1") == changed
    projects.update("..", title="odd")
    assert projects.uids() == ["..", "1"]
    projects.delete("1")
    assert projects.uids() == [".."]


def test_the_plain_id() -> None:
    assert Project(uid="12.1700").project_id == "12"
    assert Project(uid="12").project_id == "12"


def test_a_token_is_neither_shown_nor_readable_by_others(tmp_path: Path) -> None:
    project = Projects(tmp_path).update("1", access_token="CANARY")
    assert "CANARY" not in repr(project)
    assert (tmp_path / "projects.db").stat().st_mode & 0o077 == 0


def test_what_is_kept_of_a_project_and_damaged_is_as_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    projects = Projects(tmp_path)
    projects.update("1.1", title="a")
    for text in ("{", "7", '{"uid": 1}'):
        projects._cache.set("1.1", "project", text)
        assert projects.get("1.1") is None
    assert "Project 1.1: its entry in" in caplog.text
    assert projects.update("1.1", title="b").title == "b"
    assert Projects(tmp_path).get("1.1") == Project(uid="1.1", title="b")
