"""Delivery to trackers that fail, refuse or are missing; the tracker is a stand-in."""

import string
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.trackers.delivery import Delivery
from label_studio_ml.trackers.messages import Gap, RunDescription, RunLink, RunResult, TrackerAnswer
from label_studio_ml.trackers.tracked_run import Refused, Unavailable, metrics_of
from label_studio_ml.training.metric_history import MAX_POINTS, new_point


class StandIn:
    """A run in no tracker: it keeps what it gets, and raises the errors in `errors` first."""

    stores_files = True

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.refuses: Callable[[Mapping[str, Any]], Exception | None] = lambda _: None
        self.params: dict[str, str] = {}
        self.points: list[Mapping[str, Any]] = []
        self.folders: list[Path] = []
        self.results: list[RunResult] = []
        self.closed = False

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
        for error in filter(None, map(self.refuses, points)):
            raise error
        self.points += points

    def log_folder(self, folder: Path, result: RunResult) -> None:
        assert self.results, "the end is stored before files that may take long"
        assert not self.closed
        self.folders.append(folder)
        self._fail()

    def remove_old_files(self, result: RunResult) -> None:
        self._fail()

    def log_result(self, result: RunResult) -> None:
        self._fail()
        self.results.append(result)

    def close(self, result: RunResult) -> None:
        self._fail()
        self.closed = True

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

    @property
    def gaps(self) -> list[Gap]:
        """The gaps that were reported, in order."""
        return [answer.gap for answer in self.answers if answer.gap is not None]


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
    assert [point.get("step") for point in bench.tracker.points] == [0, 1, 2]
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
    assert warning.startswith("MLflow: http://…@host is away line 2; the training goes on")
    bench.delivery.end(RunResult(status="killed"))
    bench.step()
    assert [point["step"] for point in bench.tracker.points] == [0]
    assert [result.status for result in bench.tracker.results] == ["killed"]


class MlflowError(Exception):
    """An error as that of MLflow's client."""

    def __init__(self, status: int, text: str = "no") -> None:
        super().__init__(text)
        self.status = status

    def get_http_status_code(self) -> int:
        return self.status


def _caused_by(cause: Exception) -> Exception:
    error = Unavailable("no")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MlflowError(401),
        _caused_by(MlflowError(403)),
        Exception("API request to endpoint failed with error code 401 != 200. " + "x" * 600),
        OSError("403 Client Error: Forbidden for url: http://host/"),
        type("AuthenticationError", (Exception,), {})("no"),
    ],
    ids=["status", "cause", "long", "client", "class"],
)
def test_a_refused_login_is_not_said_to_pass_by_itself(bench: Bench, error: Exception) -> None:
    bench.tracker.errors = [error]
    bench.step()
    (warning,) = bench.warnings
    assert "sent later" not in warning
    assert "correct the login, or what it may do" in warning
    assert warning.endswith("stays in metrics.jsonl of its version")
    assert bench.gaps[-1].problem.endswith("(the login is refused)") or len(str(error)) > 500


@pytest.mark.parametrize(
    "error", [MlflowError(503), Exception("internal error 500"), ConnectionError("away")]
)
def test_another_error_is_no_refused_login(bench: Bench, error: Exception) -> None:
    bench.tracker.errors = [error]
    bench.step()
    assert bench.warnings[0].endswith("; the training goes on, and what is logged is sent later")


def test_refused_values_are_left_out_and_the_rest_goes_on(bench: Bench) -> None:
    bench.step()
    bench.delivery.add_point(_point(0))
    bench.tracker.errors = [Refused("not this one")]
    bench.step()
    bench.delivery.add_point(_point(1))
    bench.step()
    assert [point["step"] for point in bench.tracker.points] == [1]
    assert bench.warnings == ["MLflow: it refused a value, which is left out: not this one"]


@pytest.mark.parametrize("error", [Refused("bad value"), ValueError("bad value")])
def test_a_bad_value_keeps_no_other_back(bench: Bench, error: Exception) -> None:
    bench.step()
    bench.tracker.refuses = lambda point: error if point.get("bad") == 3 else None
    for step in range(6):
        bench.delivery.add_point({**_point(step), "bad": step})
    for _ in range(3):
        bench.step()
    assert [point["step"] for point in bench.tracker.points if "loss" in point] == [0, 1, 2, 3, 4, 5]
    assert [point["bad"] for point in bench.tracker.points if "bad" in point] == [0, 1, 2, 4, 5]
    assert [line for line in bench.warnings if "left out" in line] == [
        "MLflow: it refused a value, which is left out: bad value"
    ]
    bench.delivery.end(RunResult(status="finished"))
    bench.step()
    assert bench.delivery.done


def test_points_without_a_step_have_their_number_also_after_a_refusal(bench: Bench) -> None:
    bench.step()
    bench.tracker.refuses = lambda point: Refused("bad value") if point.get("bad") == 1 else None
    for bad in range(3):
        bench.delivery.add_point(new_point({"loss": bad / 2, "bad": bad}))
        bench.step()
    bench.delivery.add_point(new_point({"accuracy": 0.9}, 70))
    bench.delivery.end(RunResult(status="finished", metrics={"f1": 0.5}))
    bench.step()
    sent = [(point["step"], metrics_of(point)) for point in bench.tracker.points]
    assert sent == [
        (0, {"loss": 0.0, "bad": 0}),
        (1, {"loss": 0.5}),
        (2, {"loss": 1.0, "bad": 2}),
        (70, {"accuracy": 0.9}),
        (4, {"f1": 0.5}),
    ]


def test_a_bad_parameter_keeps_no_other_back(bench: Bench) -> None:
    bench.step()
    bench.delivery.add_params({"a": "1", "b": "2"})
    bench.tracker.errors = [Refused("both"), Refused("a")]
    bench.step()
    assert bench.tracker.params == {"job": "j1", "b": "2"}


@pytest.mark.parametrize("error", [ConnectionError("away"), Unavailable("away"), TimeoutError("away")])
def test_an_outage_is_no_refusal_however_long_it_is(bench: Bench, error: Exception) -> None:
    bench.step()
    bench.delivery.add_point(_point(0))
    bench.tracker.errors = [error] * 10
    for _ in range(11):
        bench.step()
    assert [point["step"] for point in bench.tracker.points] == [0]


def test_an_outage_while_values_are_sent_one_by_one_repeats_none(bench: Bench) -> None:
    bench.step()
    for step in range(3):
        bench.delivery.add_point(_point(step))
    bench.tracker.errors = [Refused("one of them"), ConnectionError("away")]
    bench.step()
    bench.step()
    assert [point["step"] for point in bench.tracker.points] == [0, 1, 2]


def test_metrics_with_the_names_of_a_points_fields_are_metrics(bench: Bench) -> None:
    bench.delivery.add_point(new_point({"time": 2.5}, 1))
    bench.delivery.end(RunResult(status="finished", metrics={"time": 2.5, "step": 7}))
    bench.step()
    assert [metrics_of(point) for point in bench.tracker.points] == [{"time": 2.5}, {"step": 7}]
    for point in bench.tracker.points:
        datetime.fromisoformat(point["time"])


def test_an_error_that_differs_in_addresses_and_numbers_is_warned_of_once(bench: Bench) -> None:
    bench.tracker.errors = [
        ConnectionError(f"<Connection at {number:#x}>: request 7f3a-{number} failed") for number in range(5)
    ]
    for _ in range(5):
        bench.step()
    assert len(bench.tracker.errors) == 0
    assert len(bench.warnings) == 1
    assert len(bench.gaps) == 1


def test_warnings_are_limited(bench: Bench) -> None:
    bench.tracker.errors = [ConnectionError(letter * 3) for letter in string.ascii_letters]
    for _ in string.ascii_letters:
        bench.step()
    assert len(bench.warnings) == 20


@pytest.mark.parametrize(
    ("error", "warning"),
    [
        (ImportError("cannot import name 'x'"), "its package cannot be imported: cannot import name 'x'"),
        (ModuleNotFoundError("no module"), "its package cannot be imported: no module"),
        (
            ModuleNotFoundError("no", name="google.x"),
            "its package google is not installed: pip install google",
        ),
    ],
)
def test_a_package_that_cannot_be_imported_is_said(bench: Bench, error: Exception, warning: str) -> None:
    bench.tracker.errors = [error]
    bench.step()
    bench.delivery.end(RunResult(status="finished"))
    bench.step()
    assert bench.warnings == [f"MLflow: {warning}"]
    assert bench.delivery.done


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


def test_files_that_cannot_be_stored_do_not_keep_the_run_open(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.step()

    def fail(folder: Path, result: RunResult) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(bench.tracker, "log_folder", fail)
    bench.delivery.end(RunResult(status="finished", version="v1", folder=str(tmp_path), max_bytes=1))
    bench.step()
    assert bench.delivery.done
    assert bench.tracker.closed
    assert bench.warnings == ["MLflow: the files of version v1 are not stored: no space left"]


def test_old_files_that_cannot_be_removed_are_no_failure_of_the_upload(bench: Bench, tmp_path: Path) -> None:
    bench.step()

    def fail(result: RunResult) -> None:
        raise PermissionError("not allowed")

    bench.tracker.remove_old_files = fail  # type: ignore[method-assign]
    bench.delivery.end(RunResult(status="finished", version="v1", folder=str(tmp_path), max_bytes=1))
    bench.step()
    assert bench.delivery.done
    assert bench.tracker.closed
    assert bench.warnings == ["MLflow: the files of earlier versions are not removed: not allowed"]


def test_points_that_wait_are_thinned_out(bench: Bench) -> None:
    bench.step()
    bench.tracker.errors = [ConnectionError("away")] * 3
    for first in range(0, 24_000, 8_000):
        for step in range(first, first + 8_000):
            bench.delivery.add_point(_point(step))
        bench.step()
    assert bench.tracker.errors == []
    bench.step()
    steps = [point["step"] for point in bench.tracker.points]
    assert 5_000 <= len(steps) <= MAX_POINTS + 1
    assert (steps[0], steps[-1]) == (0, 23_999)
    assert steps == sorted(steps)


def test_what_did_not_arrive_in_time_is_said(bench: Bench) -> None:
    bench.tracker.errors = [ConnectionError("away")]
    bench.delivery.add_point(_point(0))
    bench.step()
    bench.delivery.give_up()
    assert bench.warnings[-1] == (
        "MLflow: it did not answer in time: 1 point of metrics and the end of the run did not reach it"
    )


def test_an_upload_that_did_not_end_in_time_is_said(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.tracker, "log_folder", lambda folder, result: bench.delivery.give_up())
    bench.delivery.end(RunResult(status="finished", version="v1", folder=str(tmp_path), max_bytes=1))
    bench.step()
    assert [result.status for result in bench.tracker.results] == ["finished"]
    assert bench.warnings == [
        "MLflow: it did not answer in time: the files of the version may be missing there"
    ]


def test_an_outage_is_a_gap_until_everything_has_arrived(bench: Bench) -> None:
    bench.tracker.errors = [ConnectionError("http://user:secret@host is away")] * 2
    bench.delivery.add_point(_point(0))
    bench.step()
    bench.step()
    (gap,) = bench.gaps
    assert gap.problem == "http://…@host is away (tried again until 2 minutes after the training)"
    bench.step()
    assert bench.gaps[1:] == [Gap()]


def test_an_outage_with_its_own_advice_gives_it_to_the_end(bench: Bench) -> None:
    bench.tracker.errors = [Unavailable("a web page", "Set the address")] * 2
    bench.step()
    (warning,) = bench.warnings
    assert "; the training goes on without it. Set the address. What the training logs stays in" in warning
    assert bench.gaps[-1].fix == "Set the address"
    bench.delivery.end(RunResult(status="finished"))
    bench.step()
    bench.delivery.give_up()
    assert "the last error: a web page" in bench.gaps[-1].problem
    assert bench.gaps[-1].fix == "Set the address"


def test_what_was_refused_stays_a_gap(bench: Bench) -> None:
    bench.step()
    for number in range(5):
        bench.delivery.add_point(_point(number))
        bench.tracker.errors = [Refused(f"value {number}")]
        bench.step()
    bench.delivery.end(RunResult(status="finished"))
    bench.step()
    assert bench.delivery.done
    assert bench.gaps[0].problem == "it refused a value, which is left out: value 0"
    assert bench.gaps[-1].problem.endswith("value 4; more is in the job's log")
    assert "value 1" not in bench.gaps[-1].problem


def test_a_missing_package_is_a_gap_with_its_command(bench: Bench) -> None:
    bench.tracker.errors = [ModuleNotFoundError("No module named 'mlflow'", name="mlflow")]
    bench.step()
    assert bench.gaps == [Gap(problem="its package mlflow is not installed", fix="pip install mlflow")]


def test_a_gap_at_the_end_names_the_last_error(bench: Bench) -> None:
    bench.tracker.errors = [ConnectionError("Connection refused")]
    bench.step()
    bench.delivery.give_up()
    assert bench.gaps[-1].problem == (
        "it did not answer in time: the end of the run did not reach it (the last error: Connection refused)"
    )
