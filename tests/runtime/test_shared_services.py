"""Broker and worker beside one server or several."""

import contextlib
import errno
import fcntl
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from e2e.backend import Backend
from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.runtime import shared_services as services_module
from label_studio_ml.runtime.broker import START_TIMEOUT, Broker, full_disk_error
from label_studio_ml.runtime.shared_services import SharedServices, stop_orphaned_broker
from label_studio_ml.storage import atomic_files
from live import WORKER, Live, alive, start_training

Make = Callable[..., Live]


def _second(live: Live) -> Live:
    """Return another server on the same folder."""
    log = live.folder.parent / "second.log"
    return Live(Backend(live.folder, log, env=live.backend.env), live.studio, live.control_folder)


def test_two_servers_share_one_broker_and_one_worker_and_the_second_takes_over(make: Make) -> None:
    first = make()
    first.studio.add(1, 11)
    first.backend.start()
    first.one(WORKER)
    broker = first.broker()
    second = _second(first)
    second.backend.start()
    try:
        second.setup(1)
        done = second.wait(second.send(start_training(1)))
        assert done["job_status"] == "finished"
        assert not second.processes(WORKER)
        assert first.broker() == broker
        assert first.wait(done["job"]) == done
        program = first.backend.program
        assert program is not None
        os.kill(program.process.pid, signal.SIGKILL)
        program.process.wait()
        second.one(WORKER)
        wait_until(lambda: not program.descendants(), "the first one's processes end")
        after = second.wait(second.send(start_training(1)))
        assert after["job_status"] == "finished"
        assert not alive(broker)
        assert second.wait_served(1, lambda entry: entry["model_version"] == after["model_version"])
    finally:
        assert not second.backend.stop()


def test_the_second_takes_over_from_one_that_is_ended_in_order(make: Make) -> None:
    first = make()
    first.studio.add(1, 11)
    first.backend.start()
    first.broker()
    second = _second(first)
    second.backend.start()
    try:
        second.setup(1)
        assert not first.backend.stop()
        second.one(WORKER)
        assert second.wait(second.send(start_training(1)))["job_status"] == "finished"
    finally:
        assert not second.backend.stop()


def test_with_a_redis_of_your_own_no_broker_starts(make: Make, tmp_path: Path) -> None:
    own = Broker(tmp_path / "own")
    url = own.start()
    try:
        live = make(env={"REDIS_URL": url})
        live.studio.add(1, 11)
        live.backend.start()
        live.setup(1)
        assert live.wait(live.send(start_training(1)))["job_status"] == "finished"
        assert not (live.model_dir / "broker" / "address").exists()
        assert not (live.model_dir / "broker" / "broker.log").exists()
        assert not live.backend.stop()
        assert own.alive()
    finally:
        own.stop()


def test_a_worker_that_ends_is_started_again(make: Make) -> None:
    live = make()
    live.backend.start()
    first = live.kill(WORKER)
    assert live.one(WORKER) != first


def test_a_broker_that_cannot_start_is_said_and_predictions_go_on(make: Make) -> None:
    live = make()
    live.model_dir.mkdir()
    (live.model_dir / "broker").write_text("in the way")
    live.backend.start()
    live.setup(1)
    assert live.predict(1)["model_version"] == "INITIAL"
    answer = live.post("/webhook", start_training(1))
    assert answer.status_code == 503
    assert "The training waits on this server's disk" in answer.json()["detail"]
    ready = f"{live.backend.url}/readyz"
    wait_until(lambda: "File exists" in requests.get(ready, timeout=90).json()["broker"], "it says why")
    wait_until(lambda: "Background training is not available" in live.backend.output(), "the log says so")
    (live.model_dir / "broker").unlink()
    live.studio.add(1, 11)
    wait_until(lambda: live.control(1).fits("end"), "it is trained on later on")


def test_a_damaged_append_only_file_is_named_with_what_to_do(make: Make) -> None:
    live = make()
    live.backend.start()
    live.setup(1)
    live.one(WORKER)
    live.backend.kill()
    parts = live.model_dir / "broker" / "appendonlydir"
    (base,) = parts.glob("*.base.rdb")
    base.write_bytes(b"\xff" * 100)
    live.backend.start()
    ready = f"{live.backend.url}/readyz"
    move = f"mv {parts} {parts}.moved"
    wait_until(lambda: move in requests.get(ready, timeout=90).json()["broker"], "it says what to do")
    wait_until(lambda: move in live.backend.output(), "the log says so")
    examined = live.run_command("doctor", "--port", str(live.backend.port), "--json")
    assert move in examined.stdout
    assert live.predict(1)["model_version"] == "INITIAL"
    live.post("/webhook", start_training(1))
    assert list((live.model_dir / "spool").glob("*.json"))
    parts.rename(f"{parts}.moved")
    live.studio.add(1, 11)
    wait_until(lambda: live.control(1).fits("end"), "it is trained on later on")


def test_stop_before_start_and_stop_at_once(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    SharedServices(settings).stop()
    services = SharedServices(settings)
    services.start()
    services.stop()
    assert not (tmp_path / "data" / "broker" / "address").exists()


def test_stop_does_not_wait_for_a_broker_that_another_server_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    folder = tmp_path / "data" / "broker"
    folder.mkdir(parents=True)
    with (folder / "server.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        services = SharedServices(settings)
        services.start()
        wait_until(lambda: services.owner, "it wants to start a broker")
        stopping = threading.Thread(target=services.stop, daemon=True)
        stopping.start()
        stopping.join(START_TIMEOUT / 2)
        assert not stopping.is_alive()
    assert "Background training is not available" not in caplog.text, "it is no failure"


def test_whatever_goes_wrong_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a free thread, say: nobody else would start the worker later."""
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    services = SharedServices(settings)
    tries = []

    def tick(*args: object) -> None:
        tries.append(args)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(services._workers, "tick", tick)
    services.start()
    try:
        wait_until(lambda: len(tries) > 1, "it tries again")
        assert services.url(90).startswith("unix://")
    finally:
        services.stop()


def test_the_url_is_waited_for(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    services = SharedServices(settings, worker_delay=60)
    with pytest.raises(BrokerError, match="not up yet"):
        services.url(0.01)
    services.start()
    try:
        assert services.url(90).startswith("unix://")
        assert services.owner
    finally:
        services.stop()


@pytest.mark.parametrize("guest", [False, True])
def test_room_on_a_full_disk_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, guest: bool
) -> None:
    """A command says within seconds that the disk is full, also beside a server whose broker cannot run."""
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    folder = tmp_path / "data" / "broker"
    folder.mkdir(parents=True)

    def start(broker: Broker) -> str:
        raise full_disk_error(folder)

    monkeypatch.setattr(Broker, "start", start)
    monkeypatch.setattr(services_module, "has_no_space", lambda place: place == folder)
    causes: list[str] = []

    def ask() -> None:
        with pytest.raises(BrokerError) as caught:
            services.url(100_000)
        causes.append(str(caught.value))

    with (folder / "owner.lock").open("w") as held:
        if guest:
            fcntl.flock(held, fcntl.LOCK_EX)
        services = SharedServices(settings)
        services.start()
        try:
            threading.Thread(target=ask, daemon=True).start()
            wait_until(lambda: causes, "it says so")
        finally:
            services.stop()
    assert causes[0].endswith(f"The disk of {folder} is full: make room on it")


def test_a_broker_whose_address_cannot_be_written_is_used_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    refused: list[str] = []
    replace_file = atomic_files.replace_file

    def full(path: Path, text: str) -> None:
        if len(refused) < 2:
            refused.append(text)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace_file(path, text)

    monkeypatch.setattr(atomic_files, "replace_file", full)
    services = SharedServices(settings, worker_delay=60)
    services.start()

    def url() -> str:
        with contextlib.suppress(BrokerError):
            return services.url(0.1)
        return ""

    try:
        assert wait_until(url, "it is used") == refused[0] == refused[1]
    finally:
        services.stop()


def test_an_error_that_is_over_is_said_again_when_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path, log_dir=tmp_path / "logs")
    services = SharedServices(settings)
    refusals = [True, True, False, True, False]

    def tick() -> None:
        refused = refusals.pop(0)
        if not refusals:
            services._stop.set()
        if refused:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(services, "_check", tick)
    monkeypatch.setattr(services._stop, "wait", lambda seconds: None)
    services._check_forever()
    cause = f"[Errno {errno.EMFILE}] {os.strerror(errno.EMFILE)}. Allow more open files (ulimit -n)"
    said = f"Background training is not available: Broker or worker cannot be started: {cause}"
    assert caplog.text.count(said) == 2
    assert services._error is None


def test_an_orphaned_broker_is_stopped_unless_a_server_uses_it(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path, log_dir=tmp_path / "logs")
    services = SharedServices(settings, worker_delay=60)
    services.start()
    services.url(90)
    folder = tmp_path / "broker"
    stop_orphaned_broker(str(folder))
    services.url(0)
    assert (folder / "address").exists()
    services.stop()
    orphan = Broker(folder)
    orphan.start()
    stop_orphaned_broker(str(folder))
    wait_until(lambda: not orphan.alive(), "it is gone", every=0.01)
    stop_orphaned_broker(str(tmp_path / "nowhere"))
