"""Train the parts of a combined model one after the other, each on its own regions and in its own folder."""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.combined.part import PARTS, Part
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import fit_annotations, reason
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import PreviousVersion, Report, TrainingJob
from label_studio_ml.versions.store.movable_paths import relocated_values

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PartTrainings:
    """One training of a combined model.

    `models` are its parts that have a `fit`, with the model of each. `output` is the `train_output` of the version that
    the training starts from. `event`, `data` and `job_id` are the arguments of that name of `fit`.
    """

    models: list[tuple[Part, LabelStudioMLBase]]
    annotations: Iterable[dict[str, Any]]
    output: Mapping[str, Any]
    job: TrainingJob
    event: str
    data: Any
    job_id: str

    def run(self) -> dict[str, Any]:
        """Train all parts and return the new `train_output`.

        A part whose `fit` raises keeps what it had: its files are copied from the previous version. Raises the first
        part's error if no part can be trained.
        """
        previous_outputs = self.output.get(PARTS)
        outputs = dict(previous_outputs) if isinstance(previous_outputs, Mapping) else {}
        metrics: dict[str, Any] = {}
        errors: list[Exception] = []
        for number, (part, model) in enumerate(self.models):
            if self.job.cancelled:
                break
            try:
                returned = self._fit(part, model, number)
            except Exception as error:
                logger.exception(
                    "The part %s was not trained, and stays as it was: %s", part.name, reason(error)
                )
                errors.append(error)
                if part.name in outputs:
                    outputs[part.name] = self._kept(part, outputs[part.name])
                continue
            outputs[part.name] = {**returned, "job_id": self.job_id}
            metrics.update(
                {f"{part.name}.{name}": value for name, value in returned.items() if _is_number(value)}
            )
        if errors and len(errors) == len(self.models):
            raise errors[0]
        return {**metrics, PARTS: outputs}

    def _fit(self, part: Part, model: LabelStudioMLBase, number: int) -> dict[str, Any]:
        """Call the `fit` of a part, the one with this number, and return its dict."""
        folder = self.job.workdir / part.name
        folder.mkdir(parents=True, exist_ok=True)
        job = TrainingJob(
            self.job.id,
            folder,
            self._previous(part),
            report=lambda report: self._report(part, number, report),
            asked=lambda: self.job.cancelled,
        )
        tasks = self._tasks(part)
        if isinstance(tasks, LabelledTasks):
            tasks.use_workdir(folder)
        returned = fit_annotations(
            model,
            tasks,
            event=self.event,
            data=self.data,
            job_id=self.job_id,
            workdir=folder,
            job=job,
        )
        if job.previous_metrics:
            self.job.log_previous(**_prefixed(part, job.previous_metrics))
        return returned

    def _tasks(self, part: Part) -> Iterable[dict[str, Any]]:
        """Return the labelled tasks with the regions of the part's controls."""
        if part.controls is None:
            return self.annotations
        if isinstance(self.annotations, LabelledTasks):
            return self.annotations.changed(part.task)
        return _Tasks(self.annotations, part)

    def _previous(self, part: Part) -> PreviousVersion | None:
        """Return the previous version as the part knows it: its own folder, metrics and `train_output`."""
        whole = self.job.previous
        if whole is None:
            return None
        start = f"{part.name}."
        metrics = {
            name.removeprefix(start): value for name, value in whole.metrics.items() if name.startswith(start)
        }
        return PreviousVersion(
            name=whole.name,
            path=str(whole.folder / part.name),
            metrics=metrics,
            train_output=part.train_output(whole.train_output),
        )

    def _report(self, part: Part, number: int, report: Report) -> None:
        """Pass a part's report on to the whole training: its share of the progress, and named metrics."""
        if report.progress is not None:
            message = f"{part.name}: {report.message}" if report.message else part.name
            self.job.progress((number + report.progress) / len(self.models), message)
        if report.point is not None:
            values = {name: value for name, value in report.point.items() if name not in ("time", "step")}
            self.job.log(report.point.get("step"), **_prefixed(part, values))

    def _kept(self, part: Part, output: Any) -> Any:
        """Copy the part's files from the previous version; return its output with the paths of the copies."""
        previous = self.job.previous
        if previous is None:
            return output
        source, target = previous.folder / part.name, self.job.workdir / part.name
        shutil.rmtree(target, ignore_errors=True)  # what the failed fit has written
        if source.is_dir():
            shutil.copytree(source, target)
        return relocated_values(output, previous.folder, self.job.workdir)


class _Tasks:
    """Labelled tasks from any iterable, with the regions of one part's controls."""

    def __init__(self, tasks: Iterable[dict[str, Any]], part: Part) -> None:
        self._tasks, self._part = tasks, part

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._part.task, self._tasks)


def _prefixed(part: Part, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics of a part with its name before theirs, such as `Ner.f1`."""
    return {f"{part.name}.{name}": value for name, value in metrics.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
