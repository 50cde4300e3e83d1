"""kill -9 of every part of a backend at every step of a run.

Afterwards every event is in exactly one outcome, no version is half published, no two fits of the project ran at a
time, the versions that were served go on being served, and training went on by itself.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import DEFAULT_LEASE, DEFAULT_SWEEP
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.versions.store.local_store import VersionStore
from live import TRAINING, WORKER, Control, Live, alive, created, uid

PROJECT = 7

#: Steps in their order; the first ones of the worker, then those of its child, then the worker's again.
STEPS = (
    "taken",
    "dataset built",
    "fitting",
    "fitted",
    "committing",
    "committed",
    "acknowledging",
    "acknowledged",
)
WITH_CHILD = ("dataset built", "fitting", "fitted")

#: What every run of the tests kills: each part and each step is among them; `make soak` kills each part at each step.
ALWAYS = (
    ("child", "dataset built"),
    ("child", "fitting"),
    ("child", "fitted"),
    ("worker", "taken"),
    ("worker", "committed"),
    ("worker", "acknowledging"),
    ("parent", "committing"),
    ("broker", "acknowledged"),
)
ALL = (
    *(("child", step) for step in WITH_CHILD),
    *((victim, step) for victim in ("worker", "parent", "broker") for step in STEPS),
)

#: How the folders on the import path of a backend's processes reach this far.
PAUSING = Path(__file__).parent.parent / "data" / "pausing"


class Pause:
    """A step of a run at which its process waits."""

    def __init__(self, folder: Path, step: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "hold").touch()
        (folder / "at").write_text(step)

    def reached(self) -> None:
        """Wait until a process is there."""
        wait_until(lambda: (self.folder / "reached").exists(), "the step is reached", every=0.01)

    def go_on(self) -> None:
        """Let it go on, and never pause again."""
        (self.folder / "hold").unlink(missing_ok=True)


def _kill(live: Live, victim: str) -> None:
    """End one part of the backend with SIGKILL."""
    program = live.backend.program
    assert program is not None
    finders: dict[str, Callable[[], int]] = {
        "child": lambda: live.one(TRAINING),
        "worker": lambda: live.one(WORKER),
        "broker": live.broker,
        "parent": lambda: program.process.pid,
    }
    pid = finders[victim]()
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not alive(pid) or program.process.poll() is not None, f"the {victim} is gone", every=0.01
    )


@pytest.mark.parametrize(
    ("victim", "step"),
    [pytest.param(*kill, marks=() if kill in ALWAYS else pytest.mark.soak) for kill in ALL],
)
def test_killed_at(launch: Callable[..., Live], tmp_path: Path, victim: str, step: str) -> None:
    folder = tmp_path / "pause"
    pause = Pause(folder, step) if step != "fitting" else None
    # Who holds the lease and is killed leaves it: that shall end soon.
    lease = {"LABEL_STUDIO_ML_LEASE": "3"} if victim in ("worker", "parent") else {}
    live = launch(env={"PAUSE": str(folder), **lease}, paths=[PAUSING])
    live.studio.add(PROJECT, 1, 2, 3)
    live.setup(PROJECT)
    control = live.control(PROJECT)
    if pause is None:
        control.close_gate()
    jobs = [live.send(created(PROJECT, number)) for number in (1, 2)]
    if pause is not None:
        pause.reached()
    else:
        control.wait_for_fit()
    _kill(live, victim)
    if pause is not None:
        pause.go_on()
    control.open_gate()
    if victim == "parent":  # everything else starts again what ended
        program = live.backend.program
        assert program is not None
        wait_until(lambda: not program.descendants(), "what it started ends too")
        live.backend.start()
    jobs.append(live.send(created(PROJECT, 3)))
    _comes_to_rest(live, control, jobs)


def test_every_run_kills_each_part_and_at_each_step() -> None:
    assert {victim for victim, _ in ALWAYS} == {victim for victim, _ in ALL}
    assert {step for _, step in ALWAYS} == set(STEPS)
    assert set(ALWAYS) < set(ALL)


def _comes_to_rest(live: Live, control: Control, jobs: list[str]) -> None:
    store = VersionStore(live.model_dir)
    newest = wait_until(lambda: _all_taken_in(live, store), "every event has an outcome", every=0.05)
    wait_until(lambda: not live.running(PROJECT), "no job is left in limbo")
    assert control.overlaps == 0
    taken_in = [event for manifest in store.versions(uid(PROJECT)) for event in manifest.events]
    assert len(taken_in) == len(set(taken_in)) == 3
    job_store = JobStore(connect((live.model_dir / "broker" / "address").read_text()), "label-studio-ml")
    assert job_store.queues.dirty() == []
    states = {job.id: job for job in job_store.jobs.of(uid(PROJECT))}
    job_store.redis.close()
    assert set(jobs) <= set(states)
    assert {job.state for job in states.values()} <= {"finished", "failed", "interrupted"}
    by_version = [job.version for job in states.values() if job.version]
    assert sorted(by_version) == sorted(manifest.name for manifest in store.versions(uid(PROJECT)))
    folders = {path.name for path in store.folder(uid(PROJECT)).iterdir() if path.is_dir()}
    assert folders == {manifest.id for manifest in store.versions(uid(PROJECT))}
    live.wait_served(PROJECT, lambda entry: entry["model_version"] == newest)


def _all_taken_in(live: Live, store: VersionStore) -> str:
    """Return the newest version's name once all three events are in versions and none is waiting."""
    versions = store.versions(uid(PROJECT))
    if sum(len(manifest.events) for manifest in versions) < 3:
        return ""
    return versions[-1].name


@pytest.mark.soak
def test_training_goes_on_within_a_minute_with_the_default_lease(launch: Callable[..., Live]) -> None:
    """The one bound in seconds that is promised: a lease (30 s) and a sweep (10 s), and some for the processes."""
    defaults = {"LABEL_STUDIO_ML_LEASE": str(DEFAULT_LEASE), "LABEL_STUDIO_ML_SWEEP": str(DEFAULT_SWEEP)}
    live = launch(env=defaults)
    live.studio.add(PROJECT, 1, 2, 3)
    live.setup(PROJECT)
    control = live.control(PROJECT)
    control.close_gate()
    live.send(created(PROJECT, 1))
    control.wait_for_fit()
    _kill(live, "worker")
    wait_until(lambda: len(control.fits()) == 2, "training goes on by itself", 60.0)
    control.open_gate()
    live.wait_served(PROJECT, lambda entry: entry["model_version"] != "INITIAL")
