"""Backends of older releases: `gunicorn … _wsgi:app` with several workers, training included."""

import sys
from collections.abc import Callable

import pytest
import requests

from e2e.processes import Program, wait_until
from live import CONFIG, Live, start_training, task, uid
from redis_server import MakeRedis, make_redis

__all__ = ["make_redis"]

Make = Callable[..., Live]

WSGI = """
from label_studio_ml.api import init_app
from {module} import {name}

app = init_app(model_class={name})
"""

NAMES = {"seed_model": "Counter", "event_model": "Listener"}


def _start(live: Live, model: str, *options: str) -> None:
    """Start gunicorn with three workers, as the older releases' Dockerfiles do."""
    (live.folder / "_wsgi.py").write_text(WSGI.format(module=model, name=NAMES[model]))
    bind = ("--bind", f"127.0.0.1:{live.backend.port}", "--workers", "3", "--threads", "8", "--timeout", "0")
    live.backend.program = Program(
        [sys.executable, "-m", "gunicorn", *options, *bind, "_wsgi:app"],
        cwd=live.folder,
        env=live.backend.env,
        log=live.backend.log,
    )

    def up() -> bool:
        assert live.backend.program is not None
        assert live.backend.program.running, live.backend.program.output()
        try:
            return requests.get(f"{live.backend.url}/health", timeout=30).ok
        except requests.ConnectionError:
            return False

    wait_until(up, "gunicorn serves")


def _versions(live: Live, count: int = 30) -> set[str]:
    """Return what a number of requests, each on a connection of its own, are answered by."""
    body = {"tasks": [task(1)], "project": uid(1), "label_config": CONFIG, "params": None}
    found = set()
    for _ in range(count):
        answer = requests.post(
            f"{live.backend.url}/predict", json=body, timeout=60, headers={"Connection": "close"}
        )
        assert answer.status_code == 200, answer.text
        found |= {entry["model_version"] for entry in answer.json()["results"]}
    return found


@pytest.mark.parametrize(("model", "options"), [("event_model", ()), ("seed_model", ("--preload",))])
def test_every_worker_serves_the_new_version(make: Make, model: str, options: tuple[str, ...]) -> None:
    live = make(model)
    live.studio.add(1, 11)
    _start(live, model, *options)
    before = live.setup(1)
    assert _versions(live) == {before}
    for _ in range(2):
        done = live.wait(live.send(start_training(1)))
        assert done["job_status"] == "finished", done
        trained = done["model_version"]
        wait_until(lambda now=trained: _versions(live) == {now}, "all of them serve it")  # type: ignore[misc]
        assert _versions(live, 60) == {trained}, "none goes back"
    assert "is published" in (live.folder / "logs" / "rq.log").read_text()


def test_with_the_settings_of_an_older_compose_file(make: Make, make_redis: MakeRedis) -> None:
    server = make_redis()
    parts = {"REDIS_HOST": "localhost", "REDIS_PORT": str(server.port), "RQ_QUEUE_NAME": "default"}
    live = make(env={**parts, "USE_REDIS": "true", "MODEL_DIR": "data/models"})
    live.studio.add(1, 11)
    _start(live, "seed_model", "--preload")
    live.setup(1)
    done = live.wait(live.send(start_training(1)))
    assert done["job_status"] == "finished", done
    wait_until(lambda: _versions(live) == {done["model_version"]}, "all of them serve it")
    assert server.client().smembers("rq:queues") == {b"rq:queue:default"}
    assert not (live.model_dir / "broker" / "address").exists()
