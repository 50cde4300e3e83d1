"""Objects of a store in a folder that several machines share."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from label_studio_ml.errors import StoreError
from label_studio_ml.versions.remote.object_store import ObjectStore

ROUNDS, MACHINES = 40, 6


def test_of_several_that_create_an_object_at_once_one_succeeds(tmp_path: Path) -> None:
    stores = [ObjectStore(f"file://{tmp_path}") for _ in range(MACHINES)]
    together = threading.Barrier(MACHINES)

    def create(number: int) -> list[int]:
        made = []
        for turn in range(ROUNDS):
            together.wait(60)
            try:
                stores[number].put(f"folder/{turn}", f"machine {number}".encode(), create=True)
            except FileExistsError:
                continue
            made.append(turn)
        return made

    with ThreadPoolExecutor(MACHINES) as threads:
        made = list(threads.map(create, range(MACHINES)))
    assert sorted(turn for turns in made for turn in turns) == list(range(ROUNDS))
    for number, turns in enumerate(made):
        assert all(stores[0].get(f"folder/{turn}") == f"machine {number}".encode() for turn in turns)
    assert stores[0].names("folder") == sorted(map(str, range(ROUNDS)))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"], "nothing half written is left"


@pytest.mark.parametrize("create", [True, False])
def test_an_object_is_never_seen_half_written(tmp_path: Path, create: bool) -> None:
    store = ObjectStore(f"file://{tmp_path}")
    data, seen, done = b"x" * (8 << 20), set[int | None](), threading.Event()

    def read() -> None:
        while not done.is_set():
            found = store.get("object")
            seen.add(None if found is None else len(found))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            store.put("object", data, create=create)
            if create:
                store.delete(["object"])
    finally:
        done.set()
        reader.join()
    assert seen <= {None, len(data)}


def test_where_there_are_no_hard_links_a_second_object_is_refused_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    store = ObjectStore(f"file://{tmp_path}")
    store.put("object", b"first", create=True)
    with pytest.raises(FileExistsError):
        store.put("object", b"second", create=True)
    assert store.get("object") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["object"]


def test_where_there_are_no_hard_links_a_disk_that_is_full_keeps_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the backend's id would keep all machines from knowing it, also once there is room."""
    flush, calls = os.fsync, list[int]()

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:  # the first is that of the temporary file
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("os.fsync", full)
    store = ObjectStore(f"file://{tmp_path}")
    with pytest.raises(StoreError, match="No space left"):
        store.put("object", b"first", create=True)
    assert list(tmp_path.iterdir()) == []
    store.put("object", b"second", create=True)
    assert store.get("object") == b"second"
