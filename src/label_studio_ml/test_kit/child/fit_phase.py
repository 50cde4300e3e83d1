"""The checks of `fit`, in the order of the catalogue."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml.errors import FitError
from label_studio_ml.model_calls.adapter import json_output
from label_studio_ml.support.texts import plural
from label_studio_ml.test_kit.annotated_tasks import with_one_label
from label_studio_ml.test_kit.child.effects.process_settings import (
    ProcessSettings,
    limits_lowered,
    timeout_changed,
)
from label_studio_ml.test_kit.child.failure_texts import asks_elsewhere, explains_annotations
from label_studio_ml.test_kit.child.predict_calls import by_task, first_unlike
from label_studio_ml.test_kit.child.predict_phase import (
    Run,
    building,
    folder_changed,
    loading,
    stdin_read,
    variables_changed,
)
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child.training.annotation_checks import empty_results, skipped_annotations
from label_studio_ml.test_kit.child.training.folder_check import FolderCheck
from label_studio_ml.test_kit.child.training.trained_version import TrainedVersion
from label_studio_ml.test_kit.child.trainings import Cancellation, Training
from label_studio_ml.test_kit.report import Failure

_METHODS = ("fit",)
#: Seconds after which a training that asks and reports nothing is cancelled. A shorter one ends by itself, and one that
#: asks at its beginning is not cancelled before it has asked.
_CANCELLATION_DELAY = 1.0


class FitPhase:
    """The checks of `fit` on one class, by id."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested
        self._plan = tested.plan
        self._workdir = Path(tested.plan.workdir)
        self._folder = Path.cwd()
        self._environment: dict[str, str] = {}
        self._before = ProcessSettings.now()
        self._training: Training | None = None
        self._version: TrainedVersion | None = None
        self._folder_check: FolderCheck | None = None

    def checks(self) -> dict[str, Run]:
        """Return what runs each check."""
        return {
            "import": lambda: loading(self._tested),
            "build": self.build,
            "fit": self.fit,
            "fit-output": self.output,
            "fit-regions": lambda: self._version.unshown() if self._version is not None else iter(()),
            "fit-folder": self.folder,
            "fit-skipped": lambda: skipped_annotations(self._tested, self._again),
            "fit-empty-results": lambda: empty_results(self._tested, self._again),
            "fit-one-class": self.one_class,
            "fit-no-annotations": self.no_annotations,
            "fit-side-effects": self.side_effects,
            "fit-cancel": self.cancel,
        }

    def build(self) -> Iterator[Failure]:
        """Build the untrained model, and keep what it predicts."""
        yield from building(self._tested)
        if hasattr(self._tested, "model"):
            self._tested.values["untrained"] = by_task(self._tested.model, self._plan.tasks)
        effects = self._tested.effects
        for recorded in (effects.network, effects.stdin, effects.folders, effects.variables, effects.written):
            recorded.clear()
        settings = self._tested.settings
        self._environment = settings.child_env()
        self._before = ProcessSettings.now()
        self._folder_check = FolderCheck(self._tested, [self._workdir, settings.model_dir, settings.log_dir])

    def fit(self) -> Iterator[Failure]:
        """Fail if `fit` raises for generated annotations."""
        tested = self._tested
        training = self._training = Training(tested, self._workdir)
        began = time.monotonic()
        training.run(self._plan.labelled)
        tested.values["fit_seconds"] = time.monotonic() - began
        if isinstance(training.error, NotImplementedError):
            tested.values["skipped"] = f"fit raises NotImplementedError: {training.error}"
            return
        if training.error is not None:
            if asks_elsewhere(training.error):
                tested.values["skipped"] = tested.lacks_server("fit")
                return
            beginning = f"fit raises for {plural(len(self._plan.labelled), 'labelled task')}:"
            yield tested.raised("fit", training.error, beginning, field="annotations", methods=_METHODS)
            return
        tested.values["trained"] = by_task(training.model, self._plan.tasks)

    def output(self) -> Iterator[Failure]:
        """Fail if JSON cannot hold what `fit` returned; keep it for the next phase."""
        assert self._training is not None
        try:
            output = json_output(self._training.output)
        except FitError as error:
            key = next((key for key in self._training.output if f"{key!r} " in error.message), "train_output")
            yield self._tested.failure("fit-output", error.message, field=str(key), methods=_METHODS)
            return
        values, state = self._tested.values, self._training.state
        values |= {"train_output": output, "state": state}
        self._version = TrainedVersion(self._tested, output, state)
        values["rebuilt"] = self._version.predictions()

    def folder(self) -> Iterator[Failure]:
        """Fail if what `fit` has learnt is elsewhere than in its workdir."""
        if self._tested.info.generation == "event":
            self._tested.values["skipped"] = (
                "a class with fit(event, data) may keep its weights in the backend's folder"
            )
            return
        assert self._folder_check is not None
        failures = list(self._folder_check.files_beside())
        yield from failures
        if self._version is not None and not failures and self._tested.holds("repeat"):
            yield from self._folder_check.kept_elsewhere(self._version, self._beside("other"))

    def one_class(self) -> Iterator[Failure]:
        """Fail if `fit` does not explain what is wrong with annotations that have one label only."""
        labelled = with_one_label(self._plan.label_config, self._plan.tasks)
        beginning = "fit raises for tasks with the same label, without saying what is missing:"
        yield from self._explained("fit-one-class", labelled, beginning)

    def no_annotations(self) -> Iterator[Failure]:
        """Fail if `fit` does not explain that there are no annotations."""
        if self._tested.info.generation == "event":
            self._tested.values["skipped"] = "fit(event, data) is called for annotations only"
            return
        yield from self._explained(
            "fit-no-annotations", [], "fit raises without annotations, without saying so:"
        )

    def _explained(self, check: str, labelled: list[dict[str, object]], beginning: str) -> Iterator[Failure]:
        training = self._again(check)
        training.run(labelled)
        error = training.error
        if error is None or explains_annotations(self._tested.code, error):
            return
        if not asks_elsewhere(error):
            yield self._tested.raised(check, error, beginning, field="annotations", methods=_METHODS)

    def _again(self, name: str, cancellation: Cancellation | None = None) -> Training:
        """Return a training of a new model, in a folder of its own beside the version's."""
        folder = self._beside(name)
        folder.mkdir(exist_ok=True)
        return Training(self._tested, folder, cancellation=cancellation)

    def _beside(self, name: str) -> Path:
        return self._workdir.with_name(f"{self._workdir.name}-{name}")

    def side_effects(self) -> Iterator[Failure]:
        """Fail if `fit` changed the process, or read standard input."""
        yield from stdin_read(self._tested, "fit-side-effects")
        yield from folder_changed(self._tested, "fit-side-effects", self._folder)
        yield from variables_changed(self._tested, "fit-side-effects", self._environment)
        yield from timeout_changed(self._tested, "fit-side-effects", self._before)
        yield from limits_lowered(self._tested, "fit-side-effects", self._before)

    def cancel(self) -> Iterator[Failure]:
        """Cancel a training in its middle, and fail if what it has written becomes a part of the version before it.

        The command ends this process if `fit` goes on too long.
        """
        tested, tasks = self._tested, self._plan.tasks
        before = self._last_predictions()
        self._again("cancelled", Cancellation(_CANCELLATION_DELAY)).run(self._plan.labelled)
        after = self._last_predictions()
        if before and after and (unlike := first_unlike(before, after)):
            number, where = unlike
            yield tested.failure(
                "fit-cancel",
                "after a training was cancelled, a model of the version before it predicts otherwise: "
                f"{where} differs",
                field=where,
                task=tasks[number],
                fix="Write to Path(workdir), and load only files that self.train_output names",
                methods=_METHODS,
            )

    def _last_predictions(self) -> list[Any]:
        """Return what a new model of the version of the check `fit` predicts; nothing if that cannot be compared."""
        tested = self._tested
        is_comparable = tested.info.generation != "event" and tested.holds("repeat", "fit-folder")
        if self._version is None or not is_comparable:
            return []
        return self._version.predictions() or []
