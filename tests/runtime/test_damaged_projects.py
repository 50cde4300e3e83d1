"""A `projects.db` that is damaged while servers run, and between two starts: `/setup` fills a new one."""

import threading
from collections.abc import Callable

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.storage.damaged_database import damaged_copies
from label_studio_ml.versions.state.project_state import PROJECTS_DB, Project, Projects
from live import CONFIG, TOKEN, Live, created, task, uid

from .gunicorn_server import start_gunicorn

Make = Callable[..., Live]

WSGI = """
from label_studio_ml.api import init_app
from seed_model import Counter

app = init_app(model_class=Counter)
"""


def _damage(live: Live) -> None:
    """Overwrite the file, and its log with it, as a disk that fails does."""
    (live.model_dir / f"{PROJECTS_DB}-wal").write_bytes(b"")
    (live.model_dir / PROJECTS_DB).write_bytes(b"no database " * 4000)


def _check(live: Live, project: int) -> None:
    def known_again() -> Project | None:
        live.setup(project)
        return Projects(live.model_dir).get(uid(project))

    # A server that has what it needs of the file in its memory sees the damage only with the others: this test is one.
    known = wait_until(known_again, "/setup has filled the new file")
    assert known is not None
    assert (known.access_token, known.label_config, known.hostname) == (TOKEN, CONFIG, live.studio.url)
    live.predict(project)
    assert requests.get(f"{live.backend.url}/readyz", timeout=90).json()["store"] == "ok"


@pytest.mark.parametrize("workers", [0, 2])
def test_projects_that_are_damaged(make: Make, workers: int) -> None:
    live = make("seed_model")

    def start() -> None:
        if workers:
            start_gunicorn(live, WSGI, workers=workers)
        else:
            live.backend.start()

    start()
    live.studio.add(1, 1)
    live.setup(1)
    live.predict(1)
    live.wait(live.send(created(1, 1)))
    _damage(live)
    answers: list[int] = []

    def ask() -> None:
        body = {"tasks": [task(1)], "project": uid(2), "label_config": CONFIG, "params": None}
        answers.extend(live.post("/predict", body).status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    _check(live, 1)
    assert len(damaged_copies(live.model_dir)) == 1
    live.backend.stop()
    _damage(live)
    start()
    _check(live, 1)
    assert live.wait(live.send(created(1, 2)))["job_status"] == "finished"
    assert len(damaged_copies(live.model_dir)) == 2
