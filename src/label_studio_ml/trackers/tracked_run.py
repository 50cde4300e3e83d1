"""What a tracker does for one run, and the table of the trackers."""

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from label_studio_ml.support.causes import causes
from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult
from label_studio_ml.training.metric_history import metrics_in


class Refused(Exception):
    """The tracker does not accept these values, and would not accept them later."""


class Unavailable(Exception):
    """The tracker takes nothing at present: it cannot be reached, is overloaded, or refuses the login.

    `fix` says what to do, empty for what the tracker's advice is in general.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


def is_outage(error: Exception) -> bool:
    """Tell whether an error of a tracker says nothing about the values of the call."""
    return isinstance(error, OSError | Unavailable)


#: What the errors of trackers' clients say if a login, or what it may do, is refused, where they have no status.
_REFUSED_LOGIN = re.compile(
    r"\berror code:? 40[13]\b|\b40[13] (?:Client Error|Unauthorized|Forbidden)\b|\bunauthenticated\b|\bAPI[ _]key\b",
    re.IGNORECASE,
)
_LOGIN_STATUSES = (401, 403)
#: The names of the classes of such errors.
_LOGIN_ERRORS = ("AuthenticationError", "AuthorizationError")


def is_login_refused(error: BaseException) -> bool:
    """Tell whether a tracker refuses the login, or what the login is to do: only a person can change that."""
    for cause in causes(error):
        status = getattr(cause, "get_http_status_code", None)  # of MLflow
        response = getattr(cause, "response", None)  # of requests
        if callable(status) and status() in _LOGIN_STATUSES:
            return True
        if getattr(response, "status_code", None) in _LOGIN_STATUSES or type(cause).__name__ in _LOGIN_ERRORS:
            return True
        if _REFUSED_LOGIN.search(str(cause)):
            return True
    return False


class TrackedRun(Protocol):
    """One run in a tracker. Every method may raise anything.

    After an outage (`is_outage`), the call is repeated until it succeeds. After Refused, and after several other errors
    of `log_params` and `log_points`, the values are sent one by one, and those that fail are left out.
    """

    #: Whether `log_folder` stores files.
    stores_files: bool

    @property
    def link(self) -> RunLink:
        """Where the run is."""

    def log_params(self, params: Mapping[str, str]) -> None:
        """Store parameters. A parameter that the run has already keeps its value."""

    def log_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Store points of metrics: each as `metric_history` describes it, and with a step."""

    def log_folder(self, folder: Path, result: RunResult) -> None:
        """Store the files of the version's folder. It is called once, after `log_result`."""

    def remove_old_files(self, result: RunResult) -> None:
        """Remove files of earlier runs that nobody needs. It is called once, after `log_folder` or its error."""

    def log_result(self, result: RunResult) -> None:
        """Store how the run ended. The tracker shows this from now on, where it can before the files are stored."""

    def close(self, result: RunResult) -> None:
        """End the run. Nothing is called after it has succeeded."""


#: The module of each tracker; its function `open_run` starts or continues a run.
_MODULES: Mapping[str, str] = {
    "mlflow": "label_studio_ml.trackers.mlflow_tracker.mlflow_run",
    "wandb": "label_studio_ml.trackers.wandb_run",
    "tensorboard": "label_studio_ml.trackers.tensorboard_run",
}


def import_client(tracker: str) -> None:
    """Import the package of a tracker, which may take minutes on a loaded machine. Raises ImportError without it."""
    importlib.import_module(_MODULES[tracker]).import_client()


def open_run(tracker: str, description: RunDescription) -> TrackedRun:
    """Start the run in a tracker, or continue it. Raises ImportError without its package, and the tracker's errors."""
    run: TrackedRun = importlib.import_module(_MODULES[tracker]).open_run(description)
    return run


def metrics_of(point: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a point that have a number."""
    return {name: value for name, value in metrics_in(point).items() if value is not None}


def whole_step(point: Mapping[str, Any]) -> int:
    """Return the step of a point as a whole number."""
    return round(float(point["step"]))
