"""Which failures of a run say nothing of its events."""

import sqlite3
from pathlib import Path

import pytest

from label_studio_ml.errors import DecisionError, FitError, NoLabelConfig, StoreError, VersionError
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.training.process.failures import may_pass, parent_is_damaged
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from versions.store.test_local_store import manifest


def _of(cause: Exception | None) -> VersionError:
    error = VersionError("The state file cannot be used")
    error.__cause__ = cause
    return error


def _away(*, passing: bool) -> StoreError:
    error = StoreError("The store is away")
    error.passing = passing
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(28, "No space left on device"), True),
        (_of(OSError(28, "No space left on device")), True),
        (_of(sqlite3.OperationalError("disk I/O error")), True),
        (NoLabelConfig("Project 1 has no label config yet"), True),
        (_of(None), False),
        (_of(OSError(13, "Permission denied")), True),
        (DecisionError("what was decided cannot be read"), True),
        (_away(passing=True), True),
        (_away(passing=False), False),
        (OSError(30, "a file of the user's on a read-only disk"), False),
        (sqlite3.OperationalError("a database of the user's"), False),
        (FitError("the annotations cannot be read"), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_may_pass(tmp_path: Path, error: Exception, passes: bool) -> None:
    assert may_pass(error, tmp_path) == passes


@pytest.mark.parametrize("damage", ["weights removed", "weights cut", "manifest removed"])
def test_a_version_that_a_run_cannot_begin_from(tmp_path: Path, damage: str) -> None:
    store = VersionStore(tmp_path)
    folder = store.begin("1", "a")
    (folder / "weights").write_text("12")
    made = store.publish(manifest("a", fence=1))
    spec = ModelSpec(project=Project(uid="1"), version=made.name)
    request = RunRequest(job="job", spec=spec, events=[], workdir=str(tmp_path))
    first = RunRequest(job="job", spec=ModelSpec(project=Project(uid="1")), events=[], workdir=str(tmp_path))
    assert not parent_is_damaged(store, request)
    name, _, how = damage.partition(" ")
    path = folder / ("weights" if name == "weights" else "manifest.json")
    if how == "cut":
        path.write_text("1")
    else:
        path.unlink()
    assert parent_is_damaged(store, request)
    assert not parent_is_damaged(store, first)
    assert not parent_is_damaged(store, None)


def test_a_version_whose_content_is_not_what_was_written_is_served(tmp_path: Path) -> None:
    """The next run would begin from it again, so it is no reason to keep the events; and no file is read for it."""
    store = VersionStore(tmp_path)
    folder = store.begin("1", "a")
    (folder / "weights").write_text("12")
    made = store.publish(manifest("a", fence=1))
    (folder / "weights").write_text("34")
    assert store.served("1") == made
    assert not parent_is_damaged(store, _from("a", tmp_path))


def test_a_store_that_is_away_keeps_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(uid: str) -> list[object]:
        raise StoreError("The store is away")

    store = VersionStore(tmp_path)
    monkeypatch.setattr(store, "versions", away)
    assert parent_is_damaged(store, _from("a", tmp_path))


def _from(version: str, workdir: Path) -> RunRequest:
    spec = ModelSpec(project=Project(uid="1"), version=version)
    return RunRequest(job="job", spec=spec, events=[], workdir=str(workdir))
