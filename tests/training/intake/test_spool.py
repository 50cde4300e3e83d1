"""Events that are kept on the disk while Redis is away."""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from e2e.processes import wait_until
from label_studio_ml.errors import BrokerError
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.intake import spool as spool_module
from label_studio_ml.training.intake.spool import MAX_FLUSHING, Spool
from label_studio_ml.training.intake.spool_capacity import SpoolCapacity, Spooled


class Desk:
    """Takes events, or refuses them while `away`."""

    def __init__(self) -> None:
        self.away = True
        self.taken: list[str] = []

    def __call__(self, spooled: Spooled) -> None:
        if self.away:
            raise BrokerError("Redis cannot be reached")
        self.taken.append(spooled.event.uid)


@pytest.fixture
def intake() -> Desk:
    return Desk()


@pytest.fixture
def spool(tmp_path: Path, intake: Desk) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", intake)
    yield made
    made.stop()


def event(number: int) -> Spooled:
    return Spooled(
        Event(action="ANNOTATION_CREATED", uid=str(number), label_config="", title="", data={"n": number}),
        trusted=True,
        train=True,
        token=f"token-{number}",
    )


def test_what_was_kept_is_handed_over_in_order_when_redis_is_back(spool: Spool, intake: Desk) -> None:
    for number in range(20):
        spool.keep(event(number))
    assert len(spool.waiting()) == 20
    assert intake.taken == []
    intake.away = False
    wait_until(lambda: not spool.waiting(), "all are handed over", every=0.01)
    assert intake.taken == [str(number) for number in range(20)]
    assert spool.kept == 20


def test_only_its_owner_reads_it(spool: Spool, tmp_path: Path) -> None:
    spool.keep(event(1))
    assert stat.S_IMODE(os.stat(tmp_path / "spool").st_mode) == 0o700
    (path,) = spool.waiting()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_an_earlier_server_kept_is_handed_over_at_the_start(
    spool: Spool, intake: Desk, tmp_path: Path
) -> None:
    spool.keep(event(1))
    spool.stop()
    intake.away = False
    later = Spool(tmp_path / "spool", intake)
    later.start()
    wait_until(lambda: intake.taken == ["1"], "it is handed over", every=0.01)
    later.stop()


def test_two_servers_share_a_spool_and_hand_each_event_over_once(tmp_path: Path, intake: Desk) -> None:
    servers = [Spool(tmp_path / "spool", intake) for _ in range(2)]
    for number in range(20):
        servers[number % 2].keep(event(number))
    intake.away = False
    wait_until(lambda: not servers[0].waiting(), "all are handed over", every=0.01)
    assert intake.taken == [str(number) for number in range(20)]
    for server in servers:
        server.stop()


def test_an_event_that_is_half_written_is_none_and_one_that_is_damaged_is_set_aside(
    spool: Spool, intake: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    spool.keep(event(1))
    (folder / "00000000000000000000-000000-x.json").write_bytes(b"{")
    (folder / "00000000000000000001-000000-x.tmp").write_bytes(b"{")
    intake.away = False
    wait_until(lambda: not spool.waiting(), "all are handed over", every=0.01)
    assert intake.taken == ["1"]
    assert [path.name for path in folder.glob("*.bad")] == ["00000000000000000000-000000-x.bad"]


def test_an_event_that_came_first_is_handed_over_first_also_where_it_is_written_last(
    spool: Spool, intake: Desk
) -> None:
    intake.away = False
    name = spool.reserve()
    spool.keep(event(2))
    time.sleep(0.2)  # long enough for the second one to be handed over, if it were not to wait
    assert intake.taken == []
    spool.keep(event(1), name)
    wait_until(lambda: not spool.waiting(), "both are handed over", every=0.01)
    assert intake.taken == ["1", "2"]


def test_an_event_that_cannot_be_handed_over_does_not_stop_those_behind_it(tmp_path: Path) -> None:
    taken = []

    def take(spooled: Spooled) -> None:
        if spooled.event.uid == "1":
            raise TypeError("unhashable type: 'list'")
        taken.append(spooled.event.uid)

    spool = Spool(tmp_path / "spool", take)
    names = [spool.reserve() for _ in range(3)]
    for number in (2, 1, 0):
        spool.keep(event(number), names[number])
    wait_until(lambda: not spool.waiting(), "none waits any more", every=0.01)
    spool.stop()
    assert taken == ["0", "2"]
    assert [path.name for path in (tmp_path / "spool").glob("*.bad")] == [f"{names[1]}.bad"]


def test_an_event_that_cannot_be_read_is_handed_over_later_and_stops_none_behind_it(
    spool: Spool, intake: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "RETRY_INTERVAL", 0.02)
    name = spool.reserve()
    file = tmp_path / "spool" / f"{name}.json"
    spool.keep(event(1), name)
    content = file.read_bytes()
    link = file.with_suffix(".tmp")
    link.symlink_to(file)
    link.rename(file)  # a link to itself, which the system refuses to follow, as a disk might refuse to read
    spool.keep(event(2))
    spool.keep(event(3))
    intake.away = False
    wait_until(lambda: len(intake.taken) == 2, "those behind it are handed over", every=0.01)
    spool.keep(event(4))
    wait_until(lambda: len(intake.taken) == 3, "a later one is handed over", every=0.01)
    readable = file.with_suffix(".tmp")
    readable.write_bytes(content)
    readable.rename(file)
    wait_until(lambda: spool.capacity.events == 0, "it is handed over when it can be read", every=0.01)
    assert intake.taken == ["2", "3", "4", "1"]
    assert not spool.waiting()


def test_an_unexpected_error_does_not_end_the_handing_over(
    spool: Spool, intake: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hand_over = spool._deliver_all
    failures = iter([RuntimeError("never seen"), RuntimeError("never seen")])

    def fail_twice() -> int:
        for failure in failures:
            raise failure
        return hand_over()

    monkeypatch.setattr(spool, "_deliver_all", fail_twice)
    monkeypatch.setattr(spool_module, "RETRY_INTERVAL", 0.02)
    intake.away = False
    spool.keep(event(1))
    wait_until(lambda: intake.taken == ["1"], "it is handed over", every=0.01)
    (record,) = [record for record in caplog.records if "never seen" in record.message]
    assert record.exc_info is not None


def test_a_folder_that_cannot_be_written_to_is_said_before_an_event_needs_it(
    spool: Spool, tmp_path: Path
) -> None:
    assert spool.problem == ""
    (tmp_path / "spool").write_text("in the way")
    assert spool.problem.startswith(
        "Events cannot be kept on this server's disk while Redis is unavailable: "
    )
    assert f"{tmp_path / 'spool'} is a file, not a folder. Move the file away" in spool.problem
    (tmp_path / "spool").unlink()
    spool.keep(event(1))
    assert spool.problem == ""


def test_a_disk_that_refuses_is_said(tmp_path: Path, intake: Desk) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(BrokerError, match="cannot be kept on the disk either"):
        Spool(tmp_path / "spool", intake).keep(event(1))


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Have the disk refuse to flush files, or folders."""
    flush = os.fsync

    def install(folders: bool) -> None:
        def refused(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
                raise OSError(errno.ETIMEDOUT, "the disk is gone")
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", refused)

    monkeypatch.setattr("label_studio_ml.training.intake.spool.FLUSH_TIMEOUT", 60.0)
    return install


def test_an_event_that_the_disk_refuses_is_not_handed_over(
    spool: Spool, intake: Desk, tmp_path: Path, refuse: Callable[[bool], None]
) -> None:
    intake.away = False
    refuse(False)
    with pytest.raises(BrokerError, match="the disk is gone"):
        spool.keep(event(1))
    assert list((tmp_path / "spool").glob("*.*")) == []
    assert (spool.kept, spool.empty()) == (0, True)
    assert intake.taken == []


def test_an_event_is_handed_over_once_where_only_its_folder_is_not_flushed(
    spool: Spool, intake: Desk, refuse: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    refuse(True)
    spool.keep(event(1))
    assert spool.kept == 1
    assert "is not on the disk: [Errno 110] the disk is gone" in caplog.text
    intake.away = False
    wait_until(lambda: not spool.waiting(), "it is handed over", every=0.01)
    assert intake.taken == ["1"]


def test_a_disk_that_is_slow_to_flush_is_not_waited_for(
    spool: Spool, intake: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, flush = threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        ready.wait(60)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    spool.keep(event(1))
    assert len(spool.waiting()) == 1, "it is kept before the disk has answered"
    ready.set()
    intake.away = False
    wait_until(lambda: intake.taken == ["1"], "it is handed over", every=0.01)


def test_a_disk_that_does_not_answer_does_not_use_up_the_open_files(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, flush, flushed = threading.Event(), os.fsync, list[int]()

    def slow(descriptor: int) -> None:
        ready.wait(60)
        flush(descriptor)
        flushed.append(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr("label_studio_ml.training.intake.spool.FLUSH_TIMEOUT", 0.0)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(100):
        spool.keep(event(number))
    assert len(os.listdir("/proc/self/fd")) - before < 50
    assert len(spool.waiting()) == spool.kept == 100
    ready.set()
    wait_until(lambda: len(flushed) == MAX_FLUSHING, "the disk has answered", every=0.01)
    monkeypatch.setattr("label_studio_ml.training.intake.spool.FLUSH_TIMEOUT", 60.0)
    spool.keep(event(100))
    assert len(flushed) == MAX_FLUSHING + 2, "the next one is flushed again, and so is its folder"


def test_it_stops_at_once(spool: Spool) -> None:
    spool.keep(event(1))
    began = time.monotonic()
    spool.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "spool"]
    assert time.monotonic() - began < 5


def test_nothing_is_folded_into_an_event_that_the_disk_refuses_in_the_end(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, begun, refused = os.fsync, threading.Event(), threading.Event()

    def first_fails(descriptor: int) -> None:
        if begun.is_set():
            flush(descriptor)
            return
        begun.set()
        assert refused.wait(60.0)
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(os, "fsync", first_fails)
    monkeypatch.setattr("label_studio_ml.training.intake.spool.FLUSH_TIMEOUT", 60.0)
    same = msgspec.structs.replace(event(1), trusted=False)
    with ThreadPoolExecutor(1) as threads:
        failing = threads.submit(spool.keep, same)
        assert begun.wait(60.0)
        spool.keep(same)
        refused.set()
        with pytest.raises(BrokerError, match="the disk is full"):
            failing.result(60.0)
    assert len(spool.waiting()) == spool.capacity.events == spool.kept == 1


def test_nothing_is_folded_into_an_event_that_is_handed_over_before_its_writer_goes_on(
    tmp_path: Path,
) -> None:
    room = SpoolCapacity(tmp_path, 10, 1 << 20)
    same = msgspec.structs.replace(event(1), trusted=False)
    admitted = room.admit(same, "1")
    assert admitted is not None
    room.begin(admitted[1])
    room.written(admitted[1])
    admitted = room.admit(same, "2")
    assert admitted is not None
    room.written(admitted[1])
    assert room.admit(same, "3") is None


def test_an_event_that_comes_during_a_recount_stays_counted(spool: Spool) -> None:
    lock = spool._starting

    class Between:
        """The lock, with an event that begins to be written when it is given free for the first time."""

        used = False

        def __enter__(self) -> None:
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()
            if not self.used:
                self.used = True
                assert spool.capacity.admit(event(1), spool.reserve()) is not None

    spool._starting = Between()  # type: ignore[assignment]
    assert spool._recount() == []
    assert spool.capacity.events == 1
