"""Report a training with the Trainer of Hugging Face transformers."""

from typing import TYPE_CHECKING, Any

from label_studio_ml.callbacks.reported_values import log_numbers
from label_studio_ml.training.job import TrainingJob

if TYPE_CHECKING:
    from transformers import TrainerCallback

#: The arguments of a training that are recorded as its parameters.
_PARAMS = (
    "learning_rate",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "weight_decay",
    "warmup_steps",
    "lr_scheduler_type",
    "optim",
    "seed",
)


def transformers_callback(job: TrainingJob) -> "TrainerCallback":
    """Return a callback for `Trainer(callbacks=[...])`; also for the trainers of trl and others that extend it.

    It reports the step, the metrics that the Trainer logs (`logging_steps`, evaluations), and the arguments of the
    training. After a cancellation, the Trainer stops at the end of the current step. With several processes, the first
    one reports.
    """
    from transformers import TrainerCallback

    class JobCallback(TrainerCallback):  # type: ignore[misc]
        """Reports to `job`."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                job.log_params(**_params_of(args))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if job.cancelled:
                control.should_training_stop = True
            if state.is_world_process_zero and state.max_steps > 0:
                share = min(1.0, state.global_step / state.max_steps)
                job.progress(share, f"step {state.global_step} of {state.max_steps}")

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
        ) -> None:
            if state.is_world_process_zero:
                log_numbers(job, state.global_step, logs or {})

    return JobCallback()


def _params_of(args: Any) -> dict[str, Any]:
    """Return the arguments in `_PARAMS` that there are; of an enum, its value."""
    values = {name: getattr(args, name) for name in _PARAMS if hasattr(args, name)}
    return {name: getattr(value, "value", value) for name, value in values.items()}
