"""A disk that fills up, and files that are damaged, at random moments while events come: no accepted event is lost.

A seed decides on the faults, as far as the machine's speed leaves it to it. `DISK_SEEDS=3,17` runs those seeds.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.processes import Program
from live import FakeStudio, Live, make_live
from runtime.storm import Part, Storm

from .disk_storm import DiskStorm, end_server, mount, unmount

PROJECTS = (1, 2)
FAULTS = 40
#: Seconds that all the trainings have on a busy machine.
REST = 300.0
QUICK = {"LABEL_STUDIO_ML_LEASE": "5", "LABEL_STUDIO_ML_SWEEP": "1", "LOG_LEVEL": "ERROR"}

SEEDS = [int(seed) for seed in os.environ.get("DISK_SEEDS", "").split(",") if seed]

Make = Callable[..., Live]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a backend whose data is on a small disk of its own."""
    studio = FakeStudio()
    lives: list[Live] = []

    def prepare(**env: str) -> Live:
        live = make_live(tmp_path / "backend", studio, "weighty_event_model", env={**QUICK, **env})
        mount(live.model_dir, "16m")
        lives.append(live)
        return live

    yield prepare
    with contextlib.ExitStack() as ends:
        ends.callback(studio.stop)
        for live in lives:
            ends.callback(unmount, live.model_dir)
            ends.callback(live.backend.stop)


def _survive(live: Live, seed: int, faults: int) -> None:
    def start() -> Program:
        live.backend.start()
        assert live.backend.program is not None
        return live.backend.program

    def restart(killed: bool) -> None:
        end_server(live, killed=killed)
        part.program = start()

    part = Part(start, start())
    for project in PROJECTS:
        live.studio.add(project, 1, 2, 3)
        live.setup(project)
    storm = Storm(live, seed, PROJECTS, {"server": part}, live.job_store)
    disk = DiskStorm(storm, seed, restart)
    try:
        disk.rage(faults)
        disk.repair()
        aside = storm.come_to_rest(REST)
        disk.check()
    except BaseException as error:
        print(f"{error}"[:3000])
        print(f"seed {seed}: {'; '.join(disk.faults)}")
        print(f"repeat with: DISK_SEEDS={seed} pytest -m 'soak or not soak' tests/soak/test_disk_faults.py")
        raise
    kept, unsure = (
        sum(len(getattr(sender, name)) for sender in storm.senders) for name in ("kept", "unsure")
    )
    print(
        f"SOAK disk: seed {seed}: {len(disk.faults)} faults, {kept} events accepted, {unsure} not, {aside} set "
        f"aside and brought back, predictions by status {disk.watcher.statuses}"
    )


@pytest.mark.timeout(600)
def test_a_few_disk_faults(make: Make) -> None:
    _survive(make(), 101, 8)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS or range(1, 11))
def test_many_disk_faults(seed: int, make: Make) -> None:
    _survive(make(), seed, FAULTS)
