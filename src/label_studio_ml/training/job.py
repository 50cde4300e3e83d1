"""The run object that `fit` gets as `job`: it says how far a training is, and is told when to stop.

    def fit(self, annotations, job, **kwargs):
        for epoch in range(10):
            if job.cancelled:
                return
            job.progress(epoch / 10, f"epoch {epoch}")
            job.log(step=epoch, loss=self.one_epoch(annotations))

`TrainingJob()` is one for trying a `fit` by hand: nothing listens to it, and it needs nothing that runs.
"""

import logging
import math
import numbers
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.arguments import wrong
from label_studio_ml.training.history import History
from label_studio_ml.versions.manifest import Manifest

logger = logging.getLogger(__name__)

#: Longest message, in characters; most names of metrics in one call.
LONGEST_MESSAGE = 500
MOST_METRICS = 100
#: By how much a sum of fractions may miss 0 or 1.
_ROUNDING = 1e-6


class PreviousVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The version that a run starts from: its name, its metrics, what its fit returned, and where its files are."""

    name: str
    path: str
    metrics: dict[str, Any] = {}
    train_output: dict[str, Any] = {}

    @classmethod
    def of(cls, manifest: Manifest, folder: Path) -> "PreviousVersion":
        """Return what a run is told of a version whose files are in `folder`."""
        return cls(
            name=manifest.name,
            path=str(folder),
            metrics=manifest.metrics,
            train_output=manifest.train_output,
        )

    @property
    def folder(self) -> Path:
        """The folder that the version's fit wrote to. Only read in it."""
        return Path(self.path)


class Report(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a run says of itself: that fit begins, how far it is (0 to 1), what it does, or one point of its metrics.

    `compares`: fit is back, and its version is compared with the one before.
    """

    begins: bool = False
    compares: bool = False
    progress: float | None = None
    message: str | None = None
    point: dict[str, Any] | None = None


class TrainingJob:
    """One training, as its `fit` sees it. `id` is the job's id, `previous` the version before, None for the first.

    `report` is called with everything that is said, `asked` tells whether somebody wants the run to stop.
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
        #: The latest value of each metric of the version before, where fit has measured it on the same tasks.
        self.previous_metrics: dict[str, float | None] = {}
        self.history = History()
        self._workdir = workdir
        self._report = report or (lambda _: None)
        self._asked = asked or (lambda: False)
        self._cancelled = False
        self._complained: set[str] = set()

    @property
    def workdir(self) -> Path:
        """The new version's folder: what `fit` writes there belongs to the version."""
        if self._workdir is None:
            self._workdir = Path(tempfile.mkdtemp(prefix="label-studio-ml-fit-"))
        return self._workdir

    @property
    def cancelled(self) -> bool:
        """Whether the run is to stop: return soon then, what you return is not used. Cheap to ask often."""
        self._cancelled = self._cancelled or self._asked()
        return self._cancelled

    def begin(self) -> None:
        """Say that fit begins."""
        self._report(Report(begins=True))

    def compare(self) -> None:
        """Say that fit is back, and that its version is compared with the one before."""
        self._report(Report(compares=True))

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how much is done, from 0 to 1, and what is going on.

        A number outside of that is taken for the nearest in it. What is not a number is left out. Both cost no
        training: a warning in the run's log says so.
        """
        try:
            done = _number(fraction)
        except (TypeError, ValueError):
            done = None
        if done is None or not -_ROUNDING <= done <= 1 + _ROUNDING:
            meant = "a number from 0 to 1, such as 0.5 when half is done"
            self._complain("progress", str(wrong("fraction of job.progress", meant, fraction)))
        if done is None:
            return
        self._report(Report(progress=min(1.0, max(0.0, float(done))), message=_line(message)))

    def log(self, step: float | None = None, **metrics: Any) -> None:
        """Record numbers such as `loss=0.3`; `step` says where the run is. The latest become the version's metrics.

        What is not a number is left out, with a warning in the run's log.
        """
        values = self._numbers("job.log", metrics)
        at = self._step(step)
        if not metrics:
            self._complain("log", "job.log has no metrics to record: name them, as in job.log(loss=0.3)")
        if not values:
            return
        self.metrics.update(values)
        point = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
        if at is not None:
            point = {"step": at, **point}
        self.history.add(point)
        self._report(Report(point=point))

    def _step(self, step: Any) -> float | None:
        """Return `step` as a number; None, with a warning, if it is none."""
        try:
            return None if step is None else _number(step)
        except (TypeError, ValueError):
            meant = "a number (metrics have names: job.log(loss=0.3))"
            self._complain("step", str(wrong("step of job.log", meant, step)))
            return None

    def log_previous(self, **metrics: Any) -> None:
        """Record metrics that the version before (`previous`) has on the tasks on which this run is measured.

        They are what `current` means in `promote_if`, for a metric that only `fit` can measure. Until `fit` changes it,
        the model is the version before: `self.predict` answers as that version does.
        """
        self.previous_metrics.update(self._numbers("job.log_previous", metrics))

    def _numbers(self, call: str, metrics: dict[str, Any]) -> dict[str, float | None]:
        """Return those of `metrics` that are numbers, with a warning for each that is not."""
        values: dict[str, float | None] = {}
        for name, value in list(metrics.items())[:MOST_METRICS]:
            try:
                values[name] = _number(value)
            except (TypeError, ValueError):
                self._complain(
                    name, f"{call}: {name} is {type(value).__name__}, not a number; it is left out"
                )
        return values

    def _complain(self, name: str, text: str) -> None:
        if name not in self._complained:
            self._complained.add(name)
            logger.warning("%s", text)


def _number(value: Any) -> float | None:
    """Return a number of Python's, NumPy's or PyTorch's as JSON can hold it: None for infinite and "not a number"."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, str | bytes):
        raise TypeError("text is not a number")
    number = float(value)
    return number if math.isfinite(number) else None


def _line(text: Any) -> str:
    return " ".join(str(text).split())[:LONGEST_MESSAGE]
