"""Versions on disk: nothing is there before its manifest, and nothing late is taken."""

import errno
import json
import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import StaleFence, VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.store import local_store as module
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest, new_version_id

P = "7.1700000000"


def manifest(version_id: str, fence: int, project: str = "1", **fields: Any) -> Manifest:
    made = {"name": version_id, "created": "2026-01-01T00:00:00+00:00", **fields}
    return Manifest(id=version_id, project=project, fence=fence, **made)


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    return VersionStore(tmp_path)


def _publish(store: VersionStore, version_id: str, fence: int, project: str = P, **fields: Any) -> Path:
    folder = store.begin(project, version_id)
    (folder / "weights").write_text(version_id)
    store.publish(manifest(version_id, fence, project, **fields))
    return folder


def test_a_version_is_there_from_its_manifest_on(store: VersionStore, tmp_path: Path) -> None:
    folder = store.begin(P, "v1")
    (folder / "deep").mkdir()
    (folder / "deep" / "weights").write_bytes(b"w")
    other = VersionStore(tmp_path)
    assert store.versions(P) == other.versions(P) == []
    assert store.newest(P) is None
    assert store.hint(P) == ""
    written = store.publish(manifest("v1", 1, P, metrics={"accuracy": 0.5}))
    assert other.versions(P) == store.versions(P) == [written]
    assert store.hint(P)
    assert written.sizes == {"deep/weights": 1}
    assert written.files == {
        "deep/weights": "50e721e49c013f00c62cf59f2163542a9d8df02464efeb615d31051b0fddc326"
    }


def test_the_manifest_is_written_last(store: VersionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.begin(P, "v1")
    (folder / "weights").write_text("w")

    def dies(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_files, "replace_file", dies)
    with pytest.raises(KeyboardInterrupt):
        store.publish(manifest("v1", 1, P))
    assert store.versions(P) == []


@pytest.mark.parametrize("rest", ["", "{", '{"id": "v1"}', "[]"])
def test_a_manifest_that_is_not_whole_is_none(store: VersionStore, rest: str) -> None:
    (store.begin(P, "v1") / MANIFEST).write_text(rest)
    assert store.versions(P) == []


@pytest.mark.parametrize("fence", [4, 5])
def test_a_stale_fence_is_refused(store: VersionStore, fence: int) -> None:
    _publish(store, "v1", 5)
    hint = store.hint(P)
    store.begin(P, "late")
    with pytest.raises(StaleFence, match=f"fence {fence}"):
        store.publish(manifest("late", fence, P))
    assert [one.id for one in store.versions(P)] == ["v1"]
    assert store.hint(P) == hint


def test_versions_are_ordered_by_fence_not_by_name(store: VersionStore) -> None:
    for number, name in enumerate(("c", "a", "b")):
        _publish(store, name, number)
    assert [one.id for one in store.versions(P)] == ["c", "a", "b"]
    newest = store.newest(P)
    assert newest is not None
    assert newest.id == "b"


@pytest.mark.parametrize(
    "name", ["..", ".", "...", "../../etc", "a/b", "ä ö", "a\\b", "%2E", "-", "x" * 60, "\n"]
)
def test_odd_names_stay_inside_the_model_folder(store: VersionStore, tmp_path: Path, name: str) -> None:
    folder = _publish(store, name, 1, project=name)
    assert folder.resolve().parent.parent == (tmp_path / "versions").resolve()
    (found,) = store.versions(name)
    assert (found.id, found.project) == (name, name)
    assert store.projects() == [name]
    assert list(tmp_path.iterdir()) == [tmp_path / "versions"]
    store.delete_project(name)
    assert store.projects() == []
    assert (tmp_path / "versions").is_dir()


def test_two_runs_never_share_a_folder(store: VersionStore) -> None:
    store.begin(P, "v1")
    with pytest.raises(VersionError, match="MODEL_DIR"):
        store.begin(P, "v1")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "versions").write_text("a file is in the way")
    with pytest.raises(VersionError, match="MODEL_DIR"):
        VersionStore(tmp_path).begin(P, "v1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_a_read_only_model_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(VersionError, match="MODEL_DIR"):
            VersionStore(tmp_path).begin(P, "v1")
    finally:
        tmp_path.chmod(0o700)


def test_a_hint_that_cannot_be_written_does_not_undo_the_commit(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(store, "v1", 1)
    hint = store.hint(P)
    write = atomic_files.replace_file

    def full(path: Path, text: str) -> None:
        if path.name != MANIFEST:
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(atomic_files, "replace_file", full)
    _publish(store, "v2", 2)
    assert [one.id for one in store.versions(P)] == ["v1", "v2"]
    assert store.hint(P) != hint, "pollers would never look"


def test_discard_and_clear_spare_what_is_committed(store: VersionStore) -> None:
    _publish(store, "v1", 1)
    store.begin(P, "half")
    store.begin(P, "..")
    store.discard(P, "v1")
    store.discard(P, "never begun")
    store.clear_unfinished(P)
    store.clear_unfinished("unknown")
    assert [path.name for path in store.folder(P).iterdir() if path.is_dir()] == ["v1"]


def test_delete_leaves_other_projects(store: VersionStore) -> None:
    _publish(store, "v1", 1)
    _publish(store, "v1", 1, project="70.1")
    store.delete_project(P)
    store.delete_project("unknown")
    assert store.projects() == ["70.1"]
    assert store.versions(P) == []


def _race(folder: str, number: int) -> str:
    store = VersionStore(Path(folder))
    store.begin(P, f"v{number}")
    try:
        store.publish(manifest(f"v{number}", number // 2, P))
    except StaleFence:
        return "stale"
    return "committed"


def test_processes_that_publish_at_the_same_time(tmp_path: Path) -> None:
    """Each fence is two processes': one of them commits at most, and what is committed is readable throughout."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        outcomes = pool.starmap(_race, [(str(tmp_path), number) for number in range(24)], chunksize=1)
    found = VersionStore(tmp_path).versions(P)
    assert outcomes.count("committed") == len(found) >= 1
    fences = [one.fence for one in found]
    assert fences == sorted(set(fences))


def test_a_number_that_json_has_not_does_not_hide_a_version(store: VersionStore) -> None:
    store.begin(P, "v1")
    written = store.publish(manifest("v1", 1, P, metrics={"loss": float("nan")}))
    json.loads((store.folder(P, "v1") / MANIFEST).read_text(), parse_constant=pytest.fail)
    assert store.versions(P)[0].id == written.id


def test_ids_are_readable_and_unique() -> None:
    moment = datetime(2026, 11, 23, 14, 15, 30, tzinfo=UTC)
    assert new_version_id(moment).startswith("20261123-141530-")
    assert len({new_version_id(moment) for _ in range(20)}) > 1


def test_no_id_comes_twice(store: VersionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions of one second have four digits to differ in: one pair in 65,536 does not."""
    _publish(store, "20261123-141530-aaaa", 1)
    store.begin(P, "20261123-141530-bbbb")
    _publish(store, "20261123-141530-cccc", 2)
    store.delete(P, "20261123-141530-cccc")
    made = iter(
        ["20261123-141530-aaaa", "20261123-141530-bbbb", "20261123-141530-cccc", "20261123-141530-dddd"]
    )
    monkeypatch.setattr(module, "new_version_id", lambda: next(made))
    assert store.new_id(P) == "20261123-141530-dddd"


@pytest.mark.parametrize("committed", [False, True])
def test_a_folder_that_cannot_be_read_is_left_alone(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """It may hold a committed version, and tidying up must not keep a training from its run."""
    folder = _publish(store, "v1", 1) if committed else store.begin(P, "v1")
    kept = sorted(folder.iterdir())

    def refuses(name: str) -> Callable[..., Any]:
        real = getattr(Path, name)

        def method(path: Path, *args: Any, **kwargs: Any) -> Any:
            if path == folder or path.parent == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *args, **kwargs)

        return method

    with monkeypatch.context() as patch:
        for name in ("exists", "iterdir"):
            patch.setattr(Path, name, refuses(name))
        store.clear_unfinished(P)
        store.discard(P, "v1")
    assert sorted(folder.iterdir()) == kept
