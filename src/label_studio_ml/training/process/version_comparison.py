"""Have a run's new version and the version before it measured on the same tasks, for the metric gate.

The metrics that two fits returned are not comparable if their held-out tasks differ. Both versions therefore predict
the tasks that the new version held out. A separate process does that (`evaluation.comparison`). It belongs to the run's
session, so that it ends with the run.
"""

import logging
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.metric_gate import Comparison, parse_gate
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.device_memory import release_memory
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.interpreter import command
from label_studio_ml.training.dataset import HELD_OUT
from label_studio_ml.training.process.messages import COMPARISON_TIMEOUT
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.versions.state.key_values import StoredState

logger = logging.getLogger(__name__)

#: Seconds between two checks whether the run was cancelled.
_CANCEL_CHECK_INTERVAL = 0.2


def metrics_to_compare(request: RunRequest, settings: Settings, outcome: Outcome) -> list[str]:
    """Return the names of the gate's metrics that are to be measured on the same tasks.

    The list is empty if there is nothing to publish, if there is no previous version, or if `fit` held out no tasks
    with `annotations.split`. Metrics of the previous version that `fit` reported (`job.log_previous`) are left out.
    """
    if not outcome.changed or request.previous is None or not (Path(request.workdir) / HELD_OUT).exists():
        return []
    gate = parse_gate(settings.promote_if or outcome.promote_if)
    return [name for name in gate.compared if name not in outcome.previous_metrics]


def compared(
    request: RunRequest,
    settings: Settings,
    outcome: Outcome,
    metrics: list[str],
    cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Return the outcome with the comparison of `metrics`. `cancelled` tells whether the run was cancelled.

    A failed comparison changes no other field of the outcome, because the training itself has succeeded.
    """
    previous = request.previous
    if previous is None:
        return outcome
    release_memory()  # two models are loaded next, and the trained one is not needed any more
    try:
        comparison = _compared(request, settings, outcome, metrics, cancelled)
    except (BackendError, OSError) as error:
        logger.warning("The new version and version %s were not compared: %s", previous.name, error)
        comparison = Comparison(version=previous.name, unfair=f"they cannot be compared: {error}")
    if comparison is not None:
        logger.info("The new version was %s", comparison.text())
    return msgspec.structs.replace(outcome, comparison=comparison)


def _compared(
    request: RunRequest,
    settings: Settings,
    outcome: Outcome,
    metrics: list[str],
    cancelled: Callable[[], bool],
) -> Comparison | None:
    """Return the comparison, None if the process decides to make none.

    Raises BackendError and OSError if the comparison fails, takes too long or is cancelled.
    """
    previous = request.previous
    assert previous is not None
    values = StoredState(settings.model_dir, request.spec.project.uid).items()
    new = ModelSpec(
        project=request.spec.project,
        version=outcome.version or Path(request.workdir).name,
        train_output=outcome.train_output,
    )
    request_data = {
        "new": _candidate(new, request.workdir, {**values, **outcome.state}),
        "previous": _candidate(request.spec, previous.path, values),
        "metrics": metrics,
    }
    answer, status = _run_comparison(settings, msgspec.json.encode(request_data), cancelled)
    try:
        return msgspec.json.decode(answer, type=Comparison | None)
    except msgspec.MsgspecError:
        raise BackendError(f"its process {describe_exit(status)}") from None


def _candidate(spec: ModelSpec, folder: str, state: dict[str, str]) -> dict[str, Any]:
    return {"spec": spec, "folder": folder, "state": state}


def _run_comparison(settings: Settings, request: bytes, cancelled: Callable[[], bool]) -> tuple[bytes, int]:
    """Run the comparison process on `request`; return its answer and exit status. The answer is empty if cancelled.

    Raises BackendError if the process takes longer than COMPARISON_TIMEOUT seconds, InterpreterError or OSError if it
    cannot be started.
    """
    deadline = time.monotonic() + COMPARISON_TIMEOUT
    process = subprocess.Popen(
        command(settings, "label_studio_ml.evaluation.comparison"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=settings.child_env(),
    )
    pending_input: bytes | None = request
    while True:
        try:
            answer, _ = process.communicate(pending_input, timeout=_CANCEL_CHECK_INTERVAL)
            return answer, process.returncode
        except subprocess.TimeoutExpired:
            pending_input = None
        timed_out = time.monotonic() > deadline
        if timed_out or cancelled():
            process.kill()
            process.communicate()
            if timed_out:
                raise BackendError(f"it took longer than {COMPARISON_TIMEOUT:g} s")
            return b"", process.returncode
