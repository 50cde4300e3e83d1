"""Assign devices and threads to model processes."""

import os

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.guard import is_supported
from label_studio_ml.serving.runners.process_runner import ModelRunner, ProcessRunner
from label_studio_ml.serving.runners.runner_group import RunnerGroup
from label_studio_ml.serving.runners.thread_runner import ThreadRunner

#: Variables from which numeric libraries read their number of threads (OpenMP, MKL, OpenBLAS, BLIS, numexpr).
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def processes(settings: Settings, *, log_to_stdout: bool = False) -> ModelRunner:
    """Return the runner for the settings: one model process, or a group of several.

    On Windows it is a thread of this process.
    """
    if not is_supported():
        return ThreadRunner(settings)
    if settings.model_workers == 1:
        return ProcessRunner(settings, log_to_stdout=log_to_stdout)
    return RunnerGroup(
        lambda index: ProcessRunner(settings, environment(settings, index), log_to_stdout=log_to_stdout),
        settings.model_workers,
    )


def environment(settings: Settings, index: int, cores: int | None = None) -> dict[str, str]:
    """Return the additional environment of model process number `index`.

    It sets the number of threads to the process's share of the cores (unless the user sets it), and one device if
    CUDA_VISIBLE_DEVICES names several.
    """
    set_already = settings.child_env()
    share = max(1, (cores or _cores()) // settings.model_workers)
    variables = {name: str(share) for name in THREAD_VARIABLES if name not in set_already}
    if len(settings.devices) > 1:
        variables["CUDA_VISIBLE_DEVICES"] = settings.devices[index % len(settings.devices)]
    return variables


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
