"""Workers whose server is gone: they end, and a server ends those of another one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.backend import clean_environment
from e2e.processes import Program, wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.process_table import find
from label_studio_ml.runtime import foreign_workers
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.runtime.foreign_workers import _is_foreign
from label_studio_ml.runtime.shared_services import SharedServices
from label_studio_ml.runtime.worker_main import Parent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_store_access import worker_count
from label_studio_ml.training.redis.redis_client import connect
from live import alive


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "model.py").write_text("")
    return Settings(
        backend_dir=tmp_path,
        script=tmp_path / "model.py",
        model_dir=tmp_path / "data",
        log_dir=tmp_path / "logs",
    )


@pytest.mark.parametrize("kind", ["held", "hung"])
def test_a_worker_ends_with_its_server(kind: str, settings: Settings, tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    env = replace(settings, redis_url=broker.start(), queue="q").child_env()
    server = Program(
        [sys.executable, Path(__file__).with_name("orphaned_server.py"), kind],
        cwd=tmp_path,
        env=clean_environment(env),
        log=tmp_path / "server.log",
    )
    try:
        pid = int(wait_until(lambda: server.output().partition("\n")[0], "a worker is started"))
        connection = connect(broker.url)
        if kind == "held":
            wait_until(lambda: worker_count(JobStore(connection, "q")), "the worker waits for jobs")
        else:
            wait_until(lambda: "hangs" in server.output(), "the worker hangs")
        connection.close()
        os.kill(server.process.pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), "the worker is gone", 60)
    finally:
        server.kill()
        broker.stop()


def test_a_process_that_was_started_by_another_one_is_no_child_of_a_server_that_is_gone() -> None:
    assert not Parent(os.getpid()).gone()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert Parent(child.pid).gone()


@pytest.fixture
def services(settings: Settings) -> Iterator[SharedServices]:
    found = SharedServices(settings, worker_delay=600)
    yield found
    found.stop()


def _foreign(settings: Settings, folder: Path) -> int:
    """Start a worker on a backend's own broker whose server is gone; return its process id."""
    started = subprocess.run(
        [
            *("sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh"),
            *command(settings, "label_studio_ml.runtime.worker_main", "--embedded", folder),
        ],
        env=clean_environment(settings.child_env()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return int(started.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the processes")
@pytest.mark.parametrize("frozen", [False, True])
def test_a_server_ends_the_workers_of_another_one_on_its_broker(
    frozen: bool,
    settings: Settings,
    services: SharedServices,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(foreign_workers, "GRACE", 1.0 if frozen else 60.0)
    folder = settings.model_dir / "broker"
    broker = Broker(folder)
    url = broker.start()
    elsewhere = Broker(tmp_path / "elsewhere")
    other = _foreign(replace(settings, redis_url=elsewhere.start()), tmp_path / "elsewhere")
    foreign = _foreign(replace(settings, redis_url=url), folder)
    try:
        for place in (url, elsewhere.url):
            job_store = JobStore(connect(place), "label-studio-ml")
            wait_until(lambda job_store=job_store: worker_count(job_store), "the worker waits for jobs")  # type: ignore[misc]
            job_store.redis.close()
        broker.stop()
        if frozen:
            os.kill(foreign, signal.SIGSTOP)
        services.start()
        services.url(60)
        wait_until(lambda: not alive(foreign), "the worker has ended", 60)
        assert alive(other), "a worker of another backend was ended"
    finally:
        for pid in filter(alive, (foreign, other)):
            os.kill(pid, signal.SIGKILL)
        elsewhere.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the processes")
@pytest.mark.parametrize("module", ["label_studio_ml.runtime.worker_main", "label_studio_ml.runtime.worker"])
def test_a_worker_of_an_earlier_release_names_its_broker_from_its_working_folder(
    module: str, tmp_path: Path
) -> None:
    """Its path is looked up where it runs: another backend's has the same name there. Its module may be an old one."""
    folders = [tmp_path / name for name in ("ours", "another")]
    for folder in folders:
        (folder / "data" / "broker").mkdir(parents=True)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)", module, "--embedded", "data/broker"],
            cwd=folder,
        )
        for folder in folders
    ]
    try:
        foreign = []
        for worker in workers:
            process = find(worker.pid)
            assert process is not None
            wait_until(lambda process=process: module in process.arguments(), "it runs its program")  # type: ignore[misc]
            foreign.append(replace(process, parent=1))  # its server is gone
        for folder, expected in zip(folders, ([True, False], [False, True]), strict=True):
            broker = str(folder / "data" / "broker")
            assert [_is_foreign(process, broker) for process in foreign] == expected
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the processes")
def test_a_process_is_found_until_it_has_ended() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={"A": "b"}, start_new_session=True
    )
    try:
        found = find(child.pid)
        assert found is not None
        assert (found.parent, found.session, found.zombie) == (os.getpid(), child.pid, False)
        assert found.runs()
        wait_until(lambda: found.environment() == ["A=b"], "it runs its program")
        assert found.arguments() == [sys.executable, "-c", "import time; time.sleep(600)"]
        assert found.in_our_namespace()
        found.send(signal.SIGKILL)
        wait_until(lambda: not found.runs(), "it has ended")
        assert (now := find(child.pid)) is not None
        assert now.zombie
    finally:
        child.kill()
        child.wait()
    assert find(child.pid) is None
    found.send(signal.SIGKILL)
    assert not found.runs()
