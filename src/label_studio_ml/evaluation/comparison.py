"""Compare a new version with its predecessor on the same tasks: `python -m label_studio_ml.evaluation.comparison`.

The process reads one Request from standard input and writes one Comparison to standard output. What the models print
goes to standard error, which is the log of the training run that made the new version.
"""

import logging
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from label_studio_ml.config.metric_gate import Comparison
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.evaluation.evaluate import Assignment, observe
from label_studio_ml.evaluation.evaluated_model import ModelUnderTest
from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.results import INSTALL, LIBRARIES
from label_studio_ml.evaluation.task_selection import Choice, held_out, trained_on
from label_studio_ml.model_calls.adapter import ModelSpec, reason
from label_studio_ml.monitoring import logs
from label_studio_ml.processes.process_table import end_with_parent
from label_studio_ml.support.texts import plural
from label_studio_ml.targets.annotation_choice import truth_of
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.snapshots import SNAPSHOT

logger = logging.getLogger(__name__)

#: Minimum share (0 to 1) of common tasks at which the metrics of two fits are comparable as they are.
MIN_SAME_SHARE = 0.9
#: Maximum number of tasks that both versions predict; of more tasks, a random sample with a fixed seed is used.
MAX_TASKS = 2000
#: Metric names that a fit may use -> the equivalent names in `evaluate`; the first one present is used.
_ALIASES = {
    name: (name, f"macro_{name}", f"strict_{name}", f"micro_{name}") for name in ("precision", "recall", "f1")
}


class Candidate(msgspec.Struct, frozen=True):
    """One of the two versions: its build specification, the folder of its files, and its project's key/value pairs."""

    spec: ModelSpec
    folder: str
    state: dict[str, str]


class Request(msgspec.Struct, frozen=True):
    """The two versions to compare, and the names of the metrics to compare."""

    new: Candidate
    previous: Candidate
    metrics: list[str]


class _HeldOutTasks:
    """The tasks that two fits held out of their trainings."""

    def __init__(self, new: Path, previous: Path) -> None:
        self.new = _held_out_tasks(new)
        previous_ids = held_out(previous)
        #: None if it is not known what the previous version held out.
        self.previous = None if previous_ids is None else _held_out_tasks(previous)
        shared = self.new.keys() & (self.previous or {}).keys()
        self.same = sum(_regions(self.new[task]) == _regions((self.previous or {})[task]) for task in shared)

    @property
    def is_comparable(self) -> bool:
        """Whether both held out nearly the same tasks with the same annotations."""
        if self.previous is None:
            return False
        return self.same >= MIN_SAME_SHARE * len(self.new.keys() | self.previous.keys())

    def text(self) -> str:
        """Return a text about the difference between the two sets, for messages."""
        task_count = plural(len(self.new), "task")
        if self.previous is None:
            return f"they were measured on {task_count} now, and on tasks that are not known before"
        return (
            f"they were measured on {task_count} now and on {len(self.previous)} before, "
            f"{self.same} of them the same"
        )


def compare(request: Request, settings: Settings) -> Comparison | None:
    """Return the metrics of both versions on the same tasks, or the reason why they are not known.

    The tasks are those that the new version's fit held out, except those that the previous version was trained on.
    Return None if no comparison is needed or possible: both fits held out nearly the same tasks, or what they held
    out is not known. Raises VersionError if a snapshot is damaged.
    """
    new, previous = Path(request.new.folder), Path(request.previous.folder)
    if held_out(new) is None or not (previous / SNAPSHOT).exists():
        return None
    held_out_tasks, version = _HeldOutTasks(new, previous), request.previous.spec.version
    if held_out_tasks.is_comparable:
        return None
    trained_ids = trained_on(previous) or set()
    tasks = [task for number, task in sorted(held_out_tasks.new.items()) if number not in trained_ids]
    if not tasks:
        return Comparison(
            version=version,
            unfair=f"{held_out_tasks.text()}, and the version before was trained on all that the new one held out",
        )
    if len(tasks) > MAX_TASKS:
        tasks = random.Random(0).sample(tasks, MAX_TASKS)  # noqa: S311 (not for security)
    task_count = plural(len(tasks), "task")
    logger.info("Measuring version %s and the new one on the same %s", version, task_count)
    measured: list[dict[str, float | None]] = []
    for name, candidate in (("the new version", request.new), (f"version {version}", request.previous)):
        try:
            measured.append(_metrics(candidate, tasks, settings))
        except BackendError as error:
            return Comparison(
                version=version,
                unfair=f"{held_out_tasks.text()}, and {name} cannot be measured: {reason(error)}",
            )
    return _compared(version, request.metrics, len(tasks), held_out_tasks, *measured)


def _compared(
    version: str,
    names: list[str],
    tasks: int,
    held_out_tasks: _HeldOutTasks,
    new: dict[str, float | None],
    previous: dict[str, float | None],
) -> Comparison:
    common = {name for name in names if new.get(name) is not None and previous.get(name) is not None}
    missing_names = [name for name in names if name not in common]
    unfair = ""
    if missing_names:
        unfair = f"{held_out_tasks.text()}, and `evaluate` has no {' and no '.join(missing_names)} of them"
        missing_libraries = [pip for pip in LIBRARIES.values() if f"without {pip}" in new]
        if missing_libraries:
            unfair += f" without {', '.join(missing_libraries)}: {INSTALL}"
    return Comparison(
        version=version,
        tasks=tasks,
        new={name: new[name] for name in names if name in common},
        previous={name: previous[name] for name in names if name in common},
        unfair=unfair,
    )


def _metrics(
    candidate: Candidate, tasks: list[dict[str, Any]], settings: Settings
) -> dict[str, float | None]:
    """Return a version's metrics on `tasks` by name. Raises the errors of building and running the model."""
    labelled = LabelledTasks(lambda: tasks, "held out by the new version")
    assignment = Assignment(labelled, candidate.spec.project, Choice(everything=True))
    model = ModelUnderTest(settings, candidate.spec, candidate.state, None)
    with model:
        observed = observe(model, assignment, progress=lambda _: None)
    return metrics_of(observed.observations)


def metrics_of(observations: Observations) -> dict[str, float | None]:
    """Return the metrics by the names that a fit may use for them.

    Each metric is named `control.metric`, and `metric` is the mean over the controls that have it. `f1`, `precision`
    and `recall` are those of boxes, the macro average of choices, and the strict ones of spans. If a library is
    missing, there is only `accuracy`, and an entry `without <library>` with the value None.
    """
    missing_libraries: list[str] = []
    try:
        controls = {name: measured.metrics for name, measured in observations.measure().items()}
    except ModuleNotFoundError as error:
        controls = {name: {"accuracy": value} for name, value in observations.accuracies().items()}
        missing_libraries = [
            pip for module, pip in LIBRARIES.items() if module == (error.name or "").partition(".")[0]
        ]
    by_name: dict[str, list[float]] = {}
    by_full_name: dict[str, float | None] = {f"without {name}": None for name in missing_libraries}
    for control, metrics in controls.items():
        for name in {*metrics, *_ALIASES}:
            value = next(
                (metrics[alias] for alias in _ALIASES.get(name, (name,)) if metrics.get(alias) is not None),
                None,
            )
            if value is not None:
                by_full_name[f"{control}.{name}"] = value
                by_name.setdefault(name, []).append(value)
    return {**by_full_name, **{name: fmean(values) for name, values in by_name.items()}}


def _held_out_tasks(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the tasks that the fit of the version in `folder` held out, by id."""
    ids = held_out(folder) or set()
    return {task["id"]: task for task in _snapshot(folder) if task["id"] in ids}


def _snapshot(folder: Path) -> Iterator[dict[str, Any]]:
    return iter(LabelledTasks.from_snapshot(folder / SNAPSHOT))


def _regions(task: dict[str, Any]) -> Iterable[Any]:
    return (truth_of(task) or {}).get("result") or []


def main() -> int:
    """Answer the request on standard input."""
    end_with_parent()
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    try:
        comparison = compare(request, settings)
    except (BackendError, OSError, msgspec.MsgspecError) as error:  # a damaged snapshot, for example
        logger.warning("The versions cannot be compared: %s", error)
        comparison = Comparison(
            version=request.previous.spec.version,
            unfair=f"the tasks that they were measured on cannot be read: {reason(error)}",
        )
    sys.stdout.buffer.write(msgspec.json.encode(comparison))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
