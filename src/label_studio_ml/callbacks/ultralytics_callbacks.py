"""Report a training with ultralytics. The package is not imported: it calls functions that are given to it."""

from typing import Any, Protocol, TypeVar

from label_studio_ml.callbacks.reported_values import log_numbers
from label_studio_ml.training.job import TrainingJob


class TakesCallbacks(Protocol):
    """A model of ultralytics, such as `YOLO`."""

    def add_callback(self, event: str, func: Any) -> None:
        """Have `func` called with the trainer at each `event`."""


Model = TypeVar("Model", bound=TakesCallbacks)


def follow_ultralytics(job: TrainingJob, model: Model) -> Model:
    """Add callbacks to a model of ultralytics that report its `train`, and return the model.

    They report the batch, and after each epoch the losses and the metrics of the validation. After a cancellation,
    ultralytics stops at the end of the epoch (`trainer.stop`).
    """

    def begin(trainer: Any) -> None:
        names = ("epochs", "batch", "imgsz", "optimizer", "lr0", "seed")
        job.log_params(**{name: getattr(trainer.args, name) for name in names if hasattr(trainer.args, name)})

    seen = {"epoch": -1, "batches": 0}

    def end_batch(trainer: Any) -> None:
        if job.cancelled:
            trainer.stop = True
        if trainer.epoch != seen["epoch"]:
            seen.update(epoch=trainer.epoch, batches=0)
        seen["batches"] += 1
        share = min(1.0, seen["batches"] / max(1, len(trainer.train_loader)))
        job.progress(
            min(1.0, (trainer.epoch + share) / max(1, trainer.epochs)),
            f"epoch {trainer.epoch + 1} of {trainer.epochs}",
        )

    def end_epoch(trainer: Any) -> None:
        if job.cancelled:
            trainer.stop = True
        losses = trainer.label_loss_items(trainer.tloss) if trainer.tloss is not None else {}
        log_numbers(job, trainer.epoch + 1, {**losses, **(trainer.metrics or {})})

    model.add_callback("on_train_start", begin)
    model.add_callback("on_train_batch_end", end_batch)
    model.add_callback("on_fit_epoch_end", end_epoch)
    return model
