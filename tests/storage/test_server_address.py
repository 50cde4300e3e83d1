import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from label_studio_ml.storage.server_address import address, announced, fingerprint


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


def test_a_file_that_cannot_be_read_tells_of_nobody_and_is_replaced(tmp_path: Path) -> None:
    for text in ("another", "[]", '{"url": "u"}', '{"url": "u", "pid": "x"}'):
        (tmp_path / "server.json").write_text(text)
        assert address(tmp_path) == ""
        with announced(tmp_path, "127.0.0.1", 1):
            assert address(tmp_path) == "http://127.0.0.1:1"
        assert not (tmp_path / "server.json").exists()


def test_what_an_earlier_version_wrote_is_understood(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getpid()}))
    assert address(tmp_path) == "http://127.0.0.1:1"


def test_a_killed_server_with_this_process_id_is_no_other_one(tmp_path: Path) -> None:
    killed = {"url": "http://127.0.0.1:1", "pid": os.getpid(), "host": socket.gethostname()}
    (tmp_path / "server.json").write_text(json.dumps(killed))
    with announced(tmp_path, "127.0.0.1", 2) as other:
        assert other == ""
        assert address(tmp_path) == "http://127.0.0.1:2"
    assert address(tmp_path) == ""


def _other(folder: Path, port: int) -> "subprocess.Popen[str]":
    """Return another process that serves the folder, until its standard input ends."""
    program = (
        "import sys; from pathlib import Path; from label_studio_ml.storage.server_address import announced\n"
        "with announced(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2])) as other:\n"
        "    print('other:', other, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(folder), str(port)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("first", ["the older ends first", "the newer ends first", "the older is killed"])
def test_two_servers_of_one_folder_keep_each_their_own_word(tmp_path: Path, first: str) -> None:
    one, two = _other(tmp_path, 1), None
    try:
        assert _said(one) == "other:"
        two = _other(tmp_path, 2)
        assert _said(two) == "other: http://127.0.0.1:1"
        assert address(tmp_path) == "http://127.0.0.1:1"
        ends, stays = (two, one) if "newer" in first else (one, two)
        if "killed" in first:
            ends.kill()
        ends.communicate(timeout=60)
        assert address(tmp_path) == ("http://127.0.0.1:2" if stays is two else "http://127.0.0.1:1")
        stays.communicate(timeout=60)
        assert address(tmp_path) == ""
        assert not (tmp_path / "server.json").exists() or "killed" in first
    finally:
        for process in (one, two):
            if process is not None:
                process.kill()
                process.wait()


def test_one_on_another_machine_is_not_asked_and_not_forgotten(tmp_path: Path) -> None:
    elsewhere = {"url": "http://127.0.0.1:1", "pid": 1, "host": "elsewhere"}
    (tmp_path / "server.json").write_text(json.dumps(elsewhere))
    assert address(tmp_path) == ""
    with announced(tmp_path, "127.0.0.1", 2) as other:
        assert other == ""
        assert address(tmp_path) == "http://127.0.0.1:2"
    assert json.loads((tmp_path / "server.json").read_text()) == {**elsewhere, "others": []}


def test_the_fingerprint_of_a_certificate_is_that_of_the_announced_address(tmp_path: Path) -> None:
    with announced(tmp_path, "127.0.0.1", 9090, "ab" * 32):
        assert address(tmp_path) == "https://127.0.0.1:9090"
        assert fingerprint(tmp_path, "https://127.0.0.1:9090") == "ab" * 32
        assert fingerprint(tmp_path, "https://127.0.0.1:9091") == ""
    with announced(tmp_path, "127.0.0.1", 9090):
        assert fingerprint(tmp_path, "http://127.0.0.1:9090") == ""


def test_the_fingerprint_of_a_server_below_another_name(tmp_path: Path) -> None:
    with announced(tmp_path, "0.0.0.0", 9090, "ab" * 32):
        for url in ("https://127.0.0.1:9090", "https://localhost:9090/", "https://[::1]:9090/ml"):
            assert fingerprint(tmp_path, url) == "ab" * 32, url
        for url in ("https://localhost:9091", "https://ml.example.com:9090", "http://localhost:9090"):
            assert fingerprint(tmp_path, url) == "", url
