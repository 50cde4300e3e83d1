"""`label-studio-ml predict --shards` with real workers, on projects of a real Label Studio."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from label_studio_ml.runtime.broker import Broker

from .backend import CLI, clean_environment
from .conftest import MODELS
from .processes import Program, wait_until
from .studio import Studio
from .test_predict import CONFIG, versions, wrong

#: 160 tasks of 20 ms; a person may play it with more: PREDICT_TASKS=2000.
TASKS = int(os.environ.get("PREDICT_TASKS", "160"))
SECONDS = 0.02

Start = Callable[..., Program]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    broker = Broker(tmp_path / "broker")
    yield broker.start()
    broker.stop()


@pytest.fixture
def start(label_studio: Studio, broker: str, tmp_path: Path) -> Iterator[Start]:
    """Start a command on the one folder; the login is in the environment of all of them."""
    folder = tmp_path / "steady"
    folder.mkdir()
    shutil.copy(MODELS / "steady.py", folder / "model.py")
    env = clean_environment(
        {
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": label_studio.token,
            "REDIS_URL": broker,
            "LABEL_STUDIO_ML_LEASE": "4",
            "LABEL_STUDIO_ML_SWEEP": "0.5",
            "STEADY_SECONDS": str(SECONDS),
        }
    )
    programs: list[Program] = []

    def begin(*words: str) -> Program:
        command = [*CLI, words[0], str(folder), *words[1:]]
        log = tmp_path / f"{words[0]}-{len(programs)}.log"
        programs.append(Program(command, cwd=tmp_path, env=env, log=log))
        return programs[-1]

    yield begin
    left = [pid for program in programs for pid in program.stop()]
    for program in programs:
        print(f"--- {program.log.name}\n{program.output()[-3000:]}")
    assert not left


def ended(program: Program, deadline: float = 120.0) -> int:
    wait_until(lambda: not program.running, "the command ends", deadline)
    return int(program.process.returncode)


def test_each_task_once_though_a_worker_is_killed(label_studio: Studio, start: Start) -> None:
    project = label_studio.create_project("shards", CONFIG)
    ids = label_studio.import_tasks(project, [{"text": f"n{number}"} for number in range(TASKS)])
    workers = [start("worker") for _ in range(2)]
    wait_until(lambda: all("waits for training" in one.output() for one in workers), "the workers wait")
    command = start("predict", "--project", str(project), "--shards", "4")
    wait_until(
        lambda: (
            all("shard" in one.output() for one in workers)
            and int(label_studio.project(project)["total_predictions_number"]) >= TASKS / 10
        ),
        "both predict",
        every=0.2,
    )
    workers[0].kill()

    assert ended(command) == 0, command.output()
    assert wrong(versions(label_studio, project), ids) == {}
    assert f"{TASKS} tasks have a prediction of version INITIAL" in command.output()


@pytest.mark.skipif("MEASURE" not in os.environ, reason="a measurement, for a quiet machine")
def test_two_workers_are_twice_as_quick(label_studio: Studio, start: Start) -> None:
    rates: list[float] = []
    for number in (1, 2):
        worker = start("worker")
        wait_until(lambda worker=worker: "waits for training" in worker.output(), "it waits")  # type: ignore[misc]
        project = label_studio.create_project(f"measured {number}", CONFIG)
        label_studio.import_tasks(project, [{"text": f"n{one}"} for one in range(TASKS)])
        began = time.monotonic()
        command = start("predict", "--project", str(project), "--shards", "8")
        assert ended(command, 600) == 0
        rates.append(TASKS / (time.monotonic() - began))
        print(f"{number} workers: {command.output()}")
    print(f"ratio {rates[1] / rates[0]:.2f}")
