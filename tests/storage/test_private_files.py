"""What holds annotations, tokens and output is this user's alone: what is made now, and what earlier releases made."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from label_studio_ml.storage.private_files import make_folder, open_file, restrict_permissions
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.versions.store.local_store import VersionStore
from live import FakeStudio, Live, created, make_live, start_training, uid
from unprivileged import unprivileged

__all__ = ["unprivileged"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no such rights")


def _open_to_others(folder: Path) -> list[str]:
    """Return what of `folder`, itself included, others may read, write or enter."""
    found = [folder, *folder.rglob("*")]
    return sorted(str(path) for path in found if not path.is_symlink() and path.lstat().st_mode & 0o077)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_every_missing_folder_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert _open_to_others(tmp_path / "a") == []
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    with open_file(tmp_path / "f", "xb") as file:
        file.write(b"x")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    (tmp_path / "in the way").write_text("")
    with pytest.raises(OSError, match="in the way"):
        make_folder(tmp_path / "in the way" / "d")


def test_a_folder_that_cannot_be_read_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unprivileged: Callable[[], int]
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "spool").mkdir(mode=0o700)
    (tmp_path / "spool").chmod(0o000)
    unprivileged()
    restrict_permissions(Path(), Path("logs"), Path())


def test_what_earlier_releases_made_is_mended(tmp_path: Path) -> None:
    models, logs, other = tmp_path / "models", tmp_path / "logs", tmp_path / "other"
    job = "20260101-120000-0a1b2c.log"
    version = models / "versions" / "1.1" / "id-a"
    ours = [
        version / "annotations.jsonl.gz",
        models / "backend.json",
        models / "state.db",
        logs / "server.log",
    ]
    ours += [
        logs / "jobs" / job,
        logs / "server.log.3",
        models / "runs" / "1.1.progress",
        models / "server.json",
    ]
    ours += [models / "projects.db-wal", models / "cache.db.damaged-20260101-120000-2-shm"]
    theirs = [version / "weights", models / "notes.txt", other / "secret"]
    for file in (*ours, *theirs):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    (models / "events.db").symlink_to(other / "secret")
    (models / "spool").symlink_to(other)
    restrict_permissions(models, logs, tmp_path)
    assert [stat.S_IMODE(file.stat().st_mode) for file in ours] == [0o600] * len(ours)
    assert [stat.S_IMODE(file.stat().st_mode) for file in theirs] == [0o644] * len(theirs)
    for folder in (models / "versions", version.parent, version, logs, logs / "jobs"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(models.stat().st_mode) == 0o755, (
        "it may be anybody's, and what is ours in it is closed"
    )
    assert stat.S_IMODE(other.stat().st_mode) == 0o755
    restrict_permissions(tmp_path / "nowhere", tmp_path / "nowhere", tmp_path)


def test_what_is_not_ours_keeps_its_rights(tmp_path: Path) -> None:
    models, logs = tmp_path / "models", tmp_path / "var" / "log"
    theirs = [
        models / name
        for name in ("config.json", "app.db", "state.dbase", "runs/exp1/x", "files/x", "spool/x")
    ]
    theirs += [logs / name for name in ("dpkg.log", "server.log.conf", "jobs/nightly-backup.log")]
    ours = [logs / "server.log", logs / "jobs" / "20260101-120000-0a1b2c.log", models / "state.db"]
    for file in (*ours, *theirs):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    logs.chmod(0o1777)
    before = {path: path.stat().st_mode for path in tmp_path.rglob("*") if path not in ours}
    restrict_permissions(models, logs, tmp_path / "backend")
    assert {path: path.stat().st_mode for path in before} == before
    assert [stat.S_IMODE(file.stat().st_mode) for file in ours] == [0o600] * len(ours)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    fake = FakeStudio()
    before = os.umask(0o022)
    made = make_live(tmp_path_factory.mktemp("private") / "backend", fake, "seed_model")
    for folder in (made.model_dir / "versions", made.folder / "logs"):
        folder.mkdir(parents=True)
    made.backend.start()
    yield made
    assert not made.backend.stop()
    os.umask(before)
    fake.stop()


def test_a_backend_keeps_everything_to_itself(live: Live) -> None:
    live.studio.add(1, 11)
    live.setup(1)
    live.predict(1)
    live.wait(live.send(start_training(1)))
    live.wait(live.send(created(1, 11)))
    (first, second) = VersionStore(live.model_dir).versions(uid(1))
    folder = VersionStore(live.model_dir).folder(uid(1), first.id)
    assert stat.S_IMODE((folder / SNAPSHOT).stat().st_mode) == 0o600
    written_by_fit = set(
        map(
            str,
            (
                VersionStore(live.model_dir).folder(uid(1), one.id) / name
                for one in (first, second)
                for name in one.files
            ),
        )
    )
    assert _open_to_others(live.folder / "logs") == []
    found = set(_open_to_others(live.model_dir)) - {str(live.model_dir)}
    inside = [path for path in found if "/broker/" not in path and not path.endswith("lock")]
    assert set(inside) <= written_by_fit, inside
    assert any((live.folder / "logs" / "jobs").iterdir())
