"""Access tokens shared by processes."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from label_studio_ml.studio.transport.token_cache import TokenCache
from studio.fake import Asked, FakeServer, Reply, jwt


def _never() -> tuple[str, float]:
    raise AssertionError("exchanged")


def test_shared_until_its_end(tmp_path: Path) -> None:
    now = 1000.0
    shelves = [TokenCache(tmp_path, "http://ls", "refresh", clock=lambda: now) for _ in range(2)]
    assert shelves[0].get("", lambda: ("one", 270.0)) == ("one", 270.0)
    now = 1100.0
    assert shelves[1].get("", _never) == ("one", 170.0)
    now = 1270.0
    assert shelves[1].get("", lambda: ("two", 270.0)) == ("two", 270.0)
    assert shelves[0].get("one", _never)[0] == "two"
    assert shelves[0].get("two", lambda: ("three", 1.0))[0] == "three"
    now = 900.0  # the clock was set back
    assert shelves[0].get("", lambda: ("four", 1.0))[0] == "four"


def test_for_one_token_and_one_server(tmp_path: Path) -> None:
    paths = {
        TokenCache(tmp_path, url, refresh).path for url in ("http://a", "http://b") for refresh in ("r", "s")
    }
    assert len(paths) == 4


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "access"
    shelf = TokenCache(folder, "http://ls", "the-personal-token")
    shelf.get("", lambda: ("short-lived", 270.0))
    assert shelf.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "the-personal-token" not in shelf.path.read_text() + str(shelf.path)
    shelf.path.chmod(0o644)
    shelf.get("short-lived", lambda: ("next", 270.0))
    assert shelf.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"access": 1}', '{"access": "", "made": 1, "lives": 1e99}'])
def test_broken_file(tmp_path: Path, text: str) -> None:
    shelf = TokenCache(tmp_path, "http://ls", "r")
    shelf.path.write_text(text)
    assert shelf.get("", lambda: ("new", 270.0)) == ("new", 270.0)
    assert json.loads(shelf.path.read_text())["access"] == "new"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shelf = TokenCache(tmp_path / "file", "http://ls", "r")
    assert shelf.get("", lambda: ("own", 5.0)) == ("own", 5.0)


_ASK = """
import sys
from pathlib import Path
from label_studio_ml.studio.transport.http import Http
http = Http(sys.argv[1], sys.argv[2], access_folder=Path(sys.argv[3]))
print("begin", flush=True)
with http.request("GET", sys.argv[1] + "/api/x", login=lambda _: True, stay=True) as response:
    print(response.status_code, flush=True)
"""


def test_no_stampede(studio: FakeServer, tmp_path: Path) -> None:
    go_on = threading.Event()

    def exchange(_: Asked) -> Reply:
        go_on.wait(30)
        return Reply.of({"access": jwt("access")})

    studio.on("/api/token/refresh/", exchange)
    studio.on("/api/x", lambda asked: Reply(200 if asked.authorization == f"Bearer {jwt('access')}" else 401))
    command = [sys.executable, "-c", _ASK, studio.url, jwt("refresh"), str(tmp_path / "access")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
    go_on.set()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["200\n"] * 4
    assert studio.paths().count("/api/token/refresh/") == 1
