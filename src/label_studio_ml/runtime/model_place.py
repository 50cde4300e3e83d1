"""Decide where the model of a WSGI application runs: in a process of its own, or in a thread of the host's process.

A process of its own needs a class that a new interpreter can import, and constructor arguments that JSON can represent.
"""

import inspect
import json
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.registered_functions import functions
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.serving.runners.runner_choice import processes
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.user_code.import_scan import INSTALLED

logger = logging.getLogger(__name__)


def defining_file(model_class: type[LabelStudioMLBase]) -> Path | None:
    """Return the file that defines a model class; None if there is none, as in an interactive prompt.

    For the base class itself, this is the file of the functions registered with `predict_fn` or `update_fn`.
    """
    registered = functions.predict or functions.update
    defined: Any = registered if model_class is LabelStudioMLBase and registered else model_class
    try:
        return Path(inspect.getfile(inspect.unwrap(defined))).resolve()
    except (TypeError, OSError):
        return None


def backend_folder(model_class: type[LabelStudioMLBase], caller: str | None) -> Path | None:
    """Return the backend's folder: the folder of the model's file; None if neither it nor `caller` is a file.

    `caller` is the file that called `init_app`. Its folder is returned if the model's file is below it, in an installed
    package, or missing.
    """
    file = defining_file(model_class)
    folder = Path(caller).resolve().parent if caller and Path(caller).is_file() else None
    if file is None or folder is None:
        return folder if file is None else file.parent
    installed = bool(INSTALLED.intersection(file.parts)) and not INSTALLED.intersection(folder.parts)
    return folder if installed or file.is_relative_to(folder) else file.parent


@dataclass(frozen=True)
class ModelPlace:
    """Where the model runs: settings for its processes, and why the model runs in this process or is not trained.

    `in_process` is why the model runs in this process, empty if it has its own. `untrainable` is why no training can
    build it, empty if one can.
    """

    settings: Settings
    model_class: type[LabelStudioMLBase]
    in_process: str = ""
    untrainable: str = ""
    testing: bool = False

    @classmethod
    def of(
        cls, settings: Settings, model_class: type[LabelStudioMLBase], *, testing: bool = False
    ) -> "ModelPlace":
        """Decide where the model runs. With `testing`, it runs and is trained in this process."""
        file = defining_file(model_class)
        if file is not None:
            settings = replace(settings, script=file, class_name=model_class.__name__)
        if testing:
            return cls(settings, model_class, in_process="this is a test", testing=True)
        in_process, untrainable = _import_problem(model_class, file), ""
        if in_process and (file is None or model_class.__module__ != "__main__"):
            untrainable = in_process
        if not_json := [name for name, value in settings.init_kwargs.items() if not is_json(value)]:
            in_process = untrainable = (
                f"JSON cannot hold the constructor argument {not_json[0]} "
                f"({type(settings.init_kwargs[not_json[0]]).__name__}) that init_app was given"
            )
        return cls(settings, model_class, in_process, untrainable)

    def log_restrictions(self) -> None:
        """Log a warning if the model runs in this process, and an error if it cannot be trained."""
        name = self.model_class.__name__
        if self.untrainable:
            logger.error("%s runs in the web server's process and is not trained: %s", name, self.untrainable)
        elif self.in_process and not self.testing:
            logger.warning("%s runs in the web server's process: %s", name, self.in_process)

    def make_runner(self) -> ModelRunner:
        """Return the model's processes, or a thread of this process for it."""
        if not self.in_process:
            return processes(self.settings, log_to_stdout=True)  # as models of older releases logged
        return ThreadRunner(self.settings, self.model_class, renewable=self.testing)


def _import_problem(model_class: type[LabelStudioMLBase], file: Path | None) -> str:
    """Return why a new interpreter cannot import the class, empty if it can."""
    name = model_class.__name__
    if file is None:
        return f"{name} is not defined in a file. Put it into a module of its own"
    if model_class.__module__ == "__main__":
        return f"{name} is defined in the program that is run. Put it into a module of its own"
    if model_class is LabelStudioMLBase:
        return ""
    module = sys.modules.get(model_class.__module__)
    if getattr(module, name, None) is not model_class:
        return f"{file.name} has no {name} at its top level. Define the class there"
    return ""


def is_json(value: Any) -> bool:
    """Return whether a value is unchanged after encoding to JSON and decoding."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, RecursionError):
        return False
