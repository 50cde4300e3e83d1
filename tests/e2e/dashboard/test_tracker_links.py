"""The links to trackers on a training's page, and what trackers lack of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from live import FakeStudio, Live, created, make_live
from trackers.mlflow_stand_in import MlflowStandIn
from trackers.packages import package

from ..browser import Browser
from ..processes import wait_until


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[MlflowStandIn]:
    package("mlflow")
    server = MlflowStandIn(str(tmp_path / "artifacts"))
    yield server
    server.stop()


def _has_links(live: Live, job: str) -> bool:
    trackers = live.job(job).get("trackers", {})
    return len(trackers) == 2 and not any("problem" in tracker for tracker in trackers.values())


def test_a_training_links_to_its_run(tmp_path: Path, mlflow: MlflowStandIn, browser: Browser) -> None:
    package("tensorboardX")
    studio = FakeStudio()
    env = {"TRACKER": "mlflow,tensorboard", "MLFLOW_TRACKING_URI": mlflow.url}
    live = make_live(tmp_path / "backend", studio, "tracked_model", env=env)
    live.backend.start()
    page = browser.new_page()
    try:
        studio.add(7, 70)
        live.setup(7)
        job = live.send(created(7, 70))
        live.wait(job)
        wait_until(lambda: _has_links(live, job), "the links are in the record")
        page.goto(f"{live.backend.url}/#/trainings/{job}")
        link = page.get_by_role("link", name="This training in MLflow")
        expect(link).to_have_attribute("href", f"{mlflow.url}/#/experiments/3/runs/r1")
        folder = live.folder / "logs" / "tensorboard" / f"project-7-{job}"
        expect(page.get_by_text(str(folder))).to_be_visible()
        wait_until(lambda: mlflow.statuses, "the end is in MLflow")
    finally:
        page.close()
        live.backend.stop()
        studio.stop()


def test_a_training_that_its_tracker_lacks_says_so(tmp_path: Path, browser: Browser) -> None:
    package("mlflow")
    studio = FakeStudio()
    env = {
        "TRACKER": "mlflow",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
    }
    live = make_live(
        tmp_path / "backend", studio, "tracked_model", env={**env, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    )
    live.backend.start()
    page = browser.new_page()
    try:
        studio.add(7, 70)
        live.setup(7)
        job = live.send(created(7, 70))
        live.wait(job)
        wait_until(lambda: "fix" in live.job(job)["trackers"]["mlflow"], "the record says what is missing")
        page.goto(f"{live.backend.url}/#/trainings/{job}")
        expect(page.get_by_text("MLflow lacks this training:")).to_be_visible()
        expect(page.get_by_text("What to do: Check that MLflow runs")).to_be_visible()
        page.goto(f"{live.backend.url}/#/trainings")
        expect(page.get_by_text("MLflow lacks it")).to_be_visible()
    finally:
        page.close()
        live.backend.stop()
        studio.stop()
