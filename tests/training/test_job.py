"""The run object by itself, and as a `fit` gets it."""
# mypy: disable-error-code="no-untyped-def, override"

import itertools
import logging
import math
import re
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, generation
from label_studio_ml.protocol.requests import Event
from label_studio_ml.training.intake.synchronous import SynchronousIntake
from label_studio_ml.training.job import Report, TrainingJob
from label_studio_ml.training.metric_history import METRICS_FILE, History, metrics_in
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.process.training_process import limits, perform
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from live import created, start_training, uid


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")


def test_one_made_by_hand_needs_nothing() -> None:
    job = TrainingJob()
    job.progress(0.5, "half")
    job.log(step=1, loss=0.25)
    job.log(step=2, loss=0.125, accuracy=1)
    assert (job.id, job.previous, job.cancelled) == ("", None, False)
    assert job.metrics == {"loss": 0.125, "accuracy": 1}
    (job.workdir / "weights").write_text("w")
    assert job.workdir.is_dir()


def test_what_is_said_is_reported() -> None:
    said: list[Report] = []
    job = TrainingJob(report=said.append)
    numbers: list[Any] = [-1, 0.25, np.float32(0.5), 7]
    for fraction in numbers:
        job.progress(fraction, "two\n lines")
    assert [report.progress for report in said] == [0.0, 0.25, 0.5, 1.0]
    assert {report.message for report in said} == {"two lines"}
    job.log(step=3, loss=np.float64(0.5), count=np.int64(2), lost=math.nan)
    point = said[-1].point
    assert point is not None
    assert {**point, "time": ""} == {"step": 3, "time": "", "loss": 0.5, "count": 2, "lost": None}


def test_parameters_have_no_secrets() -> None:
    said: list[Report] = []
    job = TrainingJob(report=said.append)
    address = "postgres://me:" + "p" * 3000 + "@host/db"
    job.log_params(api_key="CANARY", db_pwd="CANARY", max_tokens=5, tokenizer="bert", source=address)
    assert said[0].params == {"max_tokens": "5", "tokenizer": "bert", "source": "postgres://…@host/db"}


def test_secrets_within_parameters_are_masked() -> None:
    reports: list[Report] = []
    config = {"password": "S1", "x": [{"token": "S2", "lr": 0.1}], "y": ({"api_key": "S3"},)}
    command_line = "train --token=S4 --api-key S5 --epochs 3; Authorization: Bearer S6"
    text = SimpleNamespace(password="S7 S7", lr=0.1)
    TrainingJob(report=reports.append).log_params(config=config, cmd=command_line, text=text)
    assert reports[0].params == {
        "config": "{'x': [{'lr': 0.1}], 'y': ({},)}",
        "cmd": "train --token=… --api-key … --epochs 3; Authorization: …",
        "text": "namespace(password=…, lr=0.1)",
    }


class Unconvertible:
    """A value whose conversions raise, as a tensor of two elements does."""

    def __float__(self) -> float:
        raise RuntimeError("two elements")

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "value", [10**400, Fraction(10**400), Unconvertible()], ids=["int", "fraction", "raises"]
)
def test_values_that_cannot_be_converted_are_left_out(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    reports: list[Report] = []
    job = TrainingJob(report=reports.append)
    job.log(step=value, loss=value, count=2**70)
    job.log_previous(loss=value)
    job.progress(value)
    (report,) = reports
    assert report.point is not None
    assert {**report.point, "time": ""} == {"time": "", "count": float(2**70)}
    assert msgspec.json.encode(report)
    assert job.previous_metrics == {}
    assert f"loss is {type(value).__name__}, not a number" in caplog.text


def test_a_parameter_without_a_text_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    reports: list[Report] = []
    TrainingJob(report=reports.append).log_params(a=1, b=Unconvertible())
    assert reports[0].params == {"a": "1"}
    assert "job.log_params: b cannot be converted" in caplog.text


def test_metrics_with_the_names_of_a_points_fields_leave_them_alone() -> None:
    said: list[Report] = []
    job = TrainingJob(report=said.append)
    job.log(1, time=2.5, time_=3.5, self=4.5)
    job.log_params(self="a")
    job.log_previous(self=5.5)
    point = said[0].point
    assert point is not None
    datetime.fromisoformat(point["time"])
    assert (point["time_"], point["time__"], point["self"]) == (2.5, 3.5, 4.5)
    assert metrics_in(point) == job.metrics == {"time": 2.5, "time_": 3.5, "self": 4.5}


@pytest.mark.parametrize("value", ["0.5", object(), [1, 2], np.zeros(2), None])
def test_what_is_no_number_costs_no_training(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    job = TrainingJob()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            job.log(bad=value, loss=1.0)
    assert job.metrics == {"loss": 1.0}
    assert caplog.text.count("bad is") == 1


def test_cancelled_stays_cancelled() -> None:
    answers = [True, False, False]
    job = TrainingJob(asked=lambda: answers.pop())
    assert [job.cancelled for _ in range(5)] == [False, False, True, True, True]


class Seed(LabelStudioMLBase):
    fit_timeout = 60
    cancel_grace = 0.5

    def fit(self, annotations, job, **kwargs):
        job.log(step=1, loss=0.5, accuracy=0.1)
        job.progress(1, "done")
        (job.workdir / "weights").write_text("w")
        return {"accuracy": 0.75, "before": job.previous and job.previous.metrics}


class Events(LabelStudioMLBase):
    def fit(self, event, data, job=None):
        assert job is not None
        job.log(seen=1)
        self.set("count", str(int(self.get("count") or 0) + 1))


class OnlyKeywords(LabelStudioMLBase):
    def fit(self, event, data, **kwargs):
        kwargs["job"].progress(1.0)
        self.set("job", kwargs["job_id"])


class Unnamed(LabelStudioMLBase):
    def fit(self, rows, job):
        return {}


def test_a_fit_that_takes_rows_and_its_job_takes_annotations() -> None:
    assert generation(Unnamed) == "seed"
    assert generation(Events) == "event"


def _local(
    settings: Settings, kind: type[LabelStudioMLBase], times: int
) -> tuple[SynchronousIntake, list[str]]:
    intake = SynchronousIntake(settings, kind)
    jobs = []
    for number in range(times):
        data = created(1, number + 1)
        event = Event(action=data["action"], uid=uid(1), label_config="", title="", data=data)
        job = intake.hand_in(event, trusted=True, train=True)
        assert job is not None
        jobs.append(job)
    return intake, jobs


def test_in_tests_of_models_it_is_the_same(settings: Settings) -> None:
    intake, jobs = _local(settings, Seed, 2)
    store = VersionStore(settings.model_dir)
    first, second = store.versions(uid(1))
    assert first.metrics == {"loss": 0.5, "accuracy": 0.75}, "what fit returned wins"
    assert second.train_output["before"] == first.metrics
    assert (store.folder(uid(1), first.id) / METRICS_FILE).read_bytes().count(b"\n") == 1
    status = intake.job_status(jobs[1])
    assert status is not None
    assert (status["progress"], status["message"]) == (1.0, "done")
    assert status["model_version"] == second.name
    points = intake.job_metrics(jobs[1])
    assert points is not None
    assert points["points"][0]["loss"] == 0.5
    assert [job["job"] for job in intake.jobs(uid(1), 5)] == jobs[::-1]


@pytest.mark.parametrize("kind", [Events, OnlyKeywords])
def test_event_classes_get_it_too(settings: Settings, kind: type[LabelStudioMLBase]) -> None:
    _local(settings, kind, 1)
    (version,) = VersionStore(settings.model_dir).versions(uid(1))
    assert version.metrics == ({"seen": 1} if kind is Events else {})


def _request(settings: Settings, *events: dict[str, Any]) -> RunRequest:
    workdir = settings.model_dir / "workdir"
    workdir.mkdir(parents=True, exist_ok=True)
    stored = [StoredEvent(event["action"], event, id=f"{number}-0") for number, event in enumerate(events)]
    return RunRequest("job", ModelSpec(project=Project(uid=uid(1))), stored, str(workdir))


def test_a_run_that_is_cancelled_before_its_fit_has_none(settings: Settings) -> None:
    rows = [{"id": 1, "annotations": [{"id": 1, "result": []}]}]
    job = TrainingJob("job", settings.model_dir / "workdir", asked=lambda: True)
    request = _request(settings, {**start_training(1), "annotations": rows})
    outcome = perform(Seed, request, settings, job=job)
    assert (outcome.changed, job.metrics) == (False, {})


def test_events_after_the_cancelled_one_are_not_fitted(settings: Settings) -> None:
    job = TrainingJob("job", settings.model_dir / "workdir")
    job._asked = lambda: len(job.history.points()) >= 2
    outcome = perform(
        Events, _request(settings, *(created(1, number) for number in range(5))), settings, job=job
    )
    assert len(job.history.points()) == 2
    assert not outcome.changed


def test_settings_win_over_the_class(settings: Settings, tmp_path: Path) -> None:
    assert (limits(Seed, settings).fit_timeout, limits(Seed, settings).cancel_grace) == (60.0, 0.5)
    other = Settings(backend_dir=tmp_path, fit_timeout=0.0, cancel_grace=3.0)
    assert (limits(Seed, other).fit_timeout, limits(Seed, other).cancel_grace) == (0.0, 3.0)


def test_a_long_history_is_thinned_evenly_and_keeps_its_end() -> None:
    history = History(100)
    for step in range(10_000):
        history.add({"step": step, "loss": 1.0})
        if step % 1000 == 0:
            history.add({"step": step, "accuracy": 0.5})
    points = history.points()
    assert len(points) <= 102
    assert sum("accuracy" in point for point in points) == 10, "what is logged seldom is kept"
    steps = [point["step"] for point in points if "loss" in point]
    assert steps[0] == 0
    assert steps[-1] == 9999
    gaps = {after - before for before, after in itertools.pairwise(steps[:-1])}
    assert len(gaps) == 1


def test_a_history_with_other_names_in_each_point_is_bounded() -> None:
    history = History(10)
    for step in range(200):
        history.add({f"loss of step {step}": 1.0})
        history.add({"loss": 1.0, "step": step})
    points = history.points()
    assert len(points) <= 20
    assert points[-2:] == [{"loss of step 199": 1.0}, {"loss": 1.0, "step": 199}]


def test_a_file_of_the_user_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / METRICS_FILE).write_text("mine")
    history = History()
    history.add({"loss": 1})
    history.write(tmp_path)
    assert (tmp_path / METRICS_FILE).read_text() == "mine"


def test_what_fit_says_of_the_version_before() -> None:
    job = TrainingJob()
    job.log_previous(loss=2, accuracy=np.float32(0.5), name="x")
    job.log_previous(loss=float("nan"))
    assert job.previous_metrics == {"loss": None, "accuracy": 0.5}
    assert job.metrics == {}, "they are not this run's"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda job: job.progress("half"),
            "fraction of job.progress must be .*0 to 1.*, not the text 'half'",
        ),
        (lambda job: job.progress(None), "fraction of job.progress must be .*, not None"),
        (lambda job: job.progress([1]), "fraction of job.progress must be .*, not a list"),
        (lambda job: job.progress(math.nan), "fraction of job.progress must be .*, not nan"),
        (lambda job: job.progress(50), "fraction of job.progress must be .*half.*, not 50"),
        (
            lambda job: job.log(step="first", loss=1),
            "step of job.log must be a number .*, not the text 'first'",
        ),
        (lambda job: job.log({"loss": 1}), r"step of job.log must be .*job.log\(loss=0.3\)\), not a dict"),
        (lambda job: job.log(0.5), "job.log has no metrics to record"),
    ],
)
def test_what_job_cannot_use_is_told_and_costs_no_training(
    call: Any, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = TrainingJob()
    with caplog.at_level(logging.WARNING):
        call(job)
        told = len(caplog.records)
        call(job)
    assert re.search(text, caplog.text)
    assert len(caplog.records) == told  # once


def test_sums_of_fractions_are_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    said: list[Report] = []
    job = TrainingJob(report=said.append)
    job.progress(sum([0.1] * 10) + 1e-12)
    job.log(step="last", loss=0.25)  # type: ignore[arg-type]
    assert said[0].progress == 1.0
    assert said[1].point is not None
    assert "step" not in said[1].point
    assert said[1].point["loss"] == 0.25
    assert "progress" not in caplog.text


def test_parameters_are_reported_as_short_texts() -> None:
    reports: list[Report] = []
    job = TrainingJob(report=reports.append)
    job.log_params(epochs=3, name="x" * 3000, broken="\ud800")
    job.log_params()
    (report,) = reports
    assert report.params == {"epochs": "3", "name": "x" * 2000, "broken": "\\ud800"}
