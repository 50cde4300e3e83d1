"""Kills at random moments, of every kind of process: nothing is lost, nothing doubled, and it goes on by itself.

A seed decides what is killed when, as far as the machine's speed leaves it to it. `KILL_SEEDS=3,17` runs those seeds.
"""

import os
from collections.abc import Callable

import pytest

from live import Live
from runtime.storm import Storm

PROJECTS = (1, 2)
KILLS = 30
#: Seconds within which a project with events is trained again, whatever was killed.
PROMISE = 60.0
#: Seconds that all the trainings have on a busy machine.
REST = 240.0

#: What is as in production: the leases of killed workers last as long as they do there.
USUAL = {"LABEL_STUDIO_ML_LEASE": "30", "LABEL_STUDIO_ML_SWEEP": "10"}
QUICK = {"LABEL_STUDIO_ML_LEASE": "5", "LABEL_STUDIO_ML_SWEEP": "1"}

SEEDS = [int(seed) for seed in os.environ.get("KILL_SEEDS", "").split(",") if seed]

Make = Callable[..., Live]


def _survive(make: Make, seed: int, kills: int, env: dict[str, str]) -> None:
    live = make("event_model" if seed % 2 else "seed_model", env=env)
    for project in PROJECTS:
        live.studio.add(project, 1, 2, 3)
    live.backend.start()
    for project in PROJECTS:
        live.setup(project)
    storm = Storm(live, seed, PROJECTS)
    try:
        storm.rage(kills)
        began = storm.seconds_until_running(PROMISE)
        aside = storm.come_to_rest(REST)
        storm.check_outcomes()
        storm.end()
    except BaseException:
        print(f"seed {seed}, killed: {', '.join(storm.killed)}")
        print(f"repeat with: KILL_SEEDS={seed} pytest -m 'soak or not soak' tests/runtime/test_kills.py")
        raise
    kept, unsure = (sum(len(getattr(one, name)) for one in storm.senders) for name in ("kept", "unsure"))
    print(
        f"SOAK kills: seed {seed}: {len(storm.killed)} kills, {kept} events accepted, {unsure} not answered, "
        f"{aside} set aside and brought back, running again after {began:.0f} s"
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [101, 102])
def test_a_few_kills(seed: int, make: Make) -> None:
    _survive(make, seed, 8, QUICK)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS or range(1, 11))
def test_many_kills(seed: int, make: Make) -> None:
    _survive(make, seed, KILLS, USUAL)
