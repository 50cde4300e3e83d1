"""Noticing that a model wrote to its folder."""

import os
from pathlib import Path

import pytest

from label_studio_ml.training.process import folder_changes as module
from label_studio_ml.training.process.folder_changes import snapshot


def test_changes_show(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    weights = tmp_path / "deep" / "weights.bin"
    empty = snapshot(tmp_path)
    weights.write_text("1")
    first = snapshot(tmp_path)
    assert first != empty
    assert snapshot(tmp_path) == first
    weights.write_text("22")
    assert snapshot(tmp_path) != first
    second = snapshot(tmp_path)
    os.utime(weights, ns=(1, 1))
    assert snapshot(tmp_path) != second
    weights.unlink()
    assert snapshot(tmp_path) == empty


@pytest.mark.parametrize(
    "name",
    [
        "__pycache__/m.pyc",
        "logs/rq.log",
        "data/x",
        "versions/1/m",
        "broker/a",
        "files/f",
        "runs/r",
        "state.db",
        "state.db-wal",
        "projects.db",
        "deep/__pycache__/m.pyc",
    ],
)
def test_our_own_files_do_not_count(tmp_path: Path, name: str) -> None:
    before = snapshot(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    [
        "events.db-wal",
        "server.json",
        ".server.json.lock",
        "backend.json",
        ".backend.json.lock",
        "spool/1.json",
        "predict/7.db",
        "agent/7.json",
        "transfers/x",
        "stores/x",
    ],
)
def test_what_we_keep_in_the_model_folder_does_not_count_there(tmp_path: Path, name: str) -> None:
    before = snapshot(tmp_path, [tmp_path])
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x")
    assert snapshot(tmp_path, [tmp_path]) == before
    assert snapshot(tmp_path) != before, "elsewhere it is the user's"
    (tmp_path / "weights.bin").write_text("x")
    assert snapshot(tmp_path, [tmp_path]) != before


def test_names_of_ours_deeper_down_are_the_models(tmp_path: Path) -> None:
    (tmp_path / "deep" / "versions").mkdir(parents=True)
    (tmp_path / "deep" / "versions" / "state.db").write_text("x")
    assert len(snapshot(tmp_path)) == 1


def test_a_huge_or_missing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 3)
    for number in range(9):
        (tmp_path / str(number)).write_text("")
    assert len(snapshot(tmp_path)) == 3
    assert snapshot(tmp_path / "nowhere") == {}
    (tmp_path / "a-dangling-link").symlink_to(tmp_path / "nowhere")
    snapshot(tmp_path)
