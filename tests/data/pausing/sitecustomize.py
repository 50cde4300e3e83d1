"""Lets a worker or a training run pause at one step of a run. Python imports this when it starts.

PAUSE is a folder. `PAUSE/at` names the step. The first who reaches it writes `PAUSE/reached` (its process id) and
waits until `PAUSE/hold` is gone.
"""

import functools
import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Step: the process that makes it, the module, the class (if any) and the function, before or after which it pauses.
STEPS = {
    "taken": ("worker", "records.job_store", "JobStore", "take_waiting", "after"),
    "dataset built": ("run", "run", "", "fit_annotations", "before"),
    "fitted": ("run", "run", "", "fit_annotations", "after"),
    "committing": ("worker", "process.publish", "VersionStore", "publish", "before"),
    "committed": ("worker", "process.publish", "VersionStore", "publish", "after"),
    "acknowledging": ("worker", "records.job_store", "JobStore", "settle", "before"),
    "acknowledged": ("worker", "records.job_store", "JobStore", "settle", "after"),
}


def _pause(folder: Path) -> None:
    try:
        with open(folder / "reached", "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    while (folder / "hold").exists():
        time.sleep(0.01)


def _pausing(original: Callable[..., Any], folder: Path, when: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def paused(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _pause(folder)
        result = original(*args, **kwargs)
        if when == "after":
            _pause(folder)
        return result

    return paused


def _install() -> None:
    folder = Path(os.environ.get("PAUSE", ""))
    if not (folder / "at").is_file():
        return
    process, module_name, owner_name, name, when = STEPS[(folder / "at").read_text()]
    programs = {
        "worker": "label_studio_ml.runtime.worker_main",
        "run": "label_studio_ml.training.process.training_process",
    }
    if programs[process] not in sys.orig_argv:
        return
    if process == "run":
        # `-m` runs a second copy of the module: what it takes from elsewhere is what can be changed.
        owner: Any = importlib.import_module("label_studio_ml.model_calls.adapter")
    else:
        module = importlib.import_module(f"label_studio_ml.training.{module_name}")
        owner = getattr(module, owner_name)
    setattr(owner, name, _pausing(getattr(owner, name), folder, when))


_install()
