import json
from pathlib import Path

import pytest

from label_studio_ml.running import address, announced


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9090"),
        ("0.0.0.0", "http://127.0.0.1:9090"),
        ("::", "http://[::1]:9090"),
        ("10.0.0.7", "http://10.0.0.7:9090"),
    ],
)
def test_a_server_says_where_it_listens(tmp_path: Path, host: str, url: str) -> None:
    assert address(tmp_path) == ""
    with announced(tmp_path, host, 9090):
        assert address(tmp_path) == url
    assert address(tmp_path) == ""


def test_one_that_was_killed_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": 2**22 + 1}))
    assert address(tmp_path) == ""


def test_one_that_took_over_stays(tmp_path: Path) -> None:
    with announced(tmp_path, "127.0.0.1", 1):
        (tmp_path / "server.json").write_text("another")
    assert (tmp_path / "server.json").read_text() == "another"
