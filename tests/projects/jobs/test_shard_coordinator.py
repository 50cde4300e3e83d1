"""Shards handed out to real workers around a real broker, their Label Studio a fake."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from e2e.backend import CLI, clean_environment
from e2e.processes import Program, wait_until
from label_studio_ml.errors import BrokerError, ProjectBusy, SettingsError
from label_studio_ml.projects.jobs.shard_coordinator import ShardCoordinator
from label_studio_ml.projects.jobs.shards import Run, Shard
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.protocol.requests import uid_of
from label_studio_ml.runtime.broker import Broker
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.versions.remote.remote_store import RemoteStore
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest
from projects.fake_project import CONFIG, PROJECT, FakeProject

TOKEN = "c0ffee" * 7
UID = uid_of(PROJECT)
WHOLE = Shard(0, 1, UID, "INITIAL", "", 0, None, 0)

MODEL = """
import os, pathlib, time
from label_studio_ml.model import LabelStudioMLBase
GATE = pathlib.Path(__file__).with_name("gate")
class Model(LabelStudioMLBase):
    max_batch_size = 4
    def predict(self, tasks, **kwargs):
        while GATE.exists():
            time.sleep(0.02)
        time.sleep(len(tasks) * float(os.environ.get("SECONDS", "0")))
        value = {"choices": ["A"]}
        region = {"from_name": "c", "to_name": "t", "type": "choices", "value": value}
        return [{"result": [region], "score": 0.5} for _ in tasks]
    def fit(self, annotations, **kwargs):
        return {}
"""


@dataclass
class Place:
    """A folder with a model that waits at a gate, a broker and workers."""

    folder: Path
    url: str
    project: FakeProject
    job_store: JobStore
    programs: list[Program] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def coordinator(self) -> ShardCoordinator:
        project = Project(uid=UID, label_config=CONFIG)
        folder = self.folder / "data" / "predict"
        return ShardCoordinator(self.job_store, self.project.api(), project, folder, self.said.append)

    def worker(self, **env: str) -> Program:
        settings = {
            "REDIS_URL": self.url,
            "RQ_QUEUE_NAME": "test-queue",
            "LABEL_STUDIO_URL": self.project.server.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "LABEL_STUDIO_ML_LEASE": "4",
            "LABEL_STUDIO_ML_SWEEP": "0.3",
            **env,
        }
        command = [*CLI, "worker", str(self.folder)]
        log = self.folder / f"worker-{len(self.programs)}.log"
        program = Program(command, cwd=self.folder, env=clean_environment(settings), log=log)
        self.programs.append(program)
        wait_until(lambda: self._count() >= len(self.programs), "the worker waits", every=0.05)
        return program

    def _count(self) -> int:
        try:
            return self.coordinator().check_workers()
        except BrokerError:
            return 0


@pytest.fixture
def place(make_project: Callable[[int], FakeProject], tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "backend"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    broker = Broker(tmp_path / "broker")
    url = broker.start()
    place = Place(folder, url, make_project(40), JobStore(connect(url), "test-queue"))
    yield place
    left = [pid for program in place.programs for pid in program.stop()]
    place.job_store.redis.close()
    broker.stop()
    for program in place.programs:
        print(program.output()[-4000:])
    shutil.rmtree(folder)
    assert not left


def begun(place: Place, whole: Shard = WHOLE, count: int = 4) -> tuple[ShardCoordinator, Run]:
    coordinator = place.coordinator()
    run = coordinator.begin(whole, count)
    assert run is not None
    return coordinator, run


def followed(coordinator: ShardCoordinator, run: Run) -> Any:
    progress = Progress()
    told = asyncio.run(asyncio.wait_for(coordinator.follow(run, progress), 240))
    return coordinator.finish(run, told, progress)


def interrupted(coordinator: ShardCoordinator, run: Run) -> None:
    async def follow() -> None:
        task = asyncio.create_task(coordinator.follow(run, Progress()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(follow())


def test_without_a_worker_nothing_is_handed_out(place: Place) -> None:
    with pytest.raises(BrokerError, match=r"No worker is running that could predict\. Start some with: "):
        place.coordinator().check_workers()


def test_interrupted_it_takes_back_what_has_not_begun_and_goes_on_with_all_of_it(place: Place) -> None:
    place.gate.touch()
    worker = place.worker()
    coordinator, run = begun(place)
    wait_until(lambda: "shard 1" in worker.output(), "the first one begins", every=0.05)
    interrupted(coordinator, run)
    assert place.said[-1].startswith("3 of 4 shards cancelled before the start; still being predicted: 1. ")
    other = Shard(0, 1, UID, "INITIAL", "", 0, None, 0, [task_filters.above(3)])
    with pytest.raises(SettingsError, match="version INITIAL is under way"):
        place.coordinator().begin(other, 2)

    coordinator, again = begun(place, count=2)
    assert again == run
    assert place.said[-1] == "an earlier run is continued, in 4 shards"
    _check_secrets(place, again)
    place.gate.unlink()
    report = followed(coordinator, again)

    assert place.project.each("INITIAL") == dict.fromkeys(range(1, 41), 1)
    assert (report.progress.written, report.progress.failed) == (40, 0)
    assert place.coordinator().begin(WHOLE, 4) is None


def _check_secrets(place: Place, run: Run) -> None:
    """What Redis holds of a run names no login: it is the worker's own."""
    from label_studio_ml.training.redis.rq_jobs import Job

    for job in Job.fetch_many(run.jobs, place.job_store.redis):
        assert job is not None
        held = repr((job.args, job.kwargs, job.meta, job.description))
        assert UID in held
        assert TOKEN not in held
    kept = b"".join(path.read_bytes() for path in (place.folder.parent / "broker").rglob("*.aof"))
    assert run.id.encode() in kept
    assert TOKEN.encode() not in kept


def test_a_worker_that_is_killed_is_found_out_and_another_one_goes_on(place: Place) -> None:
    place.gate.touch()
    killed = place.worker()
    coordinator, run = begun(place, count=2)
    wait_until(lambda: "shard 1" in killed.output(), "it begins", every=0.05)
    with pytest.raises(ProjectBusy, match=rf"Tasks of project {UID} are being predicted .*{run.jobs[0]}"):
        place.job_store.forget(UID)
    place.job_store.check_no_prediction("1.1")
    killed.kill()
    place.programs.clear()
    wait_until(lambda: not place._count(), "it is missed", every=0.2)
    place.gate.unlink()
    place.worker()
    report = followed(coordinator, run)
    assert place.project.each("INITIAL") == dict.fromkeys(range(1, 41), 1)
    assert (report.progress.written, report.progress.failed) == (40, 0)


def test_a_training_comes_first(place: Place) -> None:
    place.gate.touch()
    worker = place.worker()
    coordinator, run = begun(place, count=1)
    wait_until(lambda: "is loaded" in worker.output(), "it is at the gate", every=0.05)
    place.job_store.record(UID, StoredEvent("START_TRAINING", {"action": "START_TRAINING"}))
    wait_until(lambda: "A training waits" in worker.output(), "it is noticed", every=0.05)
    place.gate.unlink()
    report = followed(coordinator, run)
    wait_until(
        lambda: "predictions of 40 tasks are stored" in worker.output(), "it says that it is done", every=0.05
    )
    said = worker.output()
    assert (
        said.index("is continued later")
        < said.index("training project")
        < said.index("predictions of 40 tasks are stored")
    )
    assert place.project.each("INITIAL") == dict.fromkeys(range(1, 41), 1)
    assert report.progress.written == 40


@pytest.mark.parametrize(
    ("whole", "env", "cause"),
    [
        (Shard(0, 1, UID, "v", "gone", 0, None, 0), {}, "Version v is not in "),
        (Shard(0, 1, UID, "other", "", 0, None, 0), {}, "The model calls itself version INITIAL, not other"),
        (WHOLE, {"LABEL_STUDIO_API_KEY": ""}, "Label Studio's token is not known"),
        (Shard(0, 1, "1.2", "INITIAL", "", 0, None, 0), {}, "has another project 1"),
    ],
    ids=["deleted", "other name", "no token", "other project"],
)
def test_what_keeps_a_shard_from_being_predicted_is_said(
    place: Place, whole: Shard, env: dict[str, str], cause: str
) -> None:
    place.worker(**env)
    coordinator, run = begun(place, whole, 1)
    report = followed(coordinator, run)
    assert report.progress.failed == 40
    (said,) = report.progress.causes
    assert cause in said
    assert not place.project.predictions


def _in_a_store(place: Place) -> tuple[RemoteStore, dict[str, str]]:
    """Return a store, as a machine sees it that has published one version, and the settings of another machine."""
    url = (place.folder / "store").as_uri()
    store = RemoteStore(url, place.folder / "one-machine")
    (store.begin(UID, "id-a") / "weights").write_text("all of them")
    made = Manifest(id="id-a", name="a", project=UID, fence=1, created="2026-01-01T00:00:00+00:00")
    store.publish(made)
    return store, {"MODEL_DIR": url, "CACHE_DIR": str(place.folder / "another")}


@pytest.mark.parametrize("whose", [{"backend": "another1"}, {"model_class": "Another"}])
def test_a_shard_for_another_backend_is_refused(place: Place, whose: dict[str, str]) -> None:
    worker = place.worker()
    coordinator, run = begun(place, msgspec.structs.replace(WHOLE, **whose), 1)
    report = followed(coordinator, run)
    assert (report.progress.written, report.progress.failed) == (0, 40)
    (cause,) = report.progress.causes
    assert "This shard is for another backend" in cause
    assert "RQ_QUEUE_NAME" in cause
    assert "This shard is for another backend" in worker.output()
    assert place.project.each("INITIAL") == {}


def test_a_version_that_another_machine_made_is_fetched_for_a_shard(place: Place) -> None:
    _, elsewhere = _in_a_store(place)
    place.worker(**elsewhere)
    report = followed(*begun(place, msgspec.structs.replace(WHOLE, version="a", version_id="id-a"), 2))
    assert (report.progress.written, report.progress.failed) == (40, 0), report
    assert set(place.project.each("a").values()) == {1}
    assert [path.read_text() for path in (place.folder / "another").rglob("weights")] == ["all of them"]


def test_a_version_that_another_machine_made_predicts_by_itself(place: Place) -> None:
    store, elsewhere = _in_a_store(place)
    place.worker(**elsewhere, PREDICT_AFTER_TRAINING="all", PREDICT_AFTER_TRAINING_RATE="0")
    Repredictions(place.job_store).compare_served(store, UID)
    wait_until(lambda: len(place.project.each("a")) == 40, "all tasks have predictions")
    assert set(place.project.each("a").values()) == {1}


@pytest.mark.soak
def test_two_workers_are_twice_as_quick(make_project: Callable[[int], FakeProject], place: Place) -> None:
    rates: list[float] = []
    for _ in range(2):
        place.worker(SECONDS="0.02")
        place.project = make_project(1000)
        coordinator, run = begun(place, count=8)
        began = time.monotonic()
        followed(coordinator, run)
        rates.append(1000 / (time.monotonic() - began))
        assert set(place.project.each("INITIAL").values()) == {1}
    print(f"{rates[0]:.1f}/s with one worker, {rates[1]:.1f}/s with two: {rates[1] / rates[0]:.2f}")
