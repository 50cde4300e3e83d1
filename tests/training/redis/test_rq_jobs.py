"""What somebody who can write to Redis puts into RQ's keys runs nothing, and keeps no training from running."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rq import Queue as RqQueue
from rq.job import Job as RqJob

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.rq_jobs import (
    _LIFE_ENTRY,
    MAX_CONTENT_BYTES,
    Job,
    Queue,
    Runnable,
    one_text,
)
from label_studio_ml.training.redis.wake_ups import TRAIN
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from live import CONFIG, MODELS, Control, annotation, created, task, uid

SHARD = "label_studio_ml.projects.beside.shard"
AFRESH = "label_studio_ml.projects.beside.afresh"

#: On the workers' import path: to import it is to have lost.
EVIL = """
import os, pathlib
pathlib.Path(os.environ["EVIL"], "imported").touch()
def call(*args, **kwargs):
    pathlib.Path(os.environ["EVIL"], "called").touch()
"""


class Payload:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


class Attack:
    """Somebody who can write to Redis. `marks` is where a success would leave something."""

    def __init__(self, job_store: JobStore, marks: Path) -> None:
        self.redis = job_store.redis
        self.queues = (job_store.keys.queue, job_store.keys.predictions)
        self.marks = marks
        self.count = 0
        marks.mkdir()

    def pickled(self, name: str) -> bytes:
        return pickle.dumps(Payload(f"touch {self.marks}/{name}"))

    def put(self, queue: str, data: bytes | None, *, expired: bool = False, **fields: Any) -> str:
        """Put a job on a queue, or among those that a worker has left behind; return its id."""
        self.count += 1
        job_id = f"attack-{self.count}"
        mapping = {"status": "queued", "origin": queue, "created_at": "2026-01-01T00:00:00.000000Z", **fields}
        if data is not None:
            mapping["data"] = zlib.compress(data)
        self.redis.hset(f"rq:job:{job_id}", mapping=mapping)
        self.redis.sadd("rq:queues", f"rq:queue:{queue}")
        if expired:
            self.redis.zadd(f"rq:wip:{queue}", {f"{job_id}:1": 1})
        else:
            self.redis.rpush(f"rq:queue:{queue}", job_id)
        return job_id

    def everything(self, webhook: str) -> None:
        """Put all of it on both queues."""
        hooks = json.dumps(
            [
                {"url": webhook, "job_status": status, "method": "GET", "headers": None, "timeout": 5}
                for status in ("finished", "failed")
            ]
        )
        names = ("success", "failure", "stopped")
        callbacks = {f"{name}_callback_name": "evil.call" for name in names}
        for queue in self.queues:
            function, args = (TRAIN, ["9.9"]) if queue == self.queues[0] else (AFRESH, ["9.9"])
            good = json.dumps([function, None, args, {}]).encode()
            self.put(queue, self.pickled("data"))
            RqQueue(queue, connection=self.redis).enqueue("os.system", f"touch {self.marks}/rq")
            RqQueue(queue, connection=self.redis).enqueue("evil.call")
            for called in ("os.system", "subprocess.check_output", "evil.call", "builtins.eval"):
                self.put(queue, json.dumps([called, None, [f"touch {self.marks}/{called}"], {}]).encode())
            self.put(queue, json.dumps(["system", "os", [f"touch {self.marks}/instance"], {}]).encode())
            self.put(queue, json.dumps([function, None, [{"a": 1}], {"shell": True}]).encode())
            self.put(queue, json.dumps([["a"], None, {}, []]).encode())
            self.put(queue, json.dumps("text").encode())
            self.put(queue, b"[" * 100_000)
            self.put(queue, json.dumps([function, None, ["9" * (MAX_CONTENT_BYTES + 1)], {}]).encode())
            for expired in (False, True):
                self.put(queue, good, expired=expired, webhooks=hooks, timeout=1, **callbacks)
                self.put(queue, None, expired=expired, **callbacks)
                self.put(queue, good, expired=expired, status="nonsense", result_ttl="x")
                grouped = self.put(
                    queue,
                    good,
                    expired=expired,
                    meta=self.pickled("meta"),
                    result=self.pickled("result"),
                    group_id="group",
                    repeats_left=3,
                    repeat_intervals="[1]",
                    dependency_ids='["attack-1"]',
                )
                self.redis.sadd("rq:groups", "group")
                self.redis.sadd("rq:group:group", grouped)
            result = {"type": 1, "created_at": 0, "return_value": self.pickled("results")}
            self.redis.xadd(f"rq:results:{grouped}", result)
            self.redis.set("rq:job:text", "not a hash")
            self.redis.rpush(f"rq:queue:{queue}", "text", b"\xff\xfe", "../../etc:passwd", "")
            self.redis.zadd(f"rq:wip:{queue}", {b"\xff:1": 1})

    def marked(self) -> list[str]:
        return sorted(path.name for path in self.marks.iterdir())


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    folder = tmp_path / "backend"
    folder.mkdir()
    for name in ("behave", "seed_model"):
        shutil.copy(MODELS / f"{name}.py", folder)
    return Settings(
        backend_dir=folder,
        script=folder / "seed_model.py",
        model_dir=folder / "data",
        log_dir=folder / "logs",
        redis_url=url,
        queue="test-queue",
        lease=20.0,
        sweep=0.2,
        predict_after_training="all",
    )


@pytest.fixture
def start(
    settings: Settings, tmp_path: Path
) -> Iterator[Callable[[], "tuple[subprocess.Popen[bytes], Path]"]]:
    """Start a worker, which can import a module of the attacker's; return it and its log."""
    running: list[subprocess.Popen[bytes]] = []
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "evil.py").write_text(EVIL)

    def begin() -> "tuple[subprocess.Popen[bytes], Path]":
        env = {
            **settings.child_env(),
            "FIT_CONTROL": str(tmp_path / "control"),
            "EVIL": str(tmp_path / "marks"),
            "PYTHONPATH": str(tmp_path / "path"),
        }
        log = tmp_path / f"worker{len(running)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "label_studio_ml.runtime.worker_main"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        running.append(process)
        return process, log

    yield begin
    for process in running:
        process.kill()
        process.wait(60)


def _deliver(settings: Settings, job_store: JobStore, project: int, number: int) -> str:
    Projects(settings.model_dir).update(uid(project), label_config=CONFIG)
    job_store.delivered.add(uid(project), [(task(number), annotation(number))])
    event = created(project, number)
    return job_store.record(uid(project), StoredEvent(event["action"], event))


def _idle(attack: Attack) -> bool:
    return not any(attack.redis.llen(f"rq:queue:{queue}") for queue in attack.queues)


def test_nothing_that_is_written_to_redis_runs(
    settings: Settings,
    job_store: JobStore,
    start: Callable[[], "tuple[subprocess.Popen[bytes], Path]"],
    tmp_path: Path,
) -> None:
    attack = Attack(job_store, tmp_path / "marks")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        webhook = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        attack.everything(webhook)  # before the worker starts: its maintenance finds what is expired
        worker, log = start()
        job = _deliver(settings, job_store, 1, 1)
        control = Control(tmp_path / "control" / "1")
        wait_until(lambda: control.fits("end"), "a training goes on", every=0.05)
        wait_until(lambda: _idle(attack), "the queues are empty", every=0.05)
        attack.everything(webhook)
        later = _deliver(settings, job_store, 1, 2)
        wait_until(lambda: len(control.fits("end")) == 2, "another one does", every=0.05)
        wait_until(lambda: _idle(attack) and not job_store.queues.events(uid(1)), "all is done", every=0.05)
        listening.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert attack.marked() == []
    assert worker.poll() is None, "it is the same worker still"
    assert [getattr(job_store.jobs.get(name), "state", None) for name in (job, later)] == [
        "finished",
        "finished",
    ]
    text = log.read_text()
    for called in ("os.system", "subprocess.check_output", "evil.call", "builtins.eval", "['a']"):
        assert called in text
    assert "Traceback" not in text
    left = {key.decode() for key in job_store.redis.scan_iter("rq:job:attack-*", _type="hash")}
    refused = [
        key
        for key in left
        if b"os.system" in zlib.decompress(job_store.redis.hget(key, "data") or zlib.compress(b""))
    ]
    assert refused == []


def test_a_wake_up_of_an_older_version_is_not_lost(
    settings: Settings,
    job_store: JobStore,
    start: Callable[[], "tuple[subprocess.Popen[bytes], Path]"],
    tmp_path: Path,
) -> None:
    """It is a pickle. The events are in the event queue, and the next look of the sweeper wakes a worker for them."""
    job = _deliver(settings, job_store, 1, 1)
    _pickled_again(job_store, f"train-{job}", TRAIN, uid(1))
    worker, log = start()
    wait_until(
        lambda: getattr(job_store.jobs.get(job), "state", "") == "finished", "it is trained", every=0.05
    )
    wait_until(lambda: not job_store.queues.events(uid(1)), "its event is settled", every=0.05)
    (manifest,) = VersionStore(settings.model_dir).versions(uid(1))
    assert len(manifest.events) == 1
    assert (
        f"train-{job} on queue test-queue is refused and removed: its content is not JSON" in log.read_text()
    )
    assert worker.poll() is None


def _pickled_again(job_store: JobStore, job_id: str, function: str, *args: Any) -> None:
    """Give a job the content that versions before this one gave it."""
    data = pickle.dumps((function, None, args, {}))
    assert job_store.redis.hset(f"rq:job:{job_id}", "data", zlib.compress(data)) == 0


def test_a_shard_of_an_older_version_is_removed_and_said(
    settings: Settings, job_store: JobStore, start: Callable[[], "tuple[subprocess.Popen[bytes], Path]"]
) -> None:
    old = RqQueue(job_store.keys.predictions, connection=job_store.redis).enqueue(SHARD, {"number": 0})
    _, log = start()
    wait_until(lambda: f"RQ's job {old.id}" in log.read_text(), "it is refused", every=0.05)
    assert "a `predict --shards` of an older version has to be run again" in log.read_text()
    wait_until(lambda: not RqJob.exists(old.id, job_store.redis), "it is removed", every=0.05)


@pytest.mark.parametrize("name", ["../../outside", "a/b", "x" * 65, "\x1b[31m", "é"])
def test_an_id_that_could_name_a_file_elsewhere_is_no_job(
    settings: Settings,
    job_store: JobStore,
    name: str,
) -> None:
    _deliver(settings, job_store, 1, 1)
    job_store.redis.set(job_store.keys.waiting(uid(1)), name)
    assert job_store.take_waiting(uid(1)) is None
    job_store.redis.set(job_store.keys.waiting(uid(1)), name)
    job_store.wake(uid(1))
    assert not job_store.redis.exists(job_store.keys.waiting(uid(1)))
    job_store.wake(uid(1))
    job = job_store.take_waiting(uid(1))
    assert job is not None
    assert len(job) == len("20260101-000000-abcdef")


def _job(job_store: JobStore, *content: Any) -> Job:
    job_id = Queue("q", job_store.redis).enqueue(TRAIN, "1.2").id
    job_store.redis.hset(f"rq:job:{job_id}", "data", zlib.compress(json.dumps(content).encode()))
    return Job.fetch(job_id, job_store.redis)


def test_only_a_function_of_the_table_is_admitted(job_store: JobStore) -> None:
    heard: list[str] = []
    table = {TRAIN: Runnable(heard.append, one_text)}
    good = _job(job_store, TRAIN, None, ["1.2"], {})
    with pytest.raises(ValueError, match="no worker has admitted"):
        good.perform()
    assert good.admit(table) == ""
    good.perform()
    assert heard == ["1.2"]
    for content, why in [
        (("os.system", None, ["x"], {}), "'os.system', which is none of this worker's"),
        ((TRAIN + ".x", None, ["x"], {}), "none of this worker's"),
        ((TRAIN, "text", ["x"], {}), "its arguments are not those of"),
        ((TRAIN, None, ["x"], {"a": 1}), "its arguments are not those of"),
        ((TRAIN, None, ["x", "y"], {}), "its arguments are not those of"),
        ((TRAIN, None, [1], {}), "its arguments are not those of"),
        ((TRAIN, None, [""], {}), "its arguments are not those of"),
        ((TRAIN, None, {"x": 1}, {}), "its arguments are not those of"),
        ((TRAIN, None, ["x"]), "its content is not JSON"),
        (("x" * 5000, None, [], {}), "x" * 200 + "'"),
    ]:
        job = _job(job_store, *content)
        assert why in job.admit(table)
        with pytest.raises(ValueError, match="no worker has admitted"):
            job.perform()
        job.remove()
        assert not RqJob.exists(job.id, job_store.redis)
    assert heard == ["1.2"]


@pytest.mark.parametrize(
    ("declared", "seconds"), [(20, 20), (0.5, 0.5), (True, 7.0), ("20", 7.0), (-1, 7.0), (None, 7.0)]
)
def test_a_declared_life_is_a_number_of_seconds(declared: object, seconds: float) -> None:
    job = SimpleNamespace(meta={_LIFE_ENTRY: declared})
    assert Job.declared_life(job, 7.0) == seconds  # type: ignore[arg-type]
