"""The object that `fit` gets as `job`: `fit` reports progress and metrics to it, and asks it whether to stop.

    def fit(self, annotations, job, **kwargs):
        for epoch in range(10):
            if job.cancelled:
                return
            job.progress(epoch / 10, f"epoch {epoch}")
            job.log(step=epoch, loss=self.one_epoch(annotations))

`TrainingJob()` without arguments serves for calling `fit` by hand: its reports go nowhere, and no backend is needed.
"""

import logging
import math
import numbers
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.support.arguments import wrong
from label_studio_ml.support.secret_names import is_secret_name
from label_studio_ml.support.secret_values import mask_secrets, without_secrets
from label_studio_ml.training.metric_history import History, new_point
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: Longest message in characters, and largest number of metrics or parameters in one call; the rest is cut off.
MAX_MESSAGE_LENGTH = 500
MAX_METRICS = 100
#: Longest value of a parameter in characters; the rest is cut off.
MAX_PARAM_LENGTH = 2000
#: Tolerance for progress outside of 0 to 1: sums of fractions have rounding errors.
_ROUNDING = 1e-6
#: Whole numbers from here on become floats: reports and trackers have 64 bits for them.
_MAX_WHOLE = 2**63


class PreviousVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The version that a run starts from. `path` is the folder of its files, `train_output` what its fit returned."""

    name: str
    path: str
    metrics: dict[str, Any] = {}
    train_output: dict[str, Any] = {}

    @classmethod
    def of(cls, manifest: Manifest, folder: Path) -> "PreviousVersion":
        """Return the description of a version from its manifest; `folder` has its files."""
        return cls(
            name=manifest.name,
            path=str(folder),
            metrics=manifest.metrics,
            train_output=manifest.train_output,
        )

    @property
    def folder(self) -> Path:
        """The folder that the version's fit wrote to. Treat it as read-only."""
        return Path(self.path)


class Report(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A report of a run to its worker; fields that are not reported have their defaults.

    `begins`: fit begins. `compares`: fit has returned, and its version is compared with the previous one. `progress` is
    from 0 to 1. `message` describes the current step. `point` has one point of the metrics. `params` are parameters of
    the training for the trackers, as texts.
    """

    begins: bool = False
    compares: bool = False
    progress: float | None = None
    message: str | None = None
    point: dict[str, Any] | None = None
    params: dict[str, str] | None = None


class TrainingJob:
    """One training, as its `fit` sees it. `id` is the job's id, `previous` the previous version, None for the first.

    `report` is called with each report; `asked` tells whether the run is to stop. None stands for doing nothing.
    """

    def __init__(
        self,
        job_id: str = "",
        workdir: Path | None = None,
        previous: PreviousVersion | None = None,
        *,
        report: Callable[[Report], None] | None = None,
        asked: Callable[[], bool] | None = None,
    ) -> None:
        self.id = job_id
        self.previous = previous
        #: The latest value of each metric.
        self.metrics: dict[str, float | None] = {}
        #: The latest value of each metric of the previous version that fit has reported with `log_previous`.
        self.previous_metrics: dict[str, float | None] = {}
        self.history = History()
        self._workdir = workdir
        self._report = report or (lambda _: None)
        self._asked = asked or (lambda: False)
        self._cancelled = False
        self._warned: set[str] = set()

    @property
    def workdir(self) -> Path:
        """The new version's folder: files that `fit` writes there are saved with the version."""
        if self._workdir is None:
            self._workdir = Path(tempfile.mkdtemp(prefix="label-studio-ml-fit-"))
        return self._workdir

    @property
    def cancelled(self) -> bool:
        """Whether the run is to stop: then return soon; the result is discarded. This is cheap to ask often."""
        self._cancelled = self._cancelled or self._asked()
        return self._cancelled

    def begin(self) -> None:
        """Report that fit begins."""
        self._report(Report(begins=True))

    def compare(self) -> None:
        """Report that fit has returned, and that its version is compared with the previous one."""
        self._report(Report(compares=True))

    def progress(self, fraction: float, message: str = "") -> None:
        """Report the fraction that is done, from 0 to 1, and optionally a message about the current step.

        A number outside of 0 to 1 is clamped; with a value that is not a number, the call has no effect. Both cases
        are logged as a warning in the run's log and raise nothing.
        """
        try:
            done = _number(fraction)
        except ValueError:
            done = None
        if done is None or not -_ROUNDING <= done <= 1 + _ROUNDING:
            expected = "a number from 0 to 1, such as 0.5 when half is done"
            self._warn_once("progress", str(wrong("fraction of job.progress", expected, fraction)))
        if done is None:
            return
        self._report(Report(progress=min(1.0, max(0.0, float(done))), message=_line(message)))

    def log(self, /, step: float | None = None, **metrics: Any) -> None:
        """Record metrics such as `loss=0.3`, optionally with a step. The latest values become the version's metrics.

        Values that are not numbers are left out, with a warning in the run's log. In the points, a metric called
        `time` is `time_`, because each point has its own time.
        """
        values = self._numbers("job.log", metrics)
        step_number = self._step(step)
        if not metrics:
            self._warn_once("log", "job.log has no metrics to record: name them, as in job.log(loss=0.3)")
        if not values:
            return
        self.metrics.update(values)
        point = new_point(values, step_number)
        self.history.add(point)
        self._report(Report(point=point))

    def log_params(self, /, **params: Any) -> None:
        """Record parameters of the training, such as `epochs=3`, in the trackers that are switched on (`TRACKER`).

        Values are recorded as texts. Logins and query values in URLs are masked, and what follows the name of a secret,
        as in `token=…`. Values whose name says that they are secrets are left out, also in nested dicts. The parameters
        of the class (`params`) are recorded without a call.
        """
        public = [(name, value) for name, value in params.items() if not is_secret_name(name)]
        texts = {}
        for name, value in public[:MAX_METRICS]:
            try:
                texts[name] = _cut_text(value)
            except Exception:  # noqa: BLE001 - values of any class, whose conversion may raise anything
                self._warn_once(name, f"job.log_params: {name} cannot be converted to text; it is left out")
        if texts:
            self._report(Report(params=texts))

    def _step(self, step: Any) -> float | None:
        """Return `step` as a number; None, with a warning, if it is not a number."""
        try:
            return None if step is None else _number(step)
        except ValueError:
            expected = "a number (metrics have names: job.log(loss=0.3))"
            self._warn_once("step", str(wrong("step of job.log", expected, step)))
            return None

    def log_previous(self, /, **metrics: Any) -> None:
        """Record metrics of the version `previous` on the same tasks that the new version is measured on.

        `promote_if` uses them as the value of `current`, for metrics that only `fit` can measure. Until `fit` changes
        the model, `self.predict` answers as the previous version does.
        """
        self.previous_metrics.update(self._numbers("job.log_previous", metrics))

    def _numbers(self, call: str, metrics: dict[str, Any]) -> dict[str, float | None]:
        """Return the metrics whose values are numbers, and warn about each other one. `call` names the caller."""
        values: dict[str, float | None] = {}
        for name, value in list(metrics.items())[:MAX_METRICS]:
            try:
                values[name] = _number(value)
            except ValueError:
                self._warn_once(
                    name, f"{call}: {name} is {type(value).__name__}, not a number; it is left out"
                )
        return values

    def _warn_once(self, topic: str, text: str) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            logger.warning("%s", text)


def _number(value: Any) -> float | None:
    """Return a number of Python, NumPy or PyTorch as a JSON number; None for infinite values and NaN.

    Whole numbers of more than 63 bits are rounded. Raises ValueError for other values, also for those that are too
    large for a float, or raise anything when they are converted.
    """
    if isinstance(value, str | bytes):
        raise ValueError("text is not a number")
    try:
        number = float(value)
        if isinstance(value, numbers.Integral) and abs(int(value)) < _MAX_WHOLE:
            return int(value)
    except Exception as error:
        raise ValueError("it cannot be converted to a number") from error
    return number if math.isfinite(number) else None


def _cut_text(value: Any) -> str:
    return (
        mask_secrets(str(without_secrets(value)))[:MAX_PARAM_LENGTH]
        .encode("utf-8", "backslashreplace")
        .decode()
    )


def _line(text: Any) -> str:
    return " ".join(str(text).split())[:MAX_MESSAGE_LENGTH]
