"""The key/value pairs of user code."""

import multiprocessing
from pathlib import Path

import pytest

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.operations import rollback
from label_studio_ml.versions.state.key_values import (
    LenientState,
    MemoryState,
    StagedState,
    State,
    StoredState,
)
from label_studio_ml.versions.state.project_state import Projects
from versions.made import Made, P


@pytest.mark.parametrize("kind", ["memory", "stored", "staged"])
def test_pairs(tmp_path: Path, kind: str) -> None:
    states: dict[str, State] = {
        "memory": MemoryState(),
        "stored": StoredState(tmp_path, "1"),
        "staged": StagedState(MemoryState()),
    }
    state = states[kind]
    assert state.get("a") is None
    assert not state.has("a")
    state.set("a", "ä\x00")
    state.set("b", "")
    assert (state.get("a"), state.get("b"), state.has("b")) == ("ä\x00", "", True)


def test_staged_pairs_leave_what_is_below_alone(tmp_path: Path) -> None:
    below = StoredState(tmp_path, "1")
    below.set("a", "old")
    staged = StagedState(below)
    staged.set("a", "new")
    staged.set("b", "new")
    assert (staged.get("a"), staged.has("b"), staged.changes) == ("new", True, {"a": "new", "b": "new"})
    assert (below.get("a"), below.has("b")) == ("old", False)
    below.set("c", "later")
    assert staged.get("c") == "later"


def test_projects_do_not_mix(tmp_path: Path) -> None:
    StoredState(tmp_path, "1.2").update({"a": "x", "b": "y"})
    StoredState(tmp_path, "1.2").update({})
    assert StoredState(tmp_path, "1.3").get("a") is None
    assert StoredState(tmp_path, "1.2").get("b") == "y"


def _write(folder: str, number: int) -> None:
    StoredState(Path(folder), "1").set(f"key {number}", str(number))


def test_processes_see_each_other(tmp_path: Path) -> None:
    state = StoredState(tmp_path, "1")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(_write, [(str(tmp_path), number) for number in range(8)])
    assert [state.get(f"key {number}") for number in range(8)] == [str(number) for number in range(8)]


def test_a_folder_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VersionError, match="MODEL_DIR"):
        StoredState(tmp_path / "file", "1").set("a", "b")
    with pytest.raises(VersionError, match="MODEL_DIR"):
        Projects(tmp_path / "file").uids()


def test_a_state_that_is_damaged_is_made_of_the_manifests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(tmp_path)
    path = str(made.store.folder(P, "id-b") / "weights")
    made.add("a", state={"labels": "x y", "model_version": "a"})
    made.add("b", state={"path": path, "model_version": "b"})
    made.add("c", state={"labels": "rejected"})
    rollback(made.store, tmp_path, P)
    state = StoredState(tmp_path, P)
    wanted = {"labels": "x y", "path": path, "model_version": "b"}
    assert state.items() == wanted
    state.set("of nobody's fit", "1")
    (tmp_path / "state.db-wal").unlink(missing_ok=True)
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    assert StoredState(tmp_path, P).items() == wanted
    assert "3 entries were restored from other files" in caplog.text
    assert "All other key/value pairs that models set are lost" in caplog.text
    assert state.items() == wanted, "who had it open sees the new file"


def test_a_value_that_cannot_be_stored_is_not_kept_in_memory(tmp_path: Path) -> None:
    """Only a full disk is waited for."""
    folder = tmp_path / "data"
    state = LenientState(StoredState(folder, "1.1"))
    folder.write_text("a file")
    with pytest.raises(VersionError):
        state.set("one", "1")
    folder.unlink()
    assert not state.has("one")
    state.set("two", "2")
    with pytest.raises(ValueError, match="surrogates"):
        state.set("two", "\ud800")
    state.set("three", "3")
    assert StoredState(folder, "1.1").items() == {"two": "2", "three": "3"}
    assert state.get("two") == "2"
