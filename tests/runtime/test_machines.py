"""Two servers and a worker with folders of their own, around one Redis and one S3 server."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.backend import CLI
from e2e.processes import Program, wait_until
from live import TOKEN, FakeStudio, Live, make_live, start_training, texts_below
from redis_server import MakeRedis, make_redis
from s3_server import SECRET, S3Server, s3

__all__ = ["make_redis", "s3"]

Make = Callable[..., Live]


class Machines:
    """Servers on folders of their own, and a worker on another."""

    def __init__(self, folder: Path, studio: FakeStudio, s3: S3Server, redis_url: str) -> None:
        self._folder = folder
        env = {**s3.env, "MODEL_DIR": s3.url, "CACHE_DIR": "near", "REDIS_URL": redis_url}
        self._env = {**env, "LABEL_STUDIO_ML_LEASE": "20"}
        self._studio = studio
        self.s3 = s3
        self.servers: list[Live] = []
        self.workers: list[Program] = []
        self.homes: list[Live] = []

    def server(self, model: str = "seed_model") -> Live:
        live = self._made(f"server{len(self.servers)}", model)
        live.backend.command = "serve"
        self.servers.append(live)
        live.backend.start()
        return live

    def worker(self, model: str = "seed_model", *, paths: Sequence[Path] = ()) -> Program:
        live = self._made(f"worker{len(self.workers)}", model, paths)
        command = [*CLI, "worker", live.folder.name]
        log = self._folder / f"{live.folder.name}.log"
        self.workers.append(Program(command, cwd=self._folder, env=live.backend.env, log=log))
        return self.workers[-1]

    def control(self, project: int) -> Any:
        """What the fits of the worker are told."""
        return next(live for live in self.homes if live.folder.name == "worker0").control(project)

    def _made(self, name: str, model: str, paths: Sequence[Path] = ()) -> Live:
        live = make_live(self._folder / name, self._studio, model, env=self._env, paths=paths)
        near = live.folder / "near"
        live.backend.env["CACHE_DIR"] = str(near)
        self.homes.append(live)
        return live

    def stop(self) -> None:
        for live in self.servers:
            assert not live.backend.stop()
        for program in self.workers:
            assert not program.stop(), program.output()


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    """What stands for Label Studio, with no tasks of other tests."""
    fake = FakeStudio()
    yield fake
    fake.stop()


@pytest.fixture
def machines(tmp_path: Path, studio: FakeStudio, s3: S3Server, make_redis: MakeRedis) -> Iterator[Machines]:
    made = Machines(tmp_path, studio, s3, make_redis().url)
    yield made
    made.stop()


def _weights(live: Live) -> str:
    """Return what the served model read from its file, and see that the file is this machine's."""
    seen = live.predict(1)["seen"]
    if seen["weights"]:
        assert Path(seen["output"]["weights"]).is_relative_to(live.folder / "near")
    return str(seen["weights"])


def _wait_served(live: Live, version: str) -> None:
    wait_until(lambda: live.predict(1)["model_version"] == version, f"{version} is served")


def _wait_weights(live: Live, text: str) -> None:
    wait_until(lambda: _weights(live) == text, f"{text!r} is served")


def _readiness(live: Live) -> tuple[int, str]:
    answer = requests.get(f"{live.backend.url}/readyz", timeout=60)
    return answer.status_code, str(answer.json())


def _train(machines: Machines, *numbers: int) -> str:
    one = machines.servers[0]
    one.studio.add(1, *numbers)
    done = one.wait(one.send(start_training(1)))
    assert done["job_status"] == "finished", done
    return str(done["model_version"])


def test_a_version_trained_on_one_machine_is_served_by_all(machines: Machines) -> None:
    one, two = machines.server(), machines.server()
    machines.worker()
    one.setup(1)
    two.setup(1)
    assert _weights(one) == _weights(two) == ""
    name = _train(machines, 11, 12)
    for live in (one, two):
        _wait_served(live, name)
        assert _weights(live) == "2 tasks"
        wait_until(lambda live=live: _readiness(live)[0] == 200, "it is ready")  # type: ignore[misc]
    late = machines.server()
    wait_until(lambda: late.setup(1) == name, "the late server has fetched it")
    assert _weights(late) == "2 tasks"
    name = _train(machines, 13)
    for live in (one, two, late):
        _wait_served(live, name)
        assert _weights(live) == "3 tasks"
    answer = two.post("/versions/rollback", {"project": "1"})
    assert answer.status_code == 200, answer.text
    for live in (one, two, late):
        _wait_weights(live, "2 tasks")
    for home in machines.homes:
        for path, text in texts_below(home.folder).items():
            assert TOKEN.encode() not in text, path
            assert SECRET.encode() not in text, path


def test_the_store_goes_away_while_a_training_runs_and_while_servers_start(machines: Machines) -> None:
    one = machines.server()
    machines.worker()
    one.setup(1)
    first = _train(machines, 11)
    _wait_served(one, first)
    wait_until(lambda: _readiness(one)[0] == 200, "it is ready")
    control = machines.control(1)
    control.close_gate()
    one.studio.add(1, 12)
    job = one.send(start_training(1))
    control.wait_for_fit(2)
    machines.s3.kill()
    control.open_gate()
    wait_until(lambda: "Trying again" in machines.workers[0].output(), "publishing is tried again")
    wait_until(lambda: "at the moment" in _readiness(one)[1], "readiness says what is wrong")
    status, said = _readiness(one)
    assert status == 200, said
    metrics = requests.get(f"{one.backend.url}/metrics", timeout=60).text
    assert 'label_studio_ml_up{part="store"} 0.0' in metrics
    assert _weights(one) == "1 tasks"
    one.backend.kill()
    one.backend.start()
    wait_until(lambda: one.setup(1) == first, "what is here is loaded")
    assert _weights(one) == "1 tasks"
    empty = machines.server()
    body = {"tasks": [{"id": 1, "data": {"text": "a"}}], "project": "1.1767225600", "label_config": "<View/>"}
    assert empty.post("/predict", body).status_code == 503
    machines.s3.start()
    done = one.wait(job)
    assert done["job_status"] == "finished", done
    assert len(control.fits("end")) == 2
    empty.setup(1)
    for live in (one, empty):
        _wait_served(live, str(done["model_version"]))
        assert _weights(live) == "2 tasks"
    wait_until(lambda: _readiness(one)[1].count("'ok'") == 3, "all is well")


@pytest.mark.soak  # the test above has a store that is gone; tests/versions/remote has one that hangs
def test_predictions_go_on_while_the_store_answers_nothing(machines: Machines) -> None:
    one = machines.server()
    machines.worker()
    one.setup(1)
    first = _train(machines, 11)
    _wait_served(one, first)
    wait_until(lambda: _readiness(one)[0] == 200, "it is ready", 20)
    machines.s3.hang()
    wait_until(lambda: "has not answered for" in _readiness(one)[1], "readiness says what is wrong", 30)
    assert _readiness(one)[0] == 200
    assert _weights(one) == "1 tasks"
    assert requests.get(f"{one.backend.url}/health", timeout=5).status_code == 200
    one.backend.kill()
    one.backend.start()
    one.setup(1)
    _wait_weights(one, "1 tasks")
    wait_until(lambda: "has not answered for" in _readiness(one)[1], "readiness says what is wrong")
    one.studio.add(1, 12)
    job = one.send(start_training(1))
    machines.s3.wake()
    done = one.wait(job)
    assert done["job_status"] == "finished", done
    _wait_served(one, str(done["model_version"]))
    assert _weights(one) == "2 tasks"
    assert len(machines.control(1).fits()) == 2


def test_a_bucket_that_may_only_be_read_holds_trainings_back(machines: Machines) -> None:
    one = machines.server()
    one.wait_for_broker()  # it has put the backend's id there, which names the queue
    one.backend.kill()
    machines.s3.kill()
    machines.s3.start("--read-only")
    one.backend.start()
    worker = machines.worker()
    one.setup(1)
    wait_until(lambda: "cannot be written" in _readiness(one)[1], "readiness says so", 30)
    wait_until(lambda: _readiness(one)[0] == 200, "predictions do not need it")
    assert _weights(one) == ""
    one.studio.add(1, 11)
    job = one.send(start_training(1))
    wait_until(lambda: "cannot be written" in str(one.job(job)), "the job says so", 60)
    assert one.job(job)["job_status"] not in ("finished", "failed", "interrupted")
    assert "MODEL_DIR=" in str(one.job(job))
    log = (one.folder / "logs" / "server.log").read_text()
    assert log.count("Nothing can be published or promoted") == 1
    assert not machines.control(1).fits(), "no time is spent on what cannot be published"
    machines.s3.kill()
    machines.s3.start()
    done = one.wait(job)
    assert done["job_status"] == "finished", done
    _wait_served(one, str(done["model_version"]))
    assert worker.process.poll() is None


IMPATIENT = """
from label_studio_ml.versions.remote.remote_store import RemoteStore

RemoteStore.__init__.__kwdefaults__["publish_timeout"] = 0.5
"""


def test_events_are_trained_on_again_when_their_version_could_not_be_published(
    machines: Machines, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(IMPATIENT)
    one = machines.server()
    worker = machines.worker(paths=[tmp_path / "first"])
    one.setup(1)
    one.studio.add(1, 11)
    control = machines.control(1)
    control.close_gate()
    job = one.send(start_training(1))
    control.wait_for_fit()
    machines.s3.kill()
    control.open_gate()
    wait_until(lambda: "the next one is in" in worker.output(), "the events are handed back")
    assert one.job(job)["job_status"] not in ("finished", "failed", "interrupted")
    assert _weights(one) == ""
    machines.s3.start()
    done = one.wait(job)
    assert done["job_status"] == "finished", done
    _wait_served(one, str(done["model_version"]))
    assert len(control.fits("end")) == 2
    listed = one.post("/versions/rollback", {"project": "1"})
    assert listed.status_code == 400, "there is one version"


def test_a_worker_without_rights_ends_with_one_error(machines: Machines) -> None:
    machines._env["AWS_SECRET_ACCESS_KEY"] = "wrong"
    worker = machines.worker()
    assert worker.process.wait(120) == 1
    line, more = (line for line in worker.output().splitlines() if line.strip())
    assert more.startswith("More: ")
    assert "MODEL_DIR=" in line
    assert "AWS_ACCESS_KEY_ID" in line
    server = machines.server()
    wait_until(lambda: "refuses this machine's credentials" in _readiness(server)[1], "readiness says so")
    assert _readiness(server)[0] == 503
