"""`serve` and `worker` around a real Redis of every kind, and what they say of one that does not do."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.backend import CLI
from e2e.processes import Program, free_port, wait_until
from live import WORKER, Live, command_line, created, start_training
from redis_server import MakeRedis, make_redis

__all__ = ["make_redis"]

Make = Callable[..., Live]
StartWorker = Callable[..., Program]

#: The rights that the documentation asks for, and nobody else let in.
USERS = ("trainer on >secret ~lsml:* ~rq:* &rq:* +@all -@dangerous +keys +info +client", "default off")


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Start `label-studio-ml worker` on a backend's folder; it ends with the test and leaves nothing behind."""
    programs: list[Program] = []

    def start(live: Live, *arguments: str, **env: str) -> Program:
        command = [*CLI, "worker", live.folder.name, *arguments]
        log = tmp_path / f"worker-{len(programs)}.log"
        programs.append(Program(command, cwd=live.folder.parent, env={**live.backend.env, **env}, log=log))
        return programs[-1]

    yield start
    for program in programs:
        assert not program.stop(), program.output()


def _serve(live: Live) -> None:
    live.backend.command = "serve"
    live.backend.arguments = ["--host", "0.0.0.0"]
    live.backend.start()


def _trains(live: Live) -> None:
    live.studio.add(1, 11)
    live.setup(1)
    done = live.wait(live.send(start_training(1)))
    assert done["job_status"] == "finished", done
    assert live.wait_served(1, lambda entry: entry["model_version"] == done["model_version"])


def test_a_server_and_its_workers_in_processes_of_their_own(
    make: Make, make_redis: MakeRedis, start_worker: StartWorker
) -> None:
    live = make(env={"REDIS_URL": make_redis().url})
    _serve(live)
    worker = start_worker(live, "--workers", "2")
    _trains(live)
    running = [pid for pid in worker.descendants() if WORKER in command_line(pid)]
    assert len(running) == 2
    assert not live.processes(WORKER)
    assert not (live.model_dir / "broker").exists()
    assert worker.stop() == []
    assert worker.process.returncode == 0
    log = (live.folder / "logs" / "rq.log").read_text()
    assert "is published" in log
    assert set(log.splitlines()) <= set(worker.output().splitlines())


def test_a_password_in_a_file(
    make: Make, make_redis: MakeRedis, start_worker: StartWorker, tmp_path: Path
) -> None:
    server = make_redis("--requirepass", "it's a/secret")
    (tmp_path / "password").write_text("it's a/secret\n")
    parts = {"REDIS_HOST": "localhost", "REDIS_PORT": str(server.port)}
    live = make(env={**parts, "REDIS_PASSWORD_FILE": str(tmp_path / "password")})
    _serve(live)
    start_worker(live)
    _trains(live)


def test_a_user_with_rights_to_our_keys_only_over_tls(
    make: Make, make_redis: MakeRedis, start_worker: StartWorker
) -> None:
    server = make_redis(users=USERS, tls=True)
    url = f"rediss://trainer:secret@{server.address}/0"
    live = make(env={"REDIS_URL": url, "REDIS_CA_FILE": str(server.ca)})
    _serve(live)
    start_worker(live)
    _trains(live)
    refused = live.folder / "logs" / "rq.log"
    assert "NOPERM" not in refused.read_text()


def _spooled(live: Live) -> list[Path]:
    return list((live.model_dir / "spool").glob("*.json"))


def test_events_are_kept_while_redis_is_away_and_each_is_handed_over_once(
    make: Make, make_redis: MakeRedis, start_worker: StartWorker
) -> None:
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    server.kill()
    live = make("event_model", env={"REDIS_URL": server.url})
    _serve(live)
    live.setup(1)
    start_worker(live)
    for number in range(11, 14):
        assert live.post("/webhook", created(1, number)).status_code == 201
    assert len(_spooled(live)) == 3
    assert live.predict(1)["model_version"] == "0.0.1"
    live.backend.kill()
    live.backend.start()
    assert live.post("/webhook", created(1, 14)).status_code == 201
    server.start()
    wait_until(lambda: not _spooled(live), "all are handed over")
    assert live.send(created(1, 15))
    wait_until(lambda: len(live.control(1).fits("end")) == 5, "each is trained on")
    server.kill()
    assert live.post("/webhook", created(1, 16)).status_code == 201
    server.start()
    wait_until(lambda: len(live.control(1).fits("end")) == 6, "it goes on")
    assert [fit["annotation"] for fit in live.control(1).fits("end")] == [1000 + n for n in range(11, 17)]
    assert not _spooled(live)


def _worker_says(live: Live, **env: str) -> str:
    """Return the one line with which a worker ends."""
    done = subprocess.run(
        [*CLI, "worker", str(live.folder)],
        env={**live.backend.env, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    line, _ = done.stderr.splitlines()
    return line


def test_a_wrong_password(make: Make, make_redis: MakeRedis) -> None:
    server = make_redis("--requirepass", "right")
    live = make(env={"REDIS_URL": f"redis://:wrong@{server.address}/0"})
    _serve(live)
    live.setup(1)
    assert live.predict(1)["model_version"] == "INITIAL"
    for url in (f"redis://:wrong@{server.address}/0", server.url):
        line = _worker_says(live, REDIS_URL=url)
        assert "Redis refuses the login" in line
        assert "REDIS_URL" in line
        assert "wrong@" not in line


def test_tls_without_the_authority(make: Make, make_redis: MakeRedis) -> None:
    server = make_redis(tls=True)
    line = _worker_says(make(), REDIS_URL=f"rediss://{server.address}/0")
    assert "certificate is not trusted" in line
    assert "REDIS_CA_FILE" in line


def test_a_host_that_is_not_there_is_waited_for(
    make: Make, make_redis: MakeRedis, start_worker: StartWorker
) -> None:
    port = free_port()
    live = make(env={"REDIS_URL": f"redis://localhost:{port}/0"})
    worker = start_worker(live)
    wait_until(lambda: "Redis cannot be reached" in worker.output(), "it says so")
    assert worker.output().count("Redis cannot be reached") == 1
    assert "Check REDIS_URL" in worker.output()
    assert "Traceback" not in worker.output()
    assert worker.stop() == []
    assert worker.process.returncode == 0


def test_a_redis_that_is_full(make: Make, make_redis: MakeRedis, start_worker: StartWorker) -> None:
    server = make_redis("--maxmemory", "100mb", "--maxmemory-policy", "noeviction")
    live = make(env={"REDIS_URL": server.url})
    _serve(live)
    live.setup(1)
    server.client().config_set("maxmemory", "1")
    answer = live.post("/webhook", start_training(1))
    assert answer.status_code == 503
    assert "The training waits on this server's disk" in answer.json()["detail"]
    wait_until(lambda: "Redis is full" in live.backend.output(), "the log says so")
    assert "CANARY" not in live.backend.output()
    server.client().config_set("maxmemory", "100mb")
    wait_until(lambda: not _spooled(live), "it is handed over")
    start_worker(live)
    _trains(live)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_without_a_redis_it_is_said_what_to_do(make: Make, command: str) -> None:
    done = subprocess.run(
        [*CLI, command, str(make().folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    line, _ = done.stderr.splitlines()
    assert "REDIS_URL is not set" in line


class TestATrainingWhoseWorkerIsToldToStop:
    def test_ends_within_its_grace(
        self, make: Make, make_redis: MakeRedis, start_worker: StartWorker
    ) -> None:
        live = make(env={"REDIS_URL": make_redis().url})
        live.studio.add(1, 11)
        _serve(live)
        live.setup(1)
        live.control(1).close_gate()
        worker = start_worker(live, LABEL_STUDIO_ML_TRAINING_GRACE="120")
        job = live.send(start_training(1))
        live.control(1).wait_for_fit()
        worker.process.send_signal(signal.SIGTERM)
        live.control(1).open_gate()
        assert live.wait(job)["job_status"] == "finished"
        wait_until(lambda: not worker.running, "the worker ends")
        assert worker.process.returncode == 0
        assert len(live.control(1).fits()) == 1

    def test_runs_again_elsewhere_where_the_grace_is_over(
        self, make: Make, make_redis: MakeRedis, start_worker: StartWorker
    ) -> None:
        live = make(env={"REDIS_URL": make_redis().url})
        live.studio.add(1, 11)
        _serve(live)
        live.setup(1)
        live.control(1).close_gate()
        first = start_worker(live, LABEL_STUDIO_ML_TRAINING_GRACE="0.5")
        job = live.send(start_training(1))
        live.control(1).wait_for_fit()
        start_worker(live)
        assert first.stop() == []
        live.control(1).wait_for_fit(2)
        live.control(1).open_gate()
        assert live.wait(job)["job_status"] == "interrupted"
        assert live.job(job)["error"] == "the worker was stopped"
        assert live.wait_served(1, lambda entry: entry["model_version"] != "INITIAL")
        assert live.control(1).overlaps == 0
