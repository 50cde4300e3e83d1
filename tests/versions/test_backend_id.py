"""The id of a backend: made once, shared by what shares MODEL_DIR, and not by copies."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError
from label_studio_ml.storage import file_locks
from label_studio_ml.versions import backend_id as identity
from label_studio_ml.versions.backend_id import ID_FILE, backend_id
from label_studio_ml.versions.remote.object_store import ObjectStore


def settings_of(folder: Path) -> Settings:
    return Settings(backend_dir=folder, model_dir=folder / "data")


def in_store(folder: Path, url: str) -> Settings:
    return replace(settings_of(folder), store_url=url)


def test_it_is_made_once(tmp_path: Path) -> None:
    found = backend_id(settings_of(tmp_path))
    assert found.isalnum()
    assert backend_id(settings_of(tmp_path)) == found
    assert json.loads((tmp_path / "data" / ID_FILE).read_text())["id"] == found
    assert backend_id(settings_of(tmp_path / "another")) != found


def test_processes_that_make_it_at_once_end_with_the_same(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from label_studio_ml.config.settings import Settings;"
        "from label_studio_ml.versions.backend_id import backend_id;"
        "print(backend_id(Settings(backend_dir=Path(sys.argv[1]), model_dir=Path(sys.argv[1], 'data'))))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    found = {one.communicate(timeout=120)[0].strip() for one in started}
    assert found == {backend_id(settings_of(tmp_path))}


def test_a_folder_that_was_moved_keeps_it(tmp_path: Path) -> None:
    found = backend_id(settings_of(tmp_path / "one"))
    (tmp_path / "one").rename(tmp_path / "two")
    assert backend_id(settings_of(tmp_path / "two")) == found
    assert json.loads((tmp_path / "two" / "data" / ID_FILE).read_text())["place"] == str(
        tmp_path / "two" / "data"
    )


def test_a_copy_beside_the_original_gets_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = backend_id(settings_of(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copied = backend_id(settings_of(tmp_path / "two"))
    assert copied != found
    assert f"{tmp_path / 'two' / 'data'} is a copy of {tmp_path / 'one' / 'data'}" in caplog.text
    assert backend_id(settings_of(tmp_path / "two")) == copied
    assert backend_id(settings_of(tmp_path / "one")) == found


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_can_only_be_read_has_the_id_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    found = backend_id(settings_of(tmp_path / "one"))
    (tmp_path / "one").rename(tmp_path / "two")  # as a container sees it that mounts it elsewhere

    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(file_locks, "locked", refuse)
    assert backend_id(settings_of(tmp_path / "two")) == found
    with pytest.raises(VersionError, match="cannot be stored"):
        backend_id(settings_of(tmp_path / "new"))


def test_a_link_to_the_folder_is_the_folder(tmp_path: Path) -> None:
    found = backend_id(settings_of(tmp_path / "one"))
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert backend_id(settings_of(tmp_path / "two")) == found


@pytest.mark.parametrize("text", ["", "{", '{"id": 3}', '{"id": "a:b"}'])
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ID_FILE).write_text(text)
    with pytest.raises(VersionError, match=ID_FILE) as error:
        backend_id(settings_of(tmp_path))
    assert "emove it, and a new one is created" in error.value.fix


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(VersionError, match="cannot be stored") as error:
        backend_id(settings_of(tmp_path))
    assert "MODEL_DIR" in error.value.fix


def test_machines_around_a_store_have_the_same(tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'store'}"
    (tmp_path / "store").mkdir()
    machines = [in_store(tmp_path / f"machine{number}", url) for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        found = set(threads.map(backend_id, machines))
    later = backend_id(in_store(tmp_path / "later", url))
    assert found == {later}
    assert json.loads((tmp_path / "store" / ID_FILE).read_text())["id"] == later
    assert backend_id(in_store(tmp_path / "later", f"file://{tmp_path / 'other'}")) != later


class Sleeps(list[float]):
    """What `time.sleep` of the module under test was told, and what happens meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.meanwhile = meanwhile

    def sleep(self, seconds: float) -> None:
        self.append(seconds)
        self.meanwhile()

    monotonic = staticmethod(time.monotonic)


def test_a_machine_that_is_late_with_its_id_takes_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps = Sleeps()
    monkeypatch.setattr(identity, "time", sleeps)
    url = f"file://{tmp_path / 'store'}"
    early: list[str] = []

    def see(store: ObjectStore, name: str) -> None:
        """Find nothing, and let another machine put its id before this one goes on."""
        monkeypatch.undo()
        monkeypatch.setattr(identity, "time", sleeps)
        early.append(backend_id(in_store(tmp_path / "early", url)))

    monkeypatch.setattr(ObjectStore, "get", see)
    assert [backend_id(in_store(tmp_path / "late", url))] == early
    assert not sleeps, "a disk refuses a second id, so nobody has to wait"


def test_a_store_that_takes_a_second_id_is_read_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ObjectStore.put

    def put_over(store: ObjectStore, name: str, data: bytes, *, create: bool = False) -> None:
        put(store, name, data)

    monkeypatch.setattr(ObjectStore, "put", put_over)
    (tmp_path / "store").mkdir()
    there = tmp_path / "store" / ID_FILE
    sleeps = Sleeps(lambda: there.write_text('{"id": "another"}'))
    monkeypatch.setattr(identity, "time", sleeps)
    assert backend_id(in_store(tmp_path / "machine", f"file://{tmp_path / 'store'}")) == "another"
    assert sleeps == [identity.CONFIRM_DELAY]


def test_an_id_that_another_machine_is_writing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "WRITE_TIMEOUT", 60.0)
    (tmp_path / "store").mkdir()
    place = tmp_path / "store" / ID_FILE
    place.write_text('{"id": "a')
    writing = threading.Timer(0.3, place.write_text, ['{"id": "abc"}'])
    writing.start()
    assert backend_id(in_store(tmp_path / "machine", f"file://{tmp_path / 'store'}")) == "abc"
    writing.join()
    place.write_text("{")
    monkeypatch.setattr(identity, "WRITE_TIMEOUT", 0.0)
    with pytest.raises(VersionError, match="cannot be read"):
        backend_id(in_store(tmp_path / "later", f"file://{tmp_path / 'store'}"))


def test_a_backend_that_moves_its_versions_to_a_store_keeps_its_id(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    url = f"file://{tmp_path / 'store'}"
    found = backend_id(settings_of(tmp_path / "one"))
    other = backend_id(settings_of(tmp_path / "two"))
    assert backend_id(in_store(tmp_path / "one", url)) == found
    assert backend_id(in_store(tmp_path / "two", url)) == found != other, "the store has an id already"
    assert backend_id(in_store(tmp_path / "one", f"file://{tmp_path / 'other'}")) != found


def test_a_store_that_is_away_later_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    settings = in_store(tmp_path / "machine", f"file://{tmp_path / 'store'}")
    found = backend_id(settings)
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").write_text("gone")
    assert backend_id(settings) == found
