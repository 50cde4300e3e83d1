"""Delivery to trackers that fail, refuse or are missing; the tracker is a stand-in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.trackers import delivery as delivery_module
from label_studio_ml.trackers.delivery import Delivery
from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult, TrackerAnswer
from label_studio_ml.trackers.tracked_run import Refused


class StandIn:
    """A run in no tracker: it keeps what it gets, and raises the errors in `errors` first."""

    stores_files = True

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.params: dict[str, str] = {}
        self.points: list[Mapping[str, Any]] = []
        self.folders: list[Path] = []
        self.results: list[RunResult] = []

    def open(self, description: RunDescription) -> "StandIn":
        self._fail()
        return self

    @property
    def link(self) -> RunLink:
        return RunLink(run="1", url="http://tracker/1")

    def log_params(self, params: Mapping[str, str]) -> None:
        self._fail()
        self.params |= params

    def log_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._fail()
        self.points += points

    def log_folder(self, folder: Path, result: RunResult) -> None:
        self.folders.append(folder)
        self._fail()

    def finish(self, result: RunResult) -> None:
        self._fail()
        self.results.append(result)

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


class Bench:
    """A delivery to a stand-in, with a clock that a test sets."""

    def __init__(self) -> None:
        self.tracker = StandIn()
        self.answers: list[TrackerAnswer] = []
        self.now = 0.0
        description = RunDescription(job="j1", name="n", params={"job": "j1"})
        self.delivery = Delivery("MLflow", self.tracker.open, self.answers.append, description)

    def step(self, seconds: float = 1000.0) -> None:
        self.now += seconds
        self.delivery.step(lambda: self.now)

    @property
    def warnings(self) -> list[str]:
        return [answer.warning for answer in self.answers if answer.warning]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def _point(step: int) -> dict[str, Any]:
    return {"step": step, "time": "2026-12-01T00:00:00.000+00:00", "loss": 1.0 / (step + 1)}


def test_everything_arrives_in_order_and_once(bench: Bench) -> None:
    bench.delivery.add_point(_point(0))
    bench.step()
    bench.delivery.add_params({"lr": "0.1"})
    bench.delivery.add_point(_point(1))
    bench.step()
    bench.delivery.end(
        RunResult(status="finished", metrics={"loss": 0.5, "accuracy": 0.9}, params={"v": "1"})
    )
    assert not bench.delivery.done
    bench.step()
    assert bench.delivery.done
    assert bench.tracker.params == {"job": "j1", "lr": "0.1", "v": "1"}
    assert [point.get("step") for point in bench.tracker.points] == [0, 1, None]
    assert bench.tracker.points[-1]["accuracy"] == 0.9
    assert "loss" not in bench.tracker.points[-1], "it was logged with this value"
    assert [answer.link.url for answer in bench.answers if answer.link] == ["http://tracker/1"]
    assert bench.warnings == []


def test_an_outage_is_warned_of_once_and_loses_nothing(bench: Bench) -> None:
    bench.tracker.errors = [ConnectionError("http://user:secret@host is away\nline 2")] * 3
    bench.delivery.add_point(_point(0))
    for _ in range(3):
        bench.step()
        bench.step(0.0)  # the pause is not over
    assert len(bench.tracker.errors) == 0
    (warning,) = bench.warnings
    assert warning.startswith("MLflow: http://[secret]@host is away line 2; the training goes on")
    bench.delivery.end(RunResult(status="killed"))
    bench.step()
    assert [point["step"] for point in bench.tracker.points] == [0]
    assert [result.status for result in bench.tracker.results] == ["killed"]


def test_refused_values_are_left_out_and_the_rest_goes_on(bench: Bench) -> None:
    bench.step()
    bench.delivery.add_point(_point(0))
    bench.tracker.errors = [Refused("not this one")]
    bench.step()
    bench.delivery.add_point(_point(1))
    bench.step()
    assert [point["step"] for point in bench.tracker.points] == [1]
    assert bench.warnings == ["MLflow: it refused values, which are left out: not this one"]


def test_a_missing_package_is_said_with_the_command_and_ends_it(bench: Bench) -> None:
    bench.tracker.errors = [ModuleNotFoundError("No module named 'mlflow'", name="mlflow")]
    bench.step()
    bench.step()
    assert bench.warnings == ["MLflow: its package mlflow is not installed: pip install mlflow"]
    assert not bench.delivery.done
    bench.delivery.end(RunResult(status="finished"))
    bench.step()
    assert bench.delivery.done
    assert bench.tracker.results == []


def test_files_are_stored_once_up_to_the_limit(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"x" * 2000)
    bench.delivery.end(RunResult(status="finished", version="v1", folder=str(tmp_path), max_bytes=2000))
    bench.step()
    assert bench.tracker.folders == [tmp_path]
    assert bench.warnings == []


def test_larger_files_are_not_stored_and_the_run_still_ends(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"x" * (3 << 20))
    bench.delivery.end(RunResult(status="finished", version="v1", folder=str(tmp_path), max_bytes=1 << 20))
    bench.step()
    assert bench.tracker.folders == []
    (warning,) = bench.warnings
    assert warning.endswith("version v1 are not stored: they have 3 MiB, more than TRACKER_ARTIFACT_MB=1")
    assert len(bench.tracker.results) == 1


def test_files_that_cannot_be_stored_do_not_keep_the_run_open(bench: Bench, tmp_path: Path) -> None:
    bench.step()
    bench.tracker.errors = [OSError("no space left")]
    bench.delivery.end(RunResult(status="finished", version="v1", folder=str(tmp_path), max_bytes=1))
    bench.step()
    assert bench.delivery.done
    assert bench.warnings == ["MLflow: the files of version v1 are not stored: no space left"]


def test_points_that_wait_are_thinned_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "MAX_POINTS", 20_000)
    bench.tracker.errors = [ConnectionError("away")]
    for step in range(30_000):
        bench.delivery.add_point(_point(step))
    bench.step()
    bench.step()
    steps = [point["step"] for point in bench.tracker.points]
    assert len(steps) <= 10_001
    assert (steps[0], steps[-1]) == (0, 29_999)


def test_what_did_not_arrive_in_time_is_said(bench: Bench) -> None:
    bench.tracker.errors = [ConnectionError("away")]
    bench.delivery.add_point(_point(0))
    bench.step()
    bench.delivery.give_up()
    assert bench.warnings[-1] == (
        "MLflow: it did not answer in time: 1 point of metrics and the end of the run did not reach it"
    )
