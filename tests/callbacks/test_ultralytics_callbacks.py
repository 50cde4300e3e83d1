"""The callbacks for ultralytics, called by a stand-in in the order in which ultralytics calls them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from label_studio_ml.callbacks import follow_ultralytics
from label_studio_ml.training.job import Report, TrainingJob


class ModelStandIn:
    """A named stand-in for `ultralytics.YOLO`: `train` calls the callbacks, and stops at the end of a batch."""

    def __init__(self) -> None:
        self.callbacks: dict[str, list[Callable[[Any], None]]] = {}
        self.trainer: Any = None

    def add_callback(self, event: str, func: Callable[[Any], None]) -> None:
        self.callbacks.setdefault(event, []).append(func)

    def train(self, epochs: int) -> None:
        self.trainer = trainer = SimpleNamespace(
            args=SimpleNamespace(epochs=epochs, batch=4, lr0=0.01),
            train_loader=[0, 1],
            epoch=0,
            epochs=epochs,
            stop=False,
            tloss=[0.5, 0.25],
            metrics={},
            label_loss_items=lambda losses: {"train/box_loss": losses[0], "train/cls_loss": losses[1]},
        )
        self._call("on_train_start")
        for trainer.epoch in range(epochs):
            for _ in trainer.train_loader:
                self._call("on_train_batch_end")
                if trainer.stop:
                    break
            trainer.metrics = {"metrics/mAP50(B)": 0.5 + trainer.epoch / 10, "names": "a"}
            self._call("on_fit_epoch_end")
            if trainer.stop:
                return

    def _call(self, event: str) -> None:
        for callback in self.callbacks.get(event, []):
            callback(self.trainer)


def test_batches_and_epochs_are_reported() -> None:
    reports: list[Report] = []
    job = TrainingJob(report=reports.append)
    follow_ultralytics(job, ModelStandIn()).train(epochs=2)
    assert [report.progress for report in reports if report.progress is not None] == [0.25, 0.5, 0.75, 1.0]
    assert [report.params for report in reports if report.params] == [
        {"epochs": "2", "batch": "4", "lr0": "0.01"}
    ]
    points = job.history.points()
    assert [(point["step"], point["metrics/mAP50(B)"]) for point in points] == [(1, 0.5), (2, 0.6)]
    assert points[0]["train/box_loss"] == 0.5
    assert "names" not in points[0]


def test_a_cancellation_sets_the_stop_switch() -> None:
    reports: list[Report] = []
    job = TrainingJob(report=reports.append, asked=lambda: len(reports) >= 2)
    model = follow_ultralytics(job, ModelStandIn())
    model.train(epochs=100)
    assert model.trainer.stop
    assert model.trainer.epoch == 0
