"""Backends of older releases: `gunicorn … _wsgi:app` with several workers, training included."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from e2e.processes import wait_until
from live import CONFIG, Live, start_training, task, uid
from redis_server import MakeRedis, make_redis

from .gunicorn_server import start_gunicorn

__all__ = ["make_redis"]

Make = Callable[..., Live]

#: Each answer names the gunicorn worker: the parent of the guard of the model process.
WSGI = """
import os
from pathlib import Path

from label_studio_ml.api import init_app
from {module} import {name}


def parent(pid):
    return int(Path(f"/proc/{{pid}}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Told({name}):
    def predict(self, *args, **kwargs):
        return [{{**one, "worker": parent(os.getppid())}} for one in super().predict(*args, **kwargs)]


app = init_app(model_class=Told)
"""

WORKERS = 3
NAMES = {"seed_model": "Counter", "event_model": "Listener"}


def _start(live: Live, model: str, *options: str) -> None:
    """Start gunicorn with several workers, as the older releases' Dockerfiles do."""
    wsgi = WSGI.format(module=model, name=NAMES[model])
    start_gunicorn(live, wsgi, *options, workers=WORKERS)
    wait_until(lambda: all(_broker(live) == "ok" for _ in range(30)), "all workers have their broker")


def _broker(live: Live) -> str:
    """Return what one of the workers says of its broker."""
    answer = requests.get(f"{live.backend.url}/readyz", timeout=90, headers={"Connection": "close"})
    return str(answer.json()["broker"])


def _answered_by(live: Live) -> tuple[int, str]:
    """Return which worker answers a request, on a connection of its own, and with which version."""
    body = {"tasks": [task(1)], "project": uid(1), "label_config": CONFIG, "params": None}
    answer = requests.post(
        f"{live.backend.url}/predict", json=body, timeout=90, headers={"Connection": "close"}
    )
    assert answer.status_code == 200, answer.text
    (entry,) = answer.json()["results"]
    return entry["worker"], entry["model_version"]


def _versions(live: Live, requests_: int = 30) -> set[str]:
    """Return the versions that answer many requests."""
    return {_answered_by(live)[1] for _ in range(requests_)}


def _wait_for_all(live: Live, version: str) -> None:
    """Wait until each of the workers has answered with a version, one after the other or all at a time."""
    latest: dict[int, str] = {}

    def served() -> bool:
        with ThreadPoolExecutor(9) as threads:
            latest.update(threads.map(lambda _: _answered_by(live), range(9)))
        return len(latest) == WORKERS and set(latest.values()) == {version}

    wait_until(served, f"all of them serve {version}")


@pytest.mark.parametrize(
    ("model", "options"),
    [("event_model", ()), pytest.param("seed_model", ("--preload",), marks=pytest.mark.soak)],
)
def test_every_worker_serves_the_new_version(make: Make, model: str, options: tuple[str, ...]) -> None:
    live = make(model, env={"LOG_FORMAT": "json"})
    live.studio.add(1, 11)
    _start(live, model, *options)
    before = live.setup(1)
    _wait_for_all(live, before)
    for _ in range(2):
        done = live.wait(live.send(start_training(1)))
        assert done["job_status"] == "finished", done
        trained = done["model_version"]
        _wait_for_all(live, trained)
        assert _versions(live) == {trained}, "none goes back"
    words = live.folder / "logs" / "rq.log"
    wait_until(lambda: "is published" in words.read_text(), "what the worker said is written")
    records = [json.loads(line) for line in (live.folder / "logs" / "server.log").read_text().splitlines()]
    told = f"version {trained} is loaded"
    assert len({record["process"] for record in records if told in record["message"]}) == WORKERS


def test_with_the_settings_of_an_older_compose_file(make: Make, make_redis: MakeRedis) -> None:
    server = make_redis()
    parts = {"REDIS_HOST": "localhost", "REDIS_PORT": str(server.port), "RQ_QUEUE_NAME": "default"}
    live = make(env={**parts, "USE_REDIS": "true", "MODEL_DIR": "data/models"})
    live.studio.add(1, 11)
    _start(live, "seed_model", "--preload")
    live.setup(1)
    done = live.wait(live.send(start_training(1)))
    assert done["job_status"] == "finished", done
    _wait_for_all(live, done["model_version"])
    assert server.client().smembers("rq:queues") == {b"rq:queue:default"}
    assert not (live.model_dir / "broker" / "address").exists()
