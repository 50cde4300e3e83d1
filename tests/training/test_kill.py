"""kill -9 of every part of a backend in the middle of a fit, and SIGSTOP past the lease.

Afterwards every event has exactly one outcome, no two fits of a project ran at a time, and training went on by itself.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from e2e.processes import wait_until
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.versions.store.local_store import VersionStore
from live import TRAINING, WORKER, Control, Live, alive, created, start_training, uid

PROJECT = 7

#: What holds a lease is killed: nobody shall wait for long.
SHORT = {"LABEL_STUDIO_ML_LEASE": "3"}

Launch = Callable[..., Live]


def _in_fit(launch: Launch, model: str = "seed_model", **options: object) -> tuple[Live, Control, str]:
    """Return a backend whose first fit waits at the gate, and the fit's job."""
    live = launch(model, **options)
    live.studio.add(PROJECT, 1, 2, 3)
    live.setup(PROJECT)
    control = live.control(PROJECT)
    control.close_gate()
    job = live.send(created(PROJECT, 1))
    control.wait_for_fit()
    return live, control, job


def _comes_to_rest(live: Live, control: Control, versions: int = 1) -> None:
    """Let fits go on, and see that every event has exactly one outcome."""
    control.open_gate()
    store = VersionStore(live.model_dir)
    wait_until(lambda: len(store.versions(uid(PROJECT))) >= versions, "the training went on by itself")
    wait_until(lambda: not live.running(PROJECT), "no job is left in limbo")
    assert control.overlaps == 0
    assert len(store.versions(uid(PROJECT))) == versions
    taken_in = [event for manifest in store.versions(uid(PROJECT)) for event in manifest.events]
    assert len(taken_in) == len(set(taken_in))
    url = (live.model_dir / "broker" / "address").read_text()
    job_store = JobStore(connect(url), "label-studio-ml")
    assert job_store.queues.events(uid(PROJECT)) == []
    assert job_store.queues.dirty() == []
    assert {job.state for job in job_store.jobs.of(uid(PROJECT))} <= {"finished", "failed", "interrupted"}
    job_store.redis.close()
    folders = [path for path in store.folder(uid(PROJECT)).iterdir() if path.is_dir()]
    assert len(folders) == versions, "a run that did not finish left its folder"
    newest = store.newest(uid(PROJECT))
    assert newest is not None
    live.wait_served(PROJECT, lambda entry: entry["model_version"] == newest.name)


def test_the_training_child_is_killed(launch: Launch) -> None:
    live, control, job = _in_fit(launch)
    live.kill(TRAINING)
    outcome = live.wait(job)
    assert outcome["job_status"] == "interrupted"
    assert "killed by SIGKILL" in outcome["error"]
    control.wait_for_fit(2)
    _comes_to_rest(live, control)


def test_the_worker_is_killed(launch: Launch) -> None:
    live, control, job = _in_fit(launch, env=SHORT)
    child = live.one(TRAINING)
    later = live.send(created(PROJECT, 2))
    live.kill(WORKER)
    wait_until(lambda: not alive(child), "the child ends with its worker")
    control.wait_for_fit(2)
    outcome = live.wait(job)
    assert outcome["job_status"] == "interrupted"
    assert "its worker ended" in outcome["error"]
    assert later != job
    _comes_to_rest(live, control)


def _kill_broker(live: Live) -> None:
    """End the broker with SIGKILL and wait for its successor."""
    pid = live.broker()
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: live.broker() if not alive(pid) else 0, "another broker answers") != pid


def test_the_broker_is_killed(launch: Launch) -> None:
    live, control, job = _in_fit(launch)
    _kill_broker(live)
    wait_until(lambda: live.running(PROJECT), "the new broker knows what the old one held")
    control.open_gate()
    assert live.wait(job)["job_status"] == "finished"
    _comes_to_rest(live, control)
    assert len(control.fits()) == 1
    assert live.wait(live.send(start_training(PROJECT)))["job_status"] == "finished"


def test_the_broker_is_killed_where_its_socket_is_elsewhere(launch: Launch) -> None:
    """A model folder with a long path: the socket is in a temporary folder, at the same place after a crash."""
    live, control, job = _in_fit(launch, env={"MODEL_DIR": "m" * 100})
    _kill_broker(live)
    control.open_gate()
    assert live.wait(job)["job_status"] == "finished"
    assert live.wait(live.send(start_training(PROJECT)))["job_status"] == "finished"


def test_the_whole_backend_is_killed(launch: Launch) -> None:
    live, control, _ = _in_fit(launch, env=SHORT)
    later = live.send(created(PROJECT, 2))
    live.backend.kill()
    live.backend.start()
    control.wait_for_fit(2)
    _comes_to_rest(live, control)
    assert live.wait(later)["job_status"] in ("finished", "failed", "interrupted")


@pytest.mark.soak  # the kills of test_matrix.py in every run have this one, too
def test_the_parent_alone_is_killed(launch: Launch) -> None:
    """Everything else ends by itself: nothing is left behind, and nothing is lost."""
    live, control, _ = _in_fit(launch, env=SHORT)
    program = live.backend.program
    assert program is not None
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.wait()
    wait_until(lambda: not program.descendants(), "its children end too")
    live.backend.start()
    control.wait_for_fit(2)
    _comes_to_rest(live, control)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_ending_it_in_a_fit_hands_the_events_back(launch: Launch, number: signal.Signals) -> None:
    live, control, job = _in_fit(launch)
    program = live.backend.program
    assert program is not None
    assert live.backend.stop(with_signal=number) == []
    assert program.process.returncode == 0
    live.backend.start()
    outcome = live.wait(job)
    assert outcome["job_status"] == "interrupted"
    assert outcome["error"] == "the worker was stopped"
    control.wait_for_fit(2)
    _comes_to_rest(live, control)


def test_a_group_that_gets_ctrl_c_hands_the_events_back(launch: Launch) -> None:
    """A terminal sends SIGINT to the whole group of the server."""
    live, control, job = _in_fit(launch)
    program = live.backend.program
    assert program is not None
    os.killpg(program.process.pid, signal.SIGINT)
    assert live.backend.stop() == []
    live.backend.start()
    assert live.wait(job)["error"] == "the worker was stopped"
    _comes_to_rest(live, control)


def test_a_worker_that_is_stopped_past_its_lease(launch: Launch) -> None:
    """Its child ends before the lease does; another worker trains; the late one publishes nothing."""
    live, control, job = _in_fit(launch, env={"LABEL_STUDIO_ML_LEASE": "4"})
    stopped, child = live.one(WORKER), live.one(TRAINING)
    url = (live.model_dir / "broker" / "address").read_text()
    second = _second_worker(live, url)
    os.kill(stopped, signal.SIGSTOP)
    try:
        wait_until(lambda: not alive(child), "the child of a silent worker ends itself")
        control.wait_for_fit(2)
        control.open_gate()
        wait_until(lambda: VersionStore(live.model_dir).versions(uid(PROJECT)), "the other worker publishes")
        os.kill(stopped, signal.SIGCONT)
        _comes_to_rest(live, control)
        assert live.wait(job)["job_status"] == "interrupted"
    finally:
        os.kill(stopped, signal.SIGCONT)
        second.terminate()
        status = second.wait(60)
    assert status == 0


def _second_worker(live: Live, url: str) -> "subprocess.Popen[bytes]":
    env = {**live.backend.env, "REDIS_URL": url, "LABEL_STUDIO_ML_DIR": str(live.folder)}
    env["RQ_QUEUE_NAME"] = DEFAULT_QUEUE  # that of a backend with a broker of its own
    env["LABEL_STUDIO_ML_LEASE"] = "4"
    return subprocess.Popen(
        [sys.executable, "-m", WORKER],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
