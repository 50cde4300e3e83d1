"""Kills at random moments, of every kind of process: nothing is lost, nothing doubled, and it goes on by itself.

A seed decides what is killed when, as far as the machine's speed leaves it to it. `KILL_SEEDS=3,17` runs those seeds.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from e2e.backend import CLI
from e2e.processes import Program, wait_until
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from live import Live, created
from redis_server import MakeRedis, make_redis
from runtime.gunicorn_server import start_gunicorn
from runtime.storm import GUNICORN_KINDS, Part, Storm

__all__ = ["make_redis"]

PROJECTS = (1, 2)
KILLS = 30
#: Seconds within which a project with events is trained again, whatever was killed.
PROMISE = 60.0
#: Seconds that all the trainings have on a busy machine.
REST = 240.0

#: What is as in production: the leases of killed workers last as long as they do there.
USUAL = {"LABEL_STUDIO_ML_LEASE": "30", "LABEL_STUDIO_ML_SWEEP": "10"}
QUICK = {"LABEL_STUDIO_ML_LEASE": "5", "LABEL_STUDIO_ML_SWEEP": "1"}

KILLED_IN_A_FIT = [
    ("run",),
    ("run's guard",),
    ("worker",),
    ("server",),
    ("worker", "broker"),
    ("worker", "run's guard"),
    ("server", "worker", "broker", "run's guard"),
]

SEEDS = [int(seed) for seed in os.environ.get("KILL_SEEDS", "").split(",") if seed]

#: A backend of an older release, and the names of the models' classes.
WSGI = """
from label_studio_ml.api import init_app
from {module} import {name}

app = init_app(model_class={name})
"""
CLASSES = {"seed_model": "Counter", "event_model": "Listener"}
GUNICORN_WORKERS = 3

Make = Callable[..., Live]


def _server(live: Live) -> Part:
    """Start a backend's server."""

    def start() -> Program:
        live.backend.start()
        assert live.backend.program is not None
        return live.backend.program

    return Part(start, start())


def _set_up(live: Live) -> None:
    for project in PROJECTS:
        live.studio.add(project, 1, 2, 3)
        live.setup(project)
        live.control(project).do("daemon")  # each fit starts what has to end with it


def _survive(storm: Storm, seed: int, kills: int) -> None:
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
        f"SOAK kills: {', '.join(storm.parts)}: seed {seed}: {len(storm.killed)} kills, {kept} events accepted, "
        f"{unsure} not answered, {aside} set aside and brought back, running again after {began:.0f} s"
    )


def _one_machine(make: Make, seed: int, kills: int, env: dict[str, str]) -> None:
    live = make("event_model" if seed % 2 else "seed_model", env=env)
    parts = {"server": _server(live)}
    _set_up(live)
    _survive(Storm(live, seed, PROJECTS, parts, live.job_store), seed, kills)


def _gunicorn(make: Make, seed: int, kills: int, env: dict[str, str]) -> None:
    """Kill gunicorn, its workers, and what one of these runs for all of them."""
    model = "event_model" if seed % 2 else "seed_model"
    live = make(model, env=env)

    def start() -> Program:
        start_gunicorn(live, WSGI.format(module=model, name=CLASSES[model]), workers=GUNICORN_WORKERS)
        assert live.backend.program is not None
        return live.backend.program

    parts = {"gunicorn": Part(start, start())}
    _set_up(live)
    with _probed(live):
        _survive(Storm(live, seed, PROJECTS, parts, live.job_store, GUNICORN_KINDS), seed, kills)


@contextlib.contextmanager
def _probed(live: Live) -> Iterator[None]:
    """Ask for /health every second, as the probe of a container does: a WSGI process starts with its first request.

    Without requests, a gunicorn that was started again would have no broker, and would not train on what waits.
    """
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(1.0):
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{live.backend.url}/health", timeout=5)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _several_machines(
    make: Make, make_redis: MakeRedis, tmp_path: Path, seed: int, kills: int, env: dict[str, str]
) -> None:
    """Kill a server, a Redis and two programs of workers."""
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    live = make(
        "event_model" if seed % 2 else "seed_model",
        env={**env, "REDIS_URL": server.url, "RQ_QUEUE_NAME": "storm"},
    )
    live.backend.command = "serve"

    def start_redis() -> Program:
        server.start()
        assert server.program is not None
        return server.program

    def start_worker() -> Program:
        command = [*CLI, "worker", live.folder.name]
        return Program(command, cwd=live.folder.parent, env=live.backend.env, log=tmp_path / "workers.log")

    assert server.program is not None
    parts = {
        "redis": Part(start_redis, server.program),
        "server": _server(live),
        **{f"workers {number}": Part(start_worker, start_worker()) for number in (1, 2)},
    }
    _set_up(live)
    storm = Storm(
        live, seed, PROJECTS, dict(reversed(parts.items())), lambda: JobStore(connect(server.url), "storm")
    )
    try:
        _survive(storm, seed, kills)
    finally:
        for part in parts.values():
            part.program.kill()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [pytest.param(101, marks=pytest.mark.soak), 102])
def test_a_few_kills(seed: int, make: Make) -> None:
    _one_machine(make, seed, 8, QUICK)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_few_kills_under_gunicorn(make: Make) -> None:
    _gunicorn(make, 101, 6, QUICK)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS or range(1, 5))
def test_many_kills_under_gunicorn(seed: int, make: Make) -> None:
    _gunicorn(make, seed, KILLS, USUAL)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS or range(1, 11))
def test_many_kills(seed: int, make: Make) -> None:
    _one_machine(make, seed, KILLS, USUAL)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("names", KILLED_IN_A_FIT, ids=" and ".join)
def test_what_is_killed_in_a_fit_is_trained_again_within_a_minute(names: tuple[str, ...], make: Make) -> None:
    """With the leases and pauses of production."""
    live = make(env=USUAL)
    storm = Storm(live, 0, (1,), {"server": _server(live)}, live.job_store)
    live.studio.add(1, 11)
    live.setup(1)
    live.control(1).close_gate()
    live.send(created(1, 11))
    live.control(1).wait_for_fit()
    before = storm.lease(1)
    assert before
    began = time.monotonic()
    storm.kill(names)
    wait_until(lambda: storm.lease(1) not in (b"", before), "another run has the project", PROMISE)
    print(f"SOAK {' and '.join(names)} killed in a fit: trained again after {time.monotonic() - began:.0f} s")
    live.control(1).open_gate()
    storm.come_to_rest(REST)
    assert live.control(1).overlaps == 0
    storm.end()


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS or range(1, 4))
def test_many_kills_of_programs_around_one_redis(
    seed: int, make: Make, make_redis: MakeRedis, tmp_path: Path
) -> None:
    _several_machines(make, make_redis, tmp_path, seed, KILLS, USUAL)
