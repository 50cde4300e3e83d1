"""Damage in the embedded broker's append-only file."""

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from e2e.processes import wait_until
from label_studio_ml.errors import BrokerError
from label_studio_ml.runtime import broker_file
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.runtime.broker_file import PARTS, copies, damage_error

EVENTS = 50


def _client(url: str) -> Any:
    return redis.Redis.from_url(url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a broker that took `EVENTS` events and was killed."""
    folder = tmp_path / "broker"
    broker = Broker(folder)
    client = _client(broker.start())
    for number in range(EVENTS):
        client.xadd("events", {"number": number, "filler": "x" * 100})
    os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
    wait_until(lambda: not broker.alive(), "it is gone", every=0.01)
    return folder


@pytest.fixture
def broker(folder: Path) -> Iterator[Broker]:
    made = Broker(folder)
    yield made
    if made.url:
        made.stop()


def _part(folder: Path, kind: str = "incr.aof") -> Path:
    (part,) = (folder / PARTS).glob(f"*.{kind}")
    return part


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _overwrite(path: Path, data: bytes, at: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    start = int(len(content) * at)
    content[start : start + len(data)] = data
    path.write_bytes(content)


@pytest.mark.parametrize("data", [b"\0" * 300, b"\xff" * 300, b"\r\n" * 150])
def test_it_is_cut_at_the_damage_after_a_copy(
    folder: Path, broker: Broker, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    _overwrite(_part(folder), data)
    damaged = _contents(folder / PARTS)
    client = _client(broker.start())
    numbers = [int(fields[b"number"]) for _, fields in client.xrange("events")]
    assert numbers == list(range(len(numbers)))
    assert EVENTS / 3 < len(numbers) < EVENTS
    (copy,) = copies(folder)
    assert _contents(copy) == damaged
    assert str(copy) in caplog.text
    assert "was damaged and was cut to its first" in caplog.text
    assert not list(folder.glob("*.cut"))

    client.xadd("events", {"number": EVENTS})
    broker.stop()
    again = Broker(folder)
    assert _client(again.start()).xlen("events") == len(numbers) + 1
    again.stop()
    assert copies(folder) == [copy]


def test_zeros_at_the_end_after_a_power_cut_lose_nothing(folder: Path, broker: Broker) -> None:
    with _part(folder).open("ab") as file:
        file.write(b"\0" * 4096)
    assert _client(broker.start()).xlen("events") == EVENTS
    assert len(copies(folder)) == 1


def _base(folder: Path) -> None:
    _overwrite(_part(folder, "base.rdb"), b"\xff" * 20, at=0.1)


def _manifest(folder: Path) -> None:
    (folder / PARTS / "appendonly.aof.manifest").write_bytes(b"\0" * 88)


def _earlier_part(folder: Path) -> None:
    """Damage a part that another one follows: what that one says begins from what the damage hides."""
    part = _part(folder)
    _overwrite(part, b"\0" * 300)
    (folder / PARTS / "appendonly.aof.2.incr.aof").write_bytes(b"")
    with (folder / PARTS / "appendonly.aof.manifest").open("a") as file:
        file.write("file appendonly.aof.2.incr.aof seq 2 type i\n")


def _no_command(folder: Path) -> None:
    part = _part(folder)
    part.write_bytes(part.read_bytes().replace(b"XADD", b"XXXX", 1))


def _part_is_gone(folder: Path) -> None:
    _part(folder).unlink()


@pytest.mark.parametrize("damage", [_base, _manifest, _earlier_part, _no_command, _part_is_gone])
def test_other_damage_is_named_with_what_to_do_and_nothing_is_changed(
    folder: Path, broker: Broker, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    before = _contents(folder / PARTS)
    for _ in range(2):
        with pytest.raises(BrokerError) as caught:
            broker.start()
        assert f"append-only file in {folder / PARTS} is damaged" in str(caught.value)
        assert f"mv {folder / PARTS} {folder / PARTS}.moved" in str(caught.value)
        assert "Events are kept in the spool" in str(caught.value)
    assert _contents(folder / PARTS) == before
    assert copies(folder) == []
    assert not list(folder.glob("*.cut"))
    (folder / PARTS).rename(folder / "moved")
    assert _client(broker.start()).xlen("events") == 0


def test_the_same_damage_is_said_in_the_same_words(folder: Path) -> None:
    """Else the log would have a line for each try, every two seconds."""
    _base(folder)
    said = set()
    for _ in range(2):
        with pytest.raises(BrokerError) as caught:
            Broker(folder).start()
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_disk_that_refuses_the_copy_leaves_all_as_it_is(
    folder: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _overwrite(_part(folder), b"\0" * 300)
    before = _contents(folder / PARTS)

    def refused(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", refused)
        with pytest.raises(BrokerError, match=r"cannot be repaired: .*is read-only"):
            broker.start()
    assert _contents(folder / PARTS) == before
    assert copies(folder) == []
    assert not list(folder.glob("*.cut"))
    assert _client(broker.start()).xlen("events") < EVENTS


def test_the_end_of_the_backend_ends_the_tool(tmp_path: Path) -> None:
    tool = tmp_path / "valkey-server"
    tool.write_text("#!/bin/sh\nexec sleep 600\n")
    tool.chmod(0o755)
    stopping = threading.Event()
    stopping.set()
    with (tmp_path / "lock").open("w") as lock, pytest.raises(BrokerError, match="shutting down"):
        broker_file._check(tool, tmp_path, lock.fileno(), stopping)


def test_other_last_words_are_no_damage(tmp_path: Path) -> None:
    assert damage_error(tmp_path, "Failed opening Unix socket: bind: Permission denied") is None
