"""Train the parts of a combined model one after the other, each on its own regions and in its own folder."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.combined.part import PARTS, Part, PartState
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import fit_annotations, fit_event, json_output, reason
from label_studio_ml.storage.disk_errors import is_full
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import PreviousVersion, Report, TrainingJob
from label_studio_ml.training.metric_history import metrics_in
from label_studio_ml.training.passing_errors import studio_may_recover
from label_studio_ml.versions.store.movable_paths import relocated_values

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PartTrainings:
    """One training of a combined model, or one event of it.

    `models` are the parts to train, with the model of each. `output` is the `train_output` of the combined model.
    `event`, `data` and `job_id` are the arguments of that name of `fit`.
    """

    models: list[tuple[Part, LabelStudioMLBase]]
    output: Mapping[str, Any]
    job: TrainingJob
    event: str
    data: Any
    job_id: str

    def run(self, annotations: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Train all parts on the annotations and return the new `train_output`.

        A part that is not trained keeps what it had: its files are copied from the previous version. That is one whose
        `fit` raises, or that is left out. Raises the first part's error if no part can be trained, and any error that
        another training may not have, such as a full disk.
        """

        def fit(model: LabelStudioMLBase, job: TrainingJob, part: Part) -> dict[str, Any]:
            tasks = self._tasks(part, annotations)
            if isinstance(tasks, LabelledTasks):
                tasks.use_workdir(job.workdir)
            returned = fit_annotations(
                model,
                tasks,
                event=self.event,
                data=self.data,
                job_id=self.job_id,
                workdir=job.workdir,
                job=job,
            )
            return json_output(returned)

        return self._new_output(self._fit_all(fit))

    def run_event(self) -> Any:
        """Call `fit` of all parts for the event and return the new `train_output` if one of them returns a dict.

        If none does, return what one of them returns that is not None or False, else None. Raises as `run` does.
        """

        def fit(model: LabelStudioMLBase, job: TrainingJob, part: Part) -> Any:
            returned = fit_event(
                model, self.event, self.data, job_id=self.job_id, workdir=job.workdir, job=job
            )
            if not isinstance(returned, Mapping):
                return returned
            values = json_output(returned)
            model.train_output = {**values, "job_id": self.job_id}  # for the next event
            return values

        returned = self._fit_all(fit)
        outputs = {name: value for name, value in returned.items() if isinstance(value, Mapping) and value}
        results = [value for value in returned.values() if value is not None and value is not False]
        if outputs or (results and self.output.get(PARTS)):
            return self._new_output(outputs)
        return results[0] if results else None

    def _fit_all(self, fit: Callable[[LabelStudioMLBase, TrainingJob, Part], Any]) -> dict[str, Any]:
        """Call `fit` for each part until the training is cancelled; return what it returned, by the part's name."""
        returned: dict[str, Any] = {}
        errors: list[BaseException] = []
        for number, (part, model) in enumerate(self.models):
            if self.job.cancelled:
                break
            job = self._part_job(part, number)
            is_new = not any(job.workdir.iterdir())
            try:
                with _restored_on_error(model):
                    returned[part.name] = fit(model, job, part)
            except (Exception, SystemExit) as error:
                if is_full(error, job.workdir) or studio_may_recover(error):
                    raise
                logger.exception(
                    "The part %s was not trained, and stays as it was: %s", part.name, reason(error)
                )
                errors.append(error)
                if is_new:
                    shutil.rmtree(job.workdir, ignore_errors=True)
            if job.previous_metrics:
                self.job.log_previous(**_prefixed(part, job.previous_metrics))
            with contextlib.suppress(OSError):
                job.workdir.rmdir()  # nothing was written: an empty folder would count as a change
        if errors and len(errors) == len(self.models):
            raise errors[0]
        return returned

    def _new_output(self, returned: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `train_output` of the new version, with the files of parts that were not trained copied to it."""
        earlier = self.output.get(PARTS)
        outputs = {
            name: output if name in returned else self._kept(name, output)
            for name, output in (earlier.items() if isinstance(earlier, Mapping) else ())
        }
        outputs |= {name: {**output, "job_id": self.job_id} for name, output in returned.items()}
        metrics = {
            f"{part}.{name}": value
            for part, output in outputs.items()
            for name, value in output.items()
            if _is_number(value)
        }
        return {**self._kept_metrics(set(outputs) - set(returned)), **metrics, PARTS: outputs}

    def _kept_metrics(self, parts: Collection[str]) -> dict[str, Any]:
        """Return the previous version's metrics of parts that were not trained: the parts are still as good."""
        metrics = self.job.previous.metrics if self.job.previous else {}
        return {name: value for name, value in metrics.items() if name.partition(".")[0] in parts}

    def _part_job(self, part: Part, number: int) -> TrainingJob:
        """Return the job of the part with this number, with its folder."""
        folder = self.job.workdir / part.name
        folder.mkdir(parents=True, exist_ok=True)
        return TrainingJob(
            self.job.id,
            folder,
            self._previous(part),
            report=lambda report: self._report(part, number, report),
            asked=lambda: self.job.cancelled,
        )

    def _tasks(self, part: Part, annotations: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """Return the labelled tasks with the regions of the part's controls."""
        if part.controls is None:
            return annotations
        if isinstance(annotations, LabelledTasks):
            return annotations.changed(part.task)
        return _Tasks(annotations, part)

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
            self.job.log(report.point.get("step"), **_prefixed(part, metrics_in(report.point)))

    def _kept(self, name: str, output: Any) -> Any:
        """Copy the files of the part `name` from the previous version; return its output with the paths of the copies.

        Files that are there already are those of an earlier event.
        """
        previous = self.job.previous
        if previous is None:
            return output
        source, target = previous.folder / name, self.job.workdir / name
        if source.is_dir() and not target.exists():
            shutil.copytree(source, target)
        return relocated_values(output, previous.folder, self.job.workdir)


def _restored_on_error(model: LabelStudioMLBase) -> contextlib.AbstractContextManager[None]:
    """Discard the key/value pairs that a part sets in the `with` block if it raises."""
    state = model._context.state
    return state.restored_on_error() if isinstance(state, PartState) else contextlib.nullcontext()


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
