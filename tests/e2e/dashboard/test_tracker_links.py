"""The links to trackers on a training's page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from live import FakeStudio, created, make_live
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
        wait_until(lambda: len(live.job(job).get("trackers", {})) == 2, "the links are in the record")
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
