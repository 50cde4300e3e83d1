"""Two backends around one Redis: each trains its own projects, with its own class, into its own folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from live import Live, start_training, uid
from redis_server import MakeRedis, make_redis

__all__ = ["make_redis"]

Make = Callable[..., Live]

PROJECT = 1


def other_class(live: Live, name: str) -> None:
    """Give a backend a class of its own, whose weights say whose they are."""
    path = live.folder / "seed_model.py"
    text = path.read_text()
    assert "class Counter(" in text
    path.write_text(
        text.replace("class Counter(", f"class {name}(").replace(
            '{len(ids)} tasks"', f'{name}: {{len(ids)}}"'
        )
    )


def finished(live: Live) -> dict[str, Any]:
    """Train, and return the job's record."""
    done = live.wait(live.send(start_training(PROJECT)))
    assert done["job_status"] == "finished", done
    return done


def versions(live: Live) -> set[str]:
    """Return the ids of the versions in a backend's folder."""
    return {path.parent.name for path in live.model_dir.glob("versions/*/*/manifest.json")}


def served_weights(live: Live, version: str) -> str:
    entry = live.wait_served(PROJECT, lambda entry: bool(entry["model_version"] == version))
    weights = Path(entry["seen"]["output"]["weights"])
    assert weights.is_relative_to(live.model_dir.resolve())
    return str(entry["seen"]["weights"])


@pytest.mark.parametrize("queue", [pytest.param("", marks=pytest.mark.soak), "default"])
def test_each_trains_its_own_project_of_the_same_number(
    make: Make, make_redis: MakeRedis, queue: str
) -> None:
    env = {"REDIS_URL": make_redis().url, **({"RQ_QUEUE_NAME": queue} if queue else {})}
    backends = {name: make(name=name, env=env) for name in ("First", "Second")}
    for name, live in backends.items():
        other_class(live, name)
        live.studio.add(PROJECT, 11, 12)
        live.backend.start()
        live.setup(PROJECT)
        live.wait_for_broker()
    made: dict[str, set[str]] = {name: set() for name in backends}
    for _ in range(2):
        for name, live in backends.items():
            done = finished(live)
            assert done["model_class"] == name
            assert served_weights(live, done["model_version"]) == f"{name}: 2"
            made[name].add(done["model_version"])
    for name, live in backends.items():
        assert versions(live) == made[name], "nothing of the other's is in its folder"
        assert len(live.control(PROJECT).fits("end")) == 2
    said = backends["Second"].backend.output()
    assert ("RQ_QUEUE_NAME=default is the queue of another backend (First in" in said) == bool(queue)
    assert "is the queue of another backend" not in backends["First"].backend.output()


def test_a_queue_that_changes_hands_loses_and_mixes_nothing(make: Make, make_redis: MakeRedis) -> None:
    server = make_redis()
    env = {"REDIS_URL": server.url, "RQ_QUEUE_NAME": "default", "LABEL_STUDIO_ML_SWEEP": "0.5"}
    first, second = (make(name=name, env=env) for name in ("First", "Second"))
    for name, live in (("First", first), ("Second", second)):
        other_class(live, name)
        live.studio.add(PROJECT, 11, 12)
    first.backend.start()
    first.setup(PROJECT)
    assert served_weights(first, finished(first)["model_version"]) == "First: 2"
    first.backend.stop()
    server.client().flushall()  # a Redis that keeps nothing, or a new one
    second.backend.start()
    second.setup(PROJECT)
    assert served_weights(second, finished(second)["model_version"]) == "Second: 2"
    first.backend.start()
    first.wait_for_broker()
    assert served_weights(first, finished(first)["model_version"]) == "First: 2"
    server.client().flushall()  # while both run
    for live, name in ((first, "First"), (second, "Second")) * 2:
        assert served_weights(live, finished(live)["model_version"]) == f"{name}: 2"
    assert len(versions(first)) == 4
    assert len(versions(second)) == 3


def test_events_under_the_former_default_name_are_said_and_taken_up(
    make: Make, make_redis: MakeRedis
) -> None:
    server = make_redis()
    former = JobStore(server.client(), DEFAULT_QUEUE)
    former.record(uid(PROJECT), StoredEvent("START_TRAINING", start_training(PROJECT)))
    live = make(env={"REDIS_URL": server.url})
    live.studio.add(PROJECT, 11, 12)
    live.backend.start()
    told = f"1 event waits in this Redis on the queue {DEFAULT_QUEUE}, the former default name"
    wait_until(lambda: told in live.backend.output(), "the server says so")
    log = live.folder / "logs" / "rq.log"
    wait_until(lambda: log.exists() and told in log.read_text(), "the worker says so")
    assert f"start with RQ_QUEUE_NAME={DEFAULT_QUEUE}" in live.backend.output()
    live.setup(PROJECT)
    finished(live)
    assert len(former.queues.events(uid(PROJECT))) == 1, "it is left alone until it is known whose it is"
    live.backend.stop()
    live.backend.env["RQ_QUEUE_NAME"] = DEFAULT_QUEUE
    live.backend.start()
    wait_until(lambda: not former.queues.events(uid(PROJECT)), "it is trained on")
    wait_until(lambda: len(versions(live)) == 2, "it is in a version")
    assert told not in live.backend.output()[live.backend.output().rindex("Serving ") :]


def test_a_copy_of_a_backend_beside_it_is_a_backend_of_its_own(make: Make, make_redis: MakeRedis) -> None:
    env = {"REDIS_URL": make_redis().url}
    first = make(name="First", env=env)
    first.studio.add(PROJECT, 11, 12)
    first.backend.start()
    first.setup(PROJECT)
    version = finished(first)["model_version"]
    second = make(name="Second", env=env)
    shutil.rmtree(second.folder)
    shutil.copytree(first.folder, second.folder, ignore=shutil.ignore_patterns("*.sock", "logs"))
    other_class(second, "Second")
    second.backend.start()
    second.setup(PROJECT)
    done = finished(second)
    assert done["model_class"] == "Second"
    assert served_weights(second, done["model_version"]) == "Second: 2"
    assert "it gets an id of its own" in second.backend.output()
    assert versions(first) == {version}
    assert versions(second) == {version, done["model_version"]}
