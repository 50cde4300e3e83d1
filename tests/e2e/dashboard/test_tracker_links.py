"""The links to trackers on a training's page, and what trackers lack of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from live import FakeStudio, Live, created, make_live
from studio.fake import FakeServer, Reply
from trackers.mlflow_stand_in import API, MlflowStandIn
from trackers.packages import package

from ..browser import Browser
from ..processes import wait_until

#: Returns a backend that tracks trainings with these settings, a training of it that has ended, and a page.
Train = Callable[[dict[str, str]], tuple[Live, str, Any]]


@pytest.fixture
def train(tmp_path: Path, browser: Browser) -> Iterator[Train]:
    """Return a function that makes a backend and trains with it once."""
    package("mlflow")
    studio, page = FakeStudio(), browser.new_page()
    backends: list[Live] = []

    def train_with(env: dict[str, str]) -> tuple[Live, str, Any]:
        live = make_live(tmp_path / "backend", studio, "tracked_model", env=env)
        backends.append(live)
        live.backend.start()
        studio.add(7, 70)
        live.setup(7)
        job = live.send(created(7, 70))
        live.wait(job)
        return live, job, page

    yield train_with
    page.close()
    for live in backends:
        live.backend.stop()
    studio.stop()


def _has_links(live: Live, job: str) -> bool:
    trackers = live.job(job).get("trackers", {})
    return len(trackers) == 2 and not any("problem" in tracker for tracker in trackers.values())


def test_a_training_links_to_its_run(tmp_path: Path, train: Train) -> None:
    package("tensorboardX")
    mlflow = MlflowStandIn(str(tmp_path / "artifacts"))
    try:
        live, job, page = train({"TRACKER": "mlflow,tensorboard", "MLFLOW_TRACKING_URI": mlflow.url})
        wait_until(lambda: _has_links(live, job), "the links are in the record")
        page.goto(f"{live.backend.url}/#/trainings/{job}")
        link = page.get_by_role("link", name="This training in MLflow")
        expect(link).to_have_attribute("href", f"{mlflow.url}/#/experiments/3/runs/r1")
        folder = live.folder / "logs" / "tensorboard" / f"project-7-{job}"
        expect(page.get_by_text(str(folder))).to_be_visible()
        wait_until(lambda: mlflow.statuses, "the end is in MLflow")
    finally:
        mlflow.stop()


def test_a_training_that_its_tracker_lacks_says_so(train: Train, browser: Browser) -> None:
    """Another program answers at the address, with a web page."""
    server = FakeServer()
    server.on(
        f"{API}/experiments/get-by-name", Reply(404, b"<html><title>Our intranet</title>" + b"<p>" * 999)
    )
    try:
        live, job, page = train({"TRACKER": "mlflow", "MLFLOW_TRACKING_URI": server.url})
        wait_until(lambda: "fix" in live.job(job)["trackers"]["mlflow"], "the record says what is missing")
        page.goto(f"{live.backend.url}/#/trainings/{job}")
        lacks = page.get_by_role("alert").filter(has_text="MLflow lacks this training:")
        expect(lacks).to_contain_text(
            f"{server.url} is not MLflow's address: it answers with a web page (Our intranet)"
        )
        expect(lacks).to_contain_text(
            "What to do: Set MLFLOW_TRACKING_URI to the address of the MLflow server"
        )
        browser.keep(page, "tracker-lacks", whole=True)
        page.goto(f"{live.backend.url}/#/trainings")
        expect(page.get_by_text("MLflow lacks it")).to_be_visible()
    finally:
        server.stop()
