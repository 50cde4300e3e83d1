"""Report a training with PyTorch Lightning, of the package `lightning` or `pytorch_lightning`."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from label_studio_ml.callbacks.reported_values import log_numbers
from label_studio_ml.training.job import TrainingJob

if TYPE_CHECKING:
    from lightning.pytorch import Callback

#: The packages that have Lightning's trainer. A callback has to be from the same one as the trainer.
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def lightning_callback(job: TrainingJob) -> "Callback":
    """Return a callback for `Trainer(callbacks=[...])`.

    It reports the step, and the metrics that the module logs with `self.log`. After a cancellation, the trainer stops
    after the current batch, also before `min_epochs` and `min_steps`. With several processes, the first one reports.
    """
    base: Any = _package().Callback

    class JobCallback(base):  # type: ignore[misc]
        """Reports to `job`."""

        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any, **__: Any) -> None:
            if job.cancelled:
                _stop(trainer)
            if not trainer.is_global_zero:
                return
            step, total = trainer.global_step, trainer.estimated_stepping_batches
            if 0 < total < float("inf"):
                job.progress(
                    min(1.0, step / total), f"step {step} of {total:g}, epoch {trainer.current_epoch + 1}"
                )
            if step % trainer.log_every_n_steps == 0:
                _log(job, trainer)

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero and not trainer.sanity_checking:
                _log(job, trainer)

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero:
                _log(job, trainer)

    return JobCallback()


def _package() -> Any:
    """Return the module of the package that user code has imported, else the first one that is installed."""
    for name in _PACKAGES:
        if name in sys.modules:
            return sys.modules[name]
    for name in _PACKAGES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError("PyTorch Lightning is not installed: pip install lightning", name="lightning")


def _stop(trainer: Any) -> None:
    """Stop after this batch: Lightning ignores `should_stop` until the least epochs and steps are done."""
    trainer.fit_loop.min_epochs = 0
    trainer.fit_loop.epoch_loop.min_steps = None
    trainer.should_stop = True


def _log(job: TrainingJob, trainer: Any) -> None:
    log_numbers(job, trainer.global_step, trainer.callback_metrics)
