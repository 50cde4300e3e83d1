"""A project's model for another project."""

import shutil
from pathlib import Path

import pytest

from label_studio_ml.errors import VersionError
from label_studio_ml.versions import project_copy as module
from label_studio_ml.versions.operations import rollback
from label_studio_ml.versions.project_copy import duplicate
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.manifest_files import write_manifest

from .made import Made, P

TARGET = "8.1"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_the_served_version_with_its_paths_and_pairs(made: Made) -> None:
    made.add("a", events=["1-0"])
    weights = made.store.folder(P, "id-b") / "weights"
    made.add("b", train_output={"path": str(weights), "n": 1}, state={"where": str(weights), "ü": "1"})
    made.add_all("C")
    StoredState(made.folder, P).update({"where": str(weights), "own": f'["{weights}"]'})
    copy = duplicate(made.store, made.folder, P, TARGET)
    assert copy is not None
    assert VersionStore(made.folder).versions(TARGET) == [copy]
    assert (copy.name, copy.parent, copy.events, copy.gate) == ("b", "", [], "")
    shutil.rmtree(made.store.folder(P))
    moved = Path(copy.train_output["path"])
    assert moved.read_text() == "weights of b"
    state = StoredState(made.folder, TARGET)
    assert state.items() == {"where": str(moved), "own": f'["{moved}"]', "ü": "1"}
    assert made.served(TARGET) == "b"


def test_an_untrained_project_gives_its_pairs(made: Made) -> None:
    StoredState(made.folder, P).set("k", "v")
    assert duplicate(made.store, made.folder, P, TARGET) is None
    assert StoredState(made.folder, TARGET).items() == {"k": "v"}
    assert made.store.versions(TARGET) == []


def test_twice_and_onto_a_trained_one(made: Made) -> None:
    """No name comes twice: Label Studio asks for new predictions only when it changes."""
    made.add("a")
    made.add("old", uid=TARGET)
    names = []
    for _ in range(3):
        copy = duplicate(made.store, made.folder, P, TARGET)
        assert copy is not None
        assert made.served(TARGET) == copy.name
        names.append(copy.name)
    assert names == ["a", "a-2", "a-3"]
    rollback(made.store, made.folder, TARGET)
    assert made.served(TARGET) == "a-2"


def test_the_start_of_a_run_does_not_remove_a_copy_that_is_being_made(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.add("a")
    made.add("old", uid=TARGET)
    seen = []

    def meanwhile(path: Path, copy: Manifest, *, home: Path) -> None:
        """What happens between the writing of the manifest and the commit."""
        write_manifest(path, copy, home=home)
        VersionStore(made.folder).clear_unfinished(TARGET)
        seen.extend([made.names(TARGET), made.served(TARGET), VersionStore(made.folder).unreadable(TARGET)])

    monkeypatch.setattr(module, "write_manifest", meanwhile)
    copy = duplicate(made.store, made.folder, P, TARGET)
    assert copy is not None
    assert seen == ["old", "old", []]
    assert made.served(TARGET) == "a"
    assert (made.store.folder(TARGET, copy.id) / "weights").read_text() == "weights of a"


def test_a_copy_that_ended_halfway_is_removed(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.add("a")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)  # as kill -9 leaves it
        patch.setattr(
            module, "write_manifest", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "disk full"))
        )
        with pytest.raises(VersionError, match=r"copy of version a cannot be written: .*disk full"):
            duplicate(made.store, made.folder, P, TARGET)
    base = made.store.folder(TARGET)
    assert [path.name for path in base.iterdir() if path.is_dir()] != []
    made.store.clear_unfinished(TARGET)
    assert [path.name for path in base.iterdir() if path.name != ".lock"] == []
