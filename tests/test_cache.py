"""The per-project key and value store, also from several threads and processes."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from label_studio_ml.cache import BaseCache, SqliteCache, create_cache
from label_studio_ml.errors import VersionError


def test_get_set_has_delete(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    assert cache["1", "k"] is None
    assert ("1", "k") not in cache
    cache["1", "k"] = "v"
    assert cache["1", "k"] == cache.get("1", "k") == "v"
    assert ("1", "k") in cache
    assert not cache.has("2", "k")
    cache.set("1", "k", "")
    assert cache.has("1", "k")
    cache.delete("1", "k")
    cache.delete("1", "k")
    assert cache.get("1", "k") is None


def test_delitem(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    cache.set("1", "k", "v")
    del cache["1", "k"]
    assert ("1", "k") not in cache


def test_items_are_one_projects(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    cache.update("1", {"b": "2", "a": "1"})
    cache.set("2", "c", "3")
    assert cache.items("1") == {"a": "1", "b": "2"}
    assert list(cache.items("1")) == ["a", "b"]
    assert cache.items("3") == {}
    assert cache.projects() == ["1", "2"]
    cache.delete("2", "c")
    assert cache.projects() == ["1"]


@pytest.mark.parametrize("value", [1, None, {"a": 1}, b"x"])
def test_value_must_be_text(tmp_path: Path, value: object) -> None:
    cache = SqliteCache(tmp_path)
    with pytest.raises(ValueError, match="'extra_params' must be a str"):
        cache.set("1", "extra_params", value)  # type: ignore[arg-type]


def test_update_writes_all_or_nothing(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    cache.set("1", "a", "old")
    with pytest.raises(ValueError, match="'b'"):
        cache.update("1", {"a": "new", "b": 2})  # type: ignore[dict-item]
    with pytest.raises(VersionError):
        cache.update("1", {"a": "new", None: "no key"})  # type: ignore[dict-item]
    assert cache.items("1") == {"a": "old"}
    cache.set("1", "a", "new")
    assert cache.get("1", "a") == "new"


def test_nothing_is_opened_before_use(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    cache = SqliteCache(folder)
    assert not folder.exists()
    cache.get("1", "k")
    assert (folder / "cache.db").exists()


def test_import_leaves_no_file(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", "import label_studio_ml.cache"], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", [False, True])
def test_file_is_the_owners_only(tmp_path: Path, existing: bool) -> None:
    file = tmp_path / "cache.db"
    if existing:
        file.touch(0o644)
    cache = SqliteCache(tmp_path)
    cache.set("1", "k", "v")
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_older_file_is_read(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    columns = "project_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL"
    connection.execute(f"CREATE TABLE cache ({columns}, PRIMARY KEY (project_id, key))")
    connection.execute("INSERT INTO cache VALUES ('7', 'model_version', '0.0.1')")
    connection.commit()
    connection.close()
    assert SqliteCache(tmp_path, db_name="old.db").get("7", "model_version") == "0.0.1"


WRITE = """
import sys
from label_studio_ml.cache import SqliteCache
SqliteCache(sys.argv[1]).set("1", "k", sys.argv[2])
"""


def test_other_processes_writes_are_seen(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    assert cache.get("1", "k") is None
    for value in ("first", "second"):
        subprocess.run([sys.executable, "-c", WRITE, str(tmp_path), value], check=True)
        assert cache.get("1", "k") == value


COUNT = """
import sys
from label_studio_ml.cache import SqliteCache
cache = SqliteCache(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    cache.update(sys.argv[2], {f"k{number}": str(number), "last": str(number)})
"""


def test_processes_write_at_once(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, str(tmp_path), project],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for project in "abc"
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        child.communicate("go\n", timeout=60)
    assert [child.returncode for child in children] == [0, 0, 0]
    cache = SqliteCache(tmp_path)
    for project in "abc":
        items = cache.items(project)
        assert len(items) == 101
        assert items["last"] == "99"


def test_threads_write_at_once(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    start = threading.Barrier(4)

    def write(name: str) -> None:
        start.wait(10)
        for number in range(50):
            cache.set("1", f"{name}{number}", "v")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(cache.items("1")) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_opens_its_own(tmp_path: Path) -> None:
    code = """
import os, sys
from label_studio_ml.cache import SqliteCache
cache = SqliteCache(sys.argv[1])
cache.set("1", "parent", "v")
inherited = cache._connection
pid = os.fork()
if pid == 0:
    cache.set("1", "child", cache.get("1", "parent"))
    assert cache._connection is not inherited
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(cache.items("1"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "{'child': 'v', 'parent': 'v'}"


def test_closed_cache_opens_again(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path)
    cache.set("1", "k", "v")
    cache.close()
    cache.close()
    assert cache.get("1", "k") == "v"


def test_unusable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(VersionError, match=r"MODEL_DIR") as caught:
        SqliteCache(tmp_path / "file").get("1", "k")
    assert caught.value.field == "MODEL_DIR"


def test_create_cache(tmp_path: Path) -> None:
    cache: BaseCache = create_cache("sqlite", tmp_path, db_name="x.db")
    cache.set("1", "k", "v")
    assert (tmp_path / "x.db").exists()
    with pytest.raises(ValueError, match="'redis' is unknown"):
        create_cache("redis", tmp_path)


def test_opening_a_file_again_does_not_drop_the_locks_of_the_first(tmp_path: Path) -> None:
    """POSIX locks go when a process closes any descriptor of the file: another process then removes the log."""
    first, second = SqliteCache(tmp_path), SqliteCache(tmp_path)
    first.set("1", "a", "1")
    assert second.get("1", "a") == "1"
    code = "import sys; from label_studio_ml.cache import SqliteCache as C; c = C(sys.argv[1]); {}; c.close()"
    for step in ("c.set('1', 'b', '2')", "c.get('1', 'b')"):
        subprocess.run([sys.executable, "-c", code.format(step), str(tmp_path)], check=True, timeout=60)
        assert (tmp_path / "cache.db-wal").exists()
    first.set("1", "c", "3")
    third = SqliteCache(tmp_path)
    for cache in (first, second, third):
        assert cache.items("1") == {"a": "1", "b": "2", "c": "3"}
