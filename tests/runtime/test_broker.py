"""The embedded broker as a process of its own."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from e2e.processes import wait_until
from label_studio_ml.errors import BrokerError
from label_studio_ml.runtime import broker as module
from label_studio_ml.runtime.broker import Broker, find_server, running_url
from live import alive

Make = Callable[..., Broker]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make brokers that end with the test."""
    made: list[Broker] = []

    def one(folder: Path | None = None) -> Broker:
        made.append(Broker(folder or tmp_path / "broker"))
        return made[-1]

    yield one
    for broker in made:
        if broker.url:
            broker.stop()


def _client(url: str) -> Any:
    return redis.Redis.from_url(url)


def _pid(url: str) -> int:
    return int(_client(url).info("server")["process_id"])


def test_it_keeps_what_it_was_told(make: Make, tmp_path: Path) -> None:
    first = make()
    _client(first.start()).xadd("stream", {"a": "1"})
    pid = _pid(first.url)
    first.stop()
    assert not alive(pid)
    assert not first.address_file.exists()
    assert running_url(tmp_path / "broker") == ""
    second = make()
    assert _client(second.start()).xlen("stream") == 1


def test_one_that_does_not_listen_yet_is_ended_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\nexec sleep 600\n")
    server.chmod(0o755)
    monkeypatch.setattr(module, "find_server", lambda: server)
    stopping = threading.Event()
    stopping.set()
    broker = Broker(tmp_path / "broker", stopping)
    with pytest.raises(BrokerError, match="shutting down"):
        broker.start()
    assert broker.alive()
    broker.stop()
    assert broker._process is not None
    assert broker._process.returncode == -signal.SIGTERM


def test_what_was_answered_survives_kill(make: Make) -> None:
    broker = make()
    client = _client(broker.start())
    for number in range(100):
        client.set(f"key {number}", number)
    os.kill(_pid(broker.url), signal.SIGKILL)
    wait_until(lambda: not broker.alive(), "it is gone", every=0.01)
    again = make()
    assert _client(again.start()).dbsize() == 100


def test_a_file_that_was_cut_by_a_crash_is_read_as_far_as_it_goes(make: Make, tmp_path: Path) -> None:
    broker = make()
    client = _client(broker.start())
    for number in range(10):
        client.set(number, "x" * 100)
    os.kill(_pid(broker.url), signal.SIGKILL)
    wait_until(lambda: not broker.alive(), "it is gone", every=0.01)
    log = max((tmp_path / "broker" / "appendonlydir").glob("*.incr.aof"))
    os.truncate(log, log.stat().st_size - 20)
    assert _client(make().start()).dbsize() == 9


def test_only_its_owner_reaches_it(make: Make, tmp_path: Path) -> None:
    broker = make()
    path = Path(broker.start().removeprefix("unix://").partition("?")[0])
    assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "broker").stat().st_mode & 0o077 == 0
    assert broker.address_file.stat().st_mode & 0o077 == 0
    assert _client(broker.url).config_get("port") == {"port": "0"}


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak",
        "tab\tand bell\x07",
        "with a space",
        "long" * 40,
        "per%cent?#",
        "ümläut",
        "quo\"te's",
        "plus+",
    ],
)
def test_folders_of_all_kinds(make: Make, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "broker"
    broker = make(folder)
    _client(broker.start()).set("a", "b")
    assert running_url(folder) == broker.url
    assert list(folder.glob("appendonlydir/*")), "its data is somewhere else"
    socket_folder = Path(broker.url.removeprefix("unix://")).parent
    broker.stop()
    assert folder.is_dir()
    assert socket_folder == folder or not socket_folder.exists()
    assert _client(make(folder).start()).get("a") == b"b"


def test_the_same_address_after_a_crash(make: Make, tmp_path: Path) -> None:
    """A worker that knows the address must find the next server there, wherever the socket had to be put."""
    folder = tmp_path / ("long" * 40)
    first = make(folder)
    url = first.start()
    os.kill(_pid(url), signal.SIGKILL)
    wait_until(lambda: not first.alive(), "it is gone", every=0.01)
    assert make(folder).start() == url


def test_the_address_is_there_in_full_or_not_at_all(make: Make, tmp_path: Path) -> None:
    """Who reads it while a server starts again sees the old one: the file is replaced, not written anew."""
    first = make()
    first.start()
    before = tmp_path / "before"
    os.link(first.address_file, before)
    os.kill(_pid(first.url), signal.SIGKILL)
    wait_until(lambda: not first.alive(), "it is gone", every=0.01)
    second = make()
    second.start()
    assert not second.address_file.samefile(before)
    assert before.read_text() == second.address_file.read_text() == second.url


def test_an_address_in_a_folder_of_somebody_else_is_not_used_again(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    elsewhere = tmp_path / "lsml-open"
    elsewhere.mkdir(mode=0o777)
    elsewhere.chmod(0o777)
    folder.mkdir()
    (folder / "address").write_text(f"unix://{elsewhere}/broker.sock?db=0")
    assert str(elsewhere) not in make(folder).start()


def test_one_that_runs_is_adopted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADOPT_AFTER", 0.1)
    first, second = make(), make()
    assert first.start() == second.start()
    assert _pid(first.url) == _pid(second.url)
    assert second.alive()
    second.stop()
    wait_until(lambda: not first.alive(), "whoever adopts it may end it", every=0.01)


def test_one_that_neither_ends_nor_answers(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make()
    first.start()
    pid = _pid(first.url)
    monkeypatch.setattr(module, "ADOPT_AFTER", 0.1)
    monkeypatch.setattr(module, "START_TIMEOUT", 0.2)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(BrokerError, match="does not answer"):
            make().start()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("the kernel is told through setpriv")
    code = (
        "import sys, time; from pathlib import Path; from label_studio_ml.runtime.broker import Broker\n"
        "print(Broker(Path(sys.argv[1])).start(), flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "broker")], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        pid = _pid(url)
        parent.kill()
    wait_until(lambda: not alive(pid), "the server ends", every=0.02)
    again = Broker(tmp_path / "broker")
    assert again.start() == url
    again.stop()


def test_a_server_that_cannot_start_says_why(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "valkey-server"
    bad.write_text("#!/bin/sh\necho 'the disk is full' >&2\nexit 1\n")
    bad.chmod(0o755)
    monkeypatch.setattr(module, "find_server", lambda: bad)
    with pytest.raises(BrokerError, match="the disk is full"):
        make().start()


def test_a_folder_that_cannot_be_made(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="MODEL_DIR"):
        make(tmp_path / "file" / "broker").start()


def test_no_server_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrokerError, match="REDIS_URL"):
        find_server()


def test_a_server_on_the_path_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "redis-server").write_text("#!/bin/sh\n")
    (tmp_path / "redis-server").chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == tmp_path / "redis-server"
