"""A disk that is full or read-only: the cause is said, and predictions go on."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from e2e.backend import CLI
from e2e.processes import wait_until
from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from live import TOKEN, Live, created, start_training, uid
from redis_server import MakeRedis, make_redis

__all__ = ["make_redis"]


def _in_the_way(path: Path) -> None:
    """Make a folder that cannot be made: a file has its name. (Root may write to read-only folders.)"""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


@pytest.mark.parametrize("part", ["versions", "logs"])
def test_a_folder_that_cannot_be_written(launch: Callable[..., Live], part: str) -> None:
    live = launch()
    live.studio.add(1, 11)
    live.setup(1)
    first = live.wait(live.send(start_training(1)))
    entry = live.wait_served(1, lambda entry: entry["model_version"] == first["model_version"])
    folder = {
        "versions": VersionStore(live.model_dir).folder(uid(2)),
        "logs": live.folder / "logs" / "jobs",
    }[part]
    project = 2 if part == "versions" else 1
    live.studio.add(project, 11)
    live.setup(project)
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-away"))
    _in_the_way(folder)
    job = live.send(start_training(project))
    wait_until(lambda: "MODEL_DIR" in live.job(job).get("message", ""), "the job says what it waits for")
    assert live.predict(1) == entry
    folder.unlink()
    assert live.wait(job)["job_status"] == "finished"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 4 MB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(path: Path) -> None:
    """Write a file until its disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)


def test_a_disk_that_is_full(small_disk: Path, launch: Callable[..., Live]) -> None:
    """The cause is said, predictions go on, and training works again once there is room."""
    live = launch(env={"MODEL_DIR": str(small_disk / "models")})
    live.studio.add(1, 11)
    live.setup(1)
    first = live.wait(live.send(start_training(1)))
    entry = live.wait_served(1, lambda entry: entry["model_version"] == first["model_version"])
    live.control(1).close_gate()
    job = live.send(start_training(1))
    live.control(1).wait_for_fit(2)
    filler = small_disk / "filler"
    _fill(filler)
    live.control(1).open_gate()

    def cause_is_said() -> bool:
        # Whichever writes first: the fit, or the embedded broker, which ends when it cannot keep what it is told.
        with contextlib.suppress(requests.RequestException, AssertionError):
            if "No space left" in live.job(job).get("error", ""):
                return True
        return "No space left" in (live.folder / "logs" / "server.log").read_text()

    wait_until(cause_is_said, "the cause is said")
    assert live.predict(1) == entry
    filler.unlink()

    def taken() -> str:
        with contextlib.suppress(AssertionError):
            return live.send(start_training(1))
        return ""

    again = wait_until(taken, "events are taken again")
    assert live.wait(again)["job_status"] == "finished"


def test_a_full_disk_while_redis_is_elsewhere(
    small_disk: Path, launch: Callable[..., Live], make_redis: MakeRedis
) -> None:
    """Everything is answered from what is known, events are taken, and what could not be written is, later."""
    redis = make_redis()
    models = small_disk / "models"
    live = launch("event_model", env={"MODEL_DIR": str(models), "REDIS_URL": redis.url})
    live.studio.add(1, 11)
    live.setup(1)
    live.wait(live.send(created(1, 11)))
    live.predict(1)
    _fill(small_disk / "filler")
    for _ in range(2):
        live.predict(1)
        live.predict(2)  # nobody has heard of it
    live.setup(3)
    event = created(1, 12)
    event["project"]["title"] = "another title"
    jobs = [live.send(event), live.send(created(4, 13))]

    def named(job: str) -> bool:
        return f"The disk of {models} is full" in live.job(job).get("message", "")

    for job in jobs:
        wait_until(partial(named, job), "the job says what it waits for")
    assert "error" not in requests.get(f"{live.backend.url}/connection?project=1", timeout=90).json()
    said = (live.folder / "logs" / "server.log").read_text()
    assert said.count("Until it can be written, changes of projects are kept in memory") == 1
    assert said.count("events.db cannot be used: database or disk is full") == 1
    (small_disk / "filler").unlink()
    for job in jobs:
        assert live.wait(job)["job_status"] == "finished"
    projects = Projects(models)

    def written() -> bool:
        live.predict(2)
        return projects.get(uid(2)) is not None and projects.get(uid(3)) is not None

    wait_until(written, "what was kept in memory is written")
    first, third = projects.get(uid(1)), projects.get(uid(3))
    assert first is not None
    assert third is not None
    assert (first.title, third.access_token) == ("another title", TOKEN)


def test_commands_on_a_full_disk_name_it(small_disk: Path, launch: Callable[..., Live]) -> None:
    models = small_disk / "models"
    live = launch(env={"MODEL_DIR": str(models)})
    live.setup(1)
    live.studio.add(1, 11)
    live.wait(live.send(start_training(1)))
    live.backend.stop()
    other = small_disk.parent / "other"
    shutil.copytree(models / "versions", other / "versions")
    shutil.rmtree(models / "versions")
    shutil.rmtree(models / "broker")
    _fill(small_disk / "filler")
    folder = str(live.folder)
    for command in (["jobs", folder], ["pull", folder, str(other), "--project", uid(1)]):
        done = subprocess.run(
            [*CLI, *command], env=live.backend.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 1, done.stdout
        assert "full: make room on it" in done.stderr
        assert "MODEL_DIR must be" not in done.stderr
        assert "its rights" not in done.stderr


def test_versions_on_a_disk_that_turns_read_only(
    small_disk: Path, tmp_path: Path, launch: Callable[..., Live]
) -> None:
    """The training says what it waits for, predictions go on, and it is made once the disk can be written."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "versions").symlink_to(small_disk)
    live = launch(env={"MODEL_DIR": str(models)})
    live.studio.add(1, 11)
    live.setup(1)
    first = live.wait(live.send(start_training(1)))
    entry = live.wait_served(1, lambda entry: entry["model_version"] == first["model_version"])
    _remount(small_disk, "ro")
    job = live.send(start_training(1))
    wait_until(
        lambda: "Read-only file system" in live.job(job).get("message", ""), "it says what it waits for"
    )
    assert live.predict(1) == entry
    _remount(small_disk, "rw")
    assert live.wait(job)["job_status"] == "finished"


def _remount(disk: Path, how: str) -> None:
    """Make a disk read-only, or not; what still writes there is waited for."""
    command = ["mount", "-o", f"remount,{how}", str(disk)]
    wait_until(
        lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0,
        f"the disk is {how}",
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_when_the_version_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from versions.store.test_local_store import manifest

    store = VersionStore(tmp_path)
    store.begin("1", "a")
    store.publish(manifest("a", fence=1))
    store.begin("1", "b")

    def full(path: Path, text: str) -> None:
        with open("/dev/full", "w") as file:
            file.write(text)

    monkeypatch.setattr(atomic_files, "replace_file", full)
    with pytest.raises(VersionError, match="No space left on device"):
        store.publish(manifest("b", fence=2))
    store.discard("1", "b")
    newest = store.newest("1")
    assert newest is not None
    assert newest.id == "a"
