"""Label Studio asks /health and /setup before everything, and waits a second: they answer whatever user code does.

The user's code hangs at a pipe until the test opens it: what is answered before that did not wait for it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.backend import Backend
from e2e.processes import wait_until
from helpers import captured
from tricky import Tricky, task

UID = "2.1795434258"

#: Seconds in which a call must be answered: long for a busy machine, and nothing to what the user's code would take.
PATIENCE = 20.0


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


@pytest.fixture
def backend(tricky: Tricky, tmp_path: Path) -> Iterator[Backend]:
    """The backend, not started yet; ended after the test without leaving a process behind."""
    made = Backend(tricky.folder, tmp_path / "backend.log", arguments=["--script", "obedient.py:Tricky"])
    yield made
    left = made.stop()
    assert not left, f"processes that outlived their backend: {left}"


def post(backend: Backend, name: str, **fields: Any) -> requests.Response:
    """Send a captured request."""
    request = captured(name).with_fields(**fields)
    return requests.post(f"{backend.url}{request.path}", json=request.json, timeout=PATIENCE)


def _readiness(backend: Backend) -> dict[str, str]:
    found: dict[str, str] = requests.get(f"{backend.url}/readyz", timeout=PATIENCE).json()
    return found


def answers(backend: Backend) -> None:
    """See that everything that Label Studio does not wait for answers, more than once."""
    # The button is refused for as long as no broker can take the training, as in the backend's first second.
    wait_until(lambda: _readiness(backend)["broker"] == "ok", "the broker is there")
    for _ in range(3):
        assert requests.get(f"{backend.url}/health", timeout=PATIENCE).json()["status"] == "UP"
        answer = post(backend, "setup")
        assert (answer.status_code, answer.json()["model_version"]) == (200, "INITIAL")
        assert requests.get(f"{backend.url}/versions", timeout=PATIENCE).status_code == 200
        for action in ("webhook_ANNOTATION_CREATED", "webhook_TASKS_CREATED"):
            assert post(backend, action).status_code in (200, 201)
        started = post(backend, "webhook_START_TRAINING")
        # Where Redis has no processor for more than a second, the request is kept and says so.
        assert started.status_code == 201 or "waits on this server's disk" in started.text


def asked(backend: Backend, do: str = "") -> requests.Response:
    """Ask for a prediction, for as long as that takes."""
    fields = {"tasks": [task(1, do)], "project": UID, "params": None}
    return requests.post(f"{backend.url}/predict", json=fields, timeout=90)


@pytest.mark.parametrize("order", [pytest.param("block gate", marks=pytest.mark.soak), "gil gate"])
def test_while_a_model_loads(backend: Backend, tricky: Tricky, order: str) -> None:
    tricky.order("on_load", order)
    tricky.order("on_fit", "raise hell")
    backend.start()
    post(backend, "setup")
    with ThreadPoolExecutor(1) as threads:
        wait_until(lambda: tricky.started("gate"), "the model loads")
        predicting = threads.submit(asked, backend)
        answers(backend)
        assert not predicting.done()
        tricky.order("on_load")
        tricky.release("gate")
        assert predicting.result(90).json()["results"][0]["result"]


@pytest.mark.parametrize("order", [pytest.param("block gate", marks=pytest.mark.soak), "gil gate"])
def test_while_the_model_file_is_imported(backend: Backend, tricky: Tricky, order: str) -> None:
    tricky.order("on_import", order)
    backend.start()
    with ThreadPoolExecutor(1) as threads:
        wait_until(lambda: tricky.started("gate"), "the model file is imported")
        post(backend, "setup")
        predicting = threads.submit(asked, backend)
        assert requests.get(f"{backend.url}/health", timeout=PATIENCE).ok
        assert post(backend, "setup").json()["model_version"] == "INITIAL"
        assert post(backend, "webhook_TASKS_CREATED").status_code == 200
        assert not predicting.done()
        tricky.order("on_import")
        tricky.release("gate")
        assert predicting.result(90).json()["results"][0]["result"]


@pytest.mark.parametrize("order", [pytest.param("block gate", marks=pytest.mark.soak), "gil gate"])
def test_while_predict_runs(backend: Backend, tricky: Tricky, order: str) -> None:
    tricky.order("on_fit", "raise hell")
    backend.start()
    post(backend, "setup")
    assert asked(backend).ok
    with ThreadPoolExecutor(1) as threads:
        predicting = threads.submit(asked, backend, order)
        wait_until(lambda: tricky.started("gate"), "predict runs")
        answers(backend)
        assert not predicting.done()
        tricky.release("gate")
        assert predicting.result(90).json()["results"][0]["result"]


@pytest.mark.parametrize("order", [pytest.param("block gate", marks=pytest.mark.soak), "gil gate"])
def test_while_fit_runs(backend: Backend, tricky: Tricky, order: str) -> None:
    tricky.order("on_fit", order)
    backend.start()
    post(backend, "setup")
    assert asked(backend).ok
    training = captured("train_legacy").with_fields(project=UID)
    assert requests.post(f"{backend.url}/train", json=training.json, timeout=PATIENCE).status_code == 201
    wait_until(lambda: tricky.started("gate"), "fit runs")
    job = requests.get(f"{backend.url}/jobs", timeout=PATIENCE).json()["jobs"][0]["job"]
    answers(backend)
    assert asked(backend).json()["results"][0]["model_version"] == "INITIAL"
    record = requests.post(f"{backend.url}/job_status", json={"job": job}, timeout=PATIENCE).json()
    assert record["job_status"] == "started"
    tricky.order("on_fit", "raise hell")  # those that the calls above ask for
    tricky.release("gate")
    wait_until(lambda: post(backend, "setup").json()["model_version"] != "INITIAL", "the new version")
