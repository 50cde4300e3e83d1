"""SQLite files that are damaged: set aside once, by whichever process sees it; all go on with the new one."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from label_studio_ml import cache as cache_module
from label_studio_ml.cache import SqliteCache
from label_studio_ml.errors import VersionError
from label_studio_ml.storage.damaged_database import damaged_copies

ROWS = {f"key-{number:04}": "value " * 40 + str(number) for number in range(2000)}


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50_000])


def _torn(path: Path) -> None:
    """Write zeros over pages in the middle, as a disk may after a power failure."""
    data = bytearray(path.read_bytes())
    for page in range(30, 40):
        data[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(bytes(data))


DAMAGES = (_garbage, _empty, _folder, _cut, _torn)


def _filled(folder: Path, **options: object) -> SqliteCache:
    cache = SqliteCache(folder, **options)  # type: ignore[arg-type]
    cache.update("1", ROWS)
    cache.close()
    return cache


def test_a_log_that_is_cut_off_while_a_process_has_the_file_open(tmp_path: Path) -> None:
    """Every other process got an I/O error from then on: no training of the backend could begin."""
    first = SqliteCache(tmp_path)
    first.set("1", "a", "1")
    assert first.file.with_name(f"{first.file.name}-wal").stat().st_size
    os.truncate(first.file.with_name(f"{first.file.name}-wal"), 0)
    code = (
        "import sys; from label_studio_ml.cache import SqliteCache; c = SqliteCache(sys.argv[1]); "
        "c.set('1', 'b', '2'); print(c.get('1', 'b'))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert other.stdout == "2\n", other.stderr
    assert first.get("1", "b") == "2"
    assert len(damaged_copies(tmp_path)) == 1


def test_what_is_whole_without_the_log_that_is_cut_off_is_kept(tmp_path: Path) -> None:
    """With the lowest priority: it may be older than what is known from elsewhere."""
    _filled(tmp_path)
    first = SqliteCache(tmp_path)
    first.set("1", "key-0001", "newer")
    os.truncate(f"{first.file}-wal", 0)
    code = (
        "import sys; from label_studio_ml.cache import SqliteCache; "
        "c = SqliteCache(sys.argv[1], known=lambda: {('1', 'key-0001'): 'newer'}); c.set('1', 'b', '2')"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert other.returncode == 0, other.stderr
    assert first.items("1") == {**ROWS, "key-0001": "newer", "b": "2"}
    assert len(damaged_copies(tmp_path)) == 1


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("opened", [False, True])
def test_it_is_set_aside_and_said(
    tmp_path: Path, damage: Callable[[Path], None], opened: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cache = _filled(tmp_path, known=lambda: {("2", "k"): "from elsewhere"}, loss="Say it loudly")
    if opened:
        assert cache.get("1", "key-0001") == ROWS["key-0001"]
    damage(cache.file)
    cache.items("1")
    kept = cache.items("1")
    assert kept.items() <= ROWS.items()
    cache.set("1", "new", "1")
    cache.close()
    assert SqliteCache(tmp_path).get("1", "new") == "1"
    if damage is _torn and opened and not caplog.text:
        return  # its own memory of the pages was whole, and the closing wrote them
    assert SqliteCache(tmp_path).get("2", "k") == "from elsewhere"
    if damage is _empty:
        assert damaged_copies(tmp_path) == [], "there is nothing in it to keep"
        assert caplog.text.count("was empty and was created again") == 1
    else:
        (aside,) = damaged_copies(tmp_path)
        assert caplog.text.count(f"was set aside as {aside.name}") == 1
    assert "1 entry was restored from other files. Say it loudly" in caplog.text
    if damage is _torn:
        assert len(kept) > len(ROWS) / 2, "what lies before and behind the damage is read"


def test_a_file_in_use_that_only_looked_damaged_stays(tmp_path: Path) -> None:
    cache = _filled(tmp_path)
    cache._replace("somebody said so")
    assert cache.items("1") == ROWS
    assert damaged_copies(tmp_path) == []


def test_values_that_are_not_utf8(tmp_path: Path) -> None:
    cache = _filled(tmp_path)
    with sqlite3.connect(cache.file) as connection:
        connection.execute("UPDATE cache SET value = CAST(X'ff61' AS TEXT) WHERE key = 'key-0001'")
    connection.close()
    assert cache.get("1", "key-0001") == "\ufffda"


def test_a_file_that_is_removed_is_made_again(tmp_path: Path) -> None:
    cache = _filled(tmp_path)
    assert cache.get("1", "key-0001")
    cache.file.unlink()
    cache.set("1", "a", "1")
    assert SqliteCache(tmp_path).items("1") == {"a": "1"}


def test_a_damaged_file_that_cannot_be_set_aside_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    cache = _filled(tmp_path)
    _garbage(cache.file)
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(VersionError, match=r"cache\.db cannot be used: .*not permitted"):
        cache.get("1", "a")


def _full(connection: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_full_disk_leaves_no_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setattr(cache_module, "_prepare", _full)
        for _ in range(3):
            with pytest.raises(VersionError, match="full"):
                SqliteCache(tmp_path).set("1", "k", "v")
            assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == []
    SqliteCache(tmp_path).set("1", "k", "v")
    assert damaged_copies(tmp_path) == []


def test_a_damaged_file_waits_for_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _filled(tmp_path, known=lambda: {("2", "k"): "from elsewhere"})
    _torn(cache.file)
    damaged = cache.file.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(cache_module, "_write_rows", lambda connection, rows: _full(connection))
        for _ in range(3):
            with pytest.raises(VersionError, match="full"):
                cache.items("1")
            assert cache.file.read_bytes() == damaged
            assert damaged_copies(tmp_path) == []
    assert len(cache.items("1")) > len(ROWS) / 2
    assert cache.get("2", "k") == "from elsewhere"
    assert len(damaged_copies(tmp_path)) == 1


_WRITER = """
import logging, sys
from label_studio_ml.cache import SqliteCache
logging.basicConfig(format="%(message)s")
cache, me = SqliteCache(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
for line in sys.stdin:
    cache.set(me, line.strip(), "1")
    assert cache.get(me, line.strip()) == "1"
    print("done", flush=True)
"""


def test_many_processes_see_the_damage_at_once(tmp_path: Path) -> None:
    """Each goes on in the same new file; it is set aside once for each time that it was damaged."""
    _filled(tmp_path)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), f"w{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for number in range(5)
    ]
    rounds = 6
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for step in range(rounds):
            if step % 2:
                _garbage(tmp_path / "cache.db")
            for writer in random.sample(writers, len(writers)):
                assert writer.stdin is not None
                writer.stdin.write(f"step-{step}\n")
                writer.stdin.flush()
            for writer in writers:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "done\n"
    finally:
        errors = [writer.communicate(timeout=60)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(writers), errors
    aside = len(damaged_copies(tmp_path))
    assert 1 <= aside <= rounds // 2, "a file whose content is all in its log (-wal) is whole"
    assert "".join(errors).count("was set aside as") == aside
    last = SqliteCache(tmp_path)
    for number in range(5):
        assert last.get(f"w{number}", f"step-{rounds - 1}") == "1"
