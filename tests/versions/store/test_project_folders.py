"""Folders of projects that are there and cannot be read: the untrained model never takes a trained one's place."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from label_studio_ml.errors import DecisionError
from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.versions.operations import promote, rollback
from label_studio_ml.versions.state.known_projects import known_projects
from label_studio_ml.versions.store.local_store import VersionStore
from unprivileged import unprivileged
from versions.made import Made, P

__all__ = ["unprivileged"]


def _away(folder: Path) -> Path:
    base = folder.parent.parent if folder.parent.name == "versions" else folder.parent
    return base / "away"


def _file(folder: Path) -> None:
    folder.rename(_away(folder))
    folder.write_text("in the way")


def _dangling(folder: Path) -> None:
    folder.rename(_away(folder))
    folder.symlink_to("nowhere")


def _bring_back(folder: Path) -> None:
    folder.unlink()
    _away(folder).rename(folder)


DAMAGES = ((_file, "is a file, not a folder"), (_dangling, "nowhere, which does not exist"))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Versions a and b; b is served, and nobody decided anything."""
    made = Made(tmp_path)
    made.add_all("ab")
    return made


def _place(made: Made, part: str) -> Path:
    return made.store.folder(P) if part == "project" else made.folder / "versions"


@pytest.mark.parametrize("part", ["project", "versions"])
@pytest.mark.parametrize(("damage", "what"), DAMAGES)
def test_a_new_process_refuses_the_project(
    made: Made, damage: Callable[[Path], None], what: str, part: str
) -> None:
    place = _place(made, part)
    damage(place)
    store = VersionStore(made.folder)
    for ask in (store.served, store.line, store.decision, store.versions, store.history):
        with pytest.raises(DecisionError, match=what) as caught:
            ask(P)
        assert str(place) in str(caught.value)
        assert "MODEL_DIR" in str(caught.value)
    for change in (
        lambda: promote(store, made.folder, P, "a"),
        lambda: rollback(store, made.folder, P),
        lambda: store.delete_project(P),
    ):
        with pytest.raises(DecisionError, match=what):
            change()
    with pytest.raises(DecisionError, match=what):
        VersionSelection(store).manifest(P)
    assert [what in one for one in store.decision_problems] == [True]
    assert what in store.decision_problem(P)
    _bring_back(place)
    assert made.served() == "b"
    assert store.decision_problems == []


@pytest.mark.parametrize("part", ["project", "versions"])
@pytest.mark.parametrize(("damage", "what"), DAMAGES)
def test_a_process_that_serves_goes_on_and_says_so(
    made: Made, damage: Callable[[Path], None], what: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    wanted = VersionSelection(made.store)
    before = wanted.manifest(P)
    assert before is not None
    damage(_place(made, part))
    for _ in range(3):
        assert wanted.changed([P]) == []
        assert wanted.manifest(P) == before
    assert caplog.text.count(what) == 1
    wanted.renew(P)
    assert wanted.manifest(P) == before
    _bring_back(_place(made, part))
    made.add_all("c")
    assert wanted.changed([P]) == [P]
    after = wanted.manifest(P)
    assert after is not None
    assert after.name == "c"
    assert "can be read again" in caplog.text


def test_it_is_logged_at_the_start(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    _file(made.store.folder(P))
    VersionStore(made.folder).start()
    assert "is a file, not a folder" in caplog.text


def test_a_project_without_a_folder_is_untrained(made: Made) -> None:
    assert VersionStore(made.folder).served("8.1") is None
    (made.folder / "versions" / "notes.txt").write_text("mine")
    (made.folder / "versions" / ".hidden").write_text("")
    store = VersionStore(made.folder)
    assert (store.projects(), store.decision_problems) == ([P], [])


def test_the_list_of_projects_is_made_without_its_versions(made: Made) -> None:
    made.add("x", uid="9.1")
    _file(made.store.folder(P))
    found = {one.uid: one.versions for one in known_projects(made.folder, VersionStore(made.folder))}
    assert found == {P: 0, "9.1": 1}


@pytest.mark.parametrize("part", ["project", "versions"])
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o300])
def test_a_folder_of_another_user(
    made: Made, monkeypatch: pytest.MonkeyPatch, unprivileged: Callable[[], int], mode: int, part: str
) -> None:
    monkeypatch.chdir(made.folder)
    place = _place(made, part).relative_to(made.folder)
    for folder, _, _ in os.walk(made.folder):
        os.chmod(folder, 0o755)
    place.chmod(mode)
    user = unprivileged()
    store = VersionStore(Path())
    with pytest.raises(DecisionError, match=f"{place} cannot be read by the user with the number {user}"):
        store.served(P)
    assert store.hint(P) is None
    (problem,) = store.decision_problems
    assert f"chown -R {user} {place}" in problem
