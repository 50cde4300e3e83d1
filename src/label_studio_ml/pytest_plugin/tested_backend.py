"""The model class of a backend's folder in a test of pytest: predict, train and check it."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import msgspec

from label_studio_ml.cli.run.class_checks import label_configs, settings_of
from label_studio_ml.errors import FitError, PredictError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build
from label_studio_ml.model_calls.predictor import Predictor, Request
from label_studio_ml.pytest_plugin.studio_fields import completed_tasks
from label_studio_ml.test_kit.check_catalogue import skip_problem
from label_studio_ml.test_kit.child_runner import Limits
from label_studio_ml.test_kit.class_check import CheckOptions, NamedConfig, check_class
from label_studio_ml.test_kit.report import Report
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.process.training_process import perform
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project

Json = dict[str, Any]

_PROJECT = "1.1700000000"
_VERSION = "test-1"
#: Fields of a task in an export that the task of a webhook does not have.
_NOT_IN_WEBHOOKS = frozenset({"annotations", "predictions", "drafts"})


class Backend:
    """The model class in `folder`, for one label config. It runs in this process, except in `check`."""

    def __init__(self, folder: Path, label_config: str) -> None:
        self.folder = folder.resolve()
        self.label_config = label_config
        self._temporary = tempfile.TemporaryDirectory(prefix="label-studio-ml-pytest-")
        self._settings = settings_of(self.folder)
        self._spec = ModelSpec(project=Project(uid=_PROJECT, label_config=label_config))

    @cached_property
    def model_class(self) -> type[LabelStudioMLBase]:
        """The class of the folder's model file. Raises ModelFileError."""
        return cast("type[LabelStudioMLBase]", user_class(self._settings))

    @cached_property
    def model(self) -> LabelStudioMLBase:
        """A model of the class: untrained before `fit`, and of the new version after it. Raises ModelLoadError."""
        settings = self._settings.with_model_dir(self._temporary.name)
        return build(self.model_class, self._spec, settings, MemoryState(self._spec.state))

    def predict(self, tasks: Sequence[Json]) -> list[Any]:
        """Return the predictions of tasks as Label Studio gets them: an entry for each; `error` says why there is none.

        Raises PredictError if `predict` raised for all of them.
        """
        request = Request(msgspec.json.encode(list(tasks)), b"{}")
        (answer,) = Predictor(self.model, self._spec).answer([request])
        if answer.error:
            raise PredictError(answer.error)
        entries: list[Any] = msgspec.json.decode(answer.results)
        return entries

    def fit(self, labelled: Sequence[Json]) -> Json:
        """Train on labelled tasks, as in Label Studio's JSON export; return what the version's `train_output` is.

        Fields of tasks and annotations that Label Studio always sends are filled in where they are missing.
        A class with `fit(event, data)` gets an event for each annotation. From then on, `model` and `predict` are those
        of the new version. Raises what `fit` raises, and FitError if it fails for some events.
        """
        completed = completed_tasks(labelled)
        workdir = Path(tempfile.mkdtemp(dir=self._temporary.name))
        request = RunRequest(
            job=_VERSION,
            spec=self._spec,
            events=list(_events(completed, self.label_config)),
            workdir=str(workdir),
        )
        tasks = LabelledTasks.from_tasks(completed, project=_PROJECT)
        settings = self._settings.with_model_dir(self._temporary.name)
        outcome = perform(self.model_class, request, settings, tasks=tasks)
        if outcome.error:
            raise FitError(outcome.error)
        self._spec = msgspec.structs.replace(
            self._spec, version=_VERSION, train_output=outcome.train_output, state=outcome.state
        )
        self.__dict__.pop("model", None)
        return dict(outcome.train_output)

    def check(
        self,
        *,
        skipped: Mapping[str, str] | None = None,
        quick: bool = True,
        timeout: float = 60.0,
        fit_timeout: float = 600.0,
    ) -> Report:
        """Run the checks of `label-studio-ml test`, and return the report if none of them fails.

        `skipped` has the reason for each check that is left out; with `quick`, those that take long are, too.
        `timeout` is the limit of a call of predict, `fit_timeout` that of a call of fit, in seconds.
        Raises ValueError for a check that cannot be skipped, and AssertionError with all failures.
        """
        for name, reason in (skipped or {}).items():
            if problem := skip_problem(name, reason):
                raise ValueError(f"skipped: {problem}")
        limits = Limits(timeout=timeout, fit_timeout=fit_timeout)
        options = CheckOptions(limits=limits, skipped=dict(skipped or {}), quick=quick)
        report = check_class(self._settings, [NamedConfig("label_config", self.label_config)], options)
        if not report.passed:
            raise AssertionError(f"{self.folder}: {report}")
        return report


def label_config_of(folder: Path, file: Path | None) -> str:
    """Return the label config of a file, else that of the backend's folder or one with the class's tags."""
    return label_configs(settings_of(folder), [file] if file is not None else [])[0].text


def _events(labelled: Sequence[Json], label_config: str) -> list[StoredEvent]:
    """Return the event of each annotation, with the fields of Label Studio's webhook that classes read."""
    project = {"id": 1, "title": "Test", "description": "", "label_config": label_config}
    return [
        StoredEvent(
            "ANNOTATION_CREATED",
            {
                "action": "ANNOTATION_CREATED",
                "project": project,
                "task": {name: value for name, value in task.items() if name not in _NOT_IN_WEBHOOKS},
                "annotation": annotation,
            },
        )
        for task in labelled
        for annotation in task["annotations"]
    ]
