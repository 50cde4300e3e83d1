"""Which of a library's metrics are reported."""

import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from label_studio_ml.callbacks import lightning_callback
from label_studio_ml.callbacks.reported_values import log_numbers, numbers_of
from label_studio_ml.training.job import TrainingJob


def test_numbers_and_what_can_be_one_are_reported() -> None:
    import numpy

    metrics = {
        "loss": 1,
        "one": numpy.array([0.5]),
        "several": numpy.array([1.0, 2.0]),
        "text": "1",
        "flag": True,
        "none": None,
    }
    assert numbers_of(metrics) == {"loss": 1.0, "one": 0.5}


def test_a_metric_may_have_the_name_of_a_parameter_or_of_a_field_of_points() -> None:
    job = TrainingJob()
    names = {*inspect.signature(TrainingJob.log).parameters, "self", "time", "metrics"}
    log_numbers(job, 7, {**dict.fromkeys(names, 0.25), "loss": 0.5})
    (point,) = job.history.points()
    assert point["step"] == 7
    assert point["time"] != 0.25
    assert job.metrics == {**dict.fromkeys(names - {"step"}, 0.25), "loss": 0.5}


def test_without_a_number_nothing_is_reported() -> None:
    job = TrainingJob()
    log_numbers(job, 7, {"step": 3.0, "text": "1"})
    assert job.history.points() == []


def test_a_step_that_a_module_of_lightning_logs_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = ModuleType("lightning.pytorch")
    package.Callback = object
    monkeypatch.setitem(sys.modules, "lightning.pytorch", package)
    job = TrainingJob()
    trainer = SimpleNamespace(
        is_global_zero=True, global_step=8, callback_metrics={"loss": 0.5, "step": 1.0, "self": 2.0}
    )
    callback: Any = lightning_callback(job)
    callback.on_train_epoch_end(trainer, None)
    (point,) = job.history.points()
    assert {**point, "time": ""} == {"step": 8, "time": "", "loss": 0.5, "self": 2.0}
