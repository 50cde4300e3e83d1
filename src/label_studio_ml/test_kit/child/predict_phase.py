"""The checks of `predict`, in the order of the catalogue."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from label_studio_ml.errors import BackendError, ModelFileError
from label_studio_ml.model_api.api_generation import has_predict
from label_studio_ml.test_kit.child.answer_checks import AnswerChecks
from label_studio_ml.test_kit.child.bad_data import BadData
from label_studio_ml.test_kit.child.effects.leak_checks import LeakChecks
from label_studio_ml.test_kit.child.effects.process_settings import (
    ProcessSettings,
    handlers_changed,
    limits_lowered,
    timeout_changed,
)
from label_studio_ml.test_kit.child.effects.side_effects import Occurrence
from label_studio_ml.test_kit.child.failure_texts import asks_elsewhere
from label_studio_ml.test_kit.child.predict_calls import ask
from label_studio_ml.test_kit.child.repeat_checks import RepeatChecks
from label_studio_ml.test_kit.child.requests.click_checks import ClickChecks
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.code_places import NOWHERE, Place
from label_studio_ml.test_kit.report import Failure

Run = Callable[[], Iterator[Failure]]

#: Characters of the longest error in a reason.
_LONGEST_REASON = 200

#: Checks with bad values, which all run in the same way.
_BAD_DATA = (
    "empty-data",
    "null-data",
    "missing-data",
    "wrong-type-data",
    "unreadable-file",
    "hostile-text",
    "file-formats",
    "tiny-files",
    "huge-data",
)


class PredictPhase:
    """The checks of `predict` on one class, by id."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested
        self._folder = Path.cwd()
        self._environment = tested.settings.child_env()
        self._before_import = self._after_import = ProcessSettings.now()

    def load(self) -> Iterator[Failure]:
        """Import the class; fail with the line if that fails."""
        yield from loading(self._tested)

    def network(self) -> Iterator[Failure]:
        """Fail if the import asked another machine."""
        for address, place in self._tested.effects.network[:1]:
            yield self._tested.failure(
                "import-network", f"the import of the model file asks {address}", field=address, place=place
            )

    def build(self) -> Iterator[Failure]:
        """Build a model for the label config. Variables and a time limit that the import has set are its own."""
        self._tested.effects.variables.clear()
        self._after_import = ProcessSettings.now()
        self._environment = self._tested.settings.child_env()
        yield from building(self._tested)

    def checks(self) -> dict[str, Run]:
        """Return what runs each check."""
        tested = self._tested
        answers = AnswerChecks(tested)
        clicked = ClickChecks(tested)
        repeats, leaks = RepeatChecks(tested, answers), LeakChecks(tested, answers)
        bad = {check: self._with_bad_data(check) for check in _BAD_DATA}
        return {
            "import": self.load,
            "import-network": self.network,
            "build": self.build,
            "predict": lambda: self._timed(answers),
            "count": answers.count,
            "json": answers.as_json,
            "finite": answers.finite,
            "regions": answers.regions,
            "task-changed": answers.tasks_left,
            "repeat": repeats.repeat,
            "order": repeats.order,
            "batch": repeats.batch,
            "concurrency": repeats.concurrency,
            "two-projects": repeats.two_projects,
            "unknown-tags": repeats.unknown_tags,
            "click": clicked.answered,
            "click-regions": clicked.regions,
            "click-repeat": clicked.repeated,
            "click-unknown": clicked.unknown,
            **bad,
            "open-files": leaks.open_files,
            "threads": leaks.threads,
            "processes": leaks.processes,
            "memory": leaks.memory,
            "stdin": lambda: stdin_read(tested, "stdin"),
            "working-folder": lambda: folder_changed(tested, "working-folder", self._folder),
            "environment": lambda: variables_changed(tested, "environment", self._environment),
            "process-settings": self._settings_changed,
        }

    def _settings_changed(self) -> Iterator[Failure]:
        """Fail if the class has changed settings of the process; a time limit of sockets from the import is its own."""
        check = "process-settings"
        yield from timeout_changed(self._tested, check, self._after_import)
        yield from handlers_changed(self._tested, check, self._before_import)
        yield from limits_lowered(self._tested, check, self._before_import)

    def _with_bad_data(self, check: str) -> Run:
        return lambda: BadData(self._tested).try_values(check)

    def _timed(self, answers: AnswerChecks) -> Iterator[Failure]:
        if self._tested.plan.one_by_one:
            for task in self._tested.plan.tasks:
                ask(self._tested.model, [task], self._tested.effects)
            return
        if reason := self._why_no_server(answers):
            self._tested.values["skipped"] = reason
            return
        yield from answers.raises()
        if answers.answer.abstains:
            self._tested.values["abstains"] = True
        began = time.monotonic()
        AnswerChecks(self._tested).answer  # noqa: B018 (a second call, for the time without first-time work)
        self._tested.values["seconds_per_task"] = (time.monotonic() - began) / max(1, len(answers.tasks))

    def _why_no_server(self, answers: AnswerChecks) -> str:
        """Return why `predict` cannot be tested, if it fails because of a server; else empty text.

        Either the error is that of a request, or the class raises one of its own after it has asked a server.
        """
        tested = self._tested
        asked_before = len(tested.effects.network)
        error = answers.answer.error
        if error is None:
            return ""
        has_asked = len(tested.effects.network) > asked_before
        if asks_elsewhere(error) or (has_asked and tested.code.raises_by_itself(error)):
            return f"{tested.lacks_server('predict')}: {' '.join(str(error).split())[:_LONGEST_REASON]}"
        return ""


def loading(tested: TestedClass) -> Iterator[Failure]:
    """Import the class; fail with the user's line if that fails, or if it has no `predict`."""
    try:
        tested.load()
    except BackendError as error:
        cause = error.__cause__
        place: Place = tested.code.place_of(cause) if cause is not None else NOWHERE
        if isinstance(cause, SyntaxError):
            place = tested.code.shown((str(cause.filename), cause.lineno or 1))
        yield tested.failure("import", error.message, field=error.field or "", fix=error.fix, place=place)
        return
    if not has_predict(tested.cls):
        yield tested.failure(
            "import",
            f"{tested.cls.__name__} has no predict method",
            field="predict",
            fix="Define predict(self, tasks, **kwargs) in the class",
        )


def building(tested: TestedClass) -> Iterator[Failure]:
    """Build the model of the plan; fail with the user's line if that fails."""
    began = time.monotonic()
    try:
        tested.model = tested.build()
    except ModelFileError as error:
        yield tested.failure("build", error.message, field=error.field, fix=error.fix)
    except BackendError as error:
        yield tested.not_built("build", error)
    tested.values["build_seconds"] = time.monotonic() - began


def stdin_read(tested: TestedClass, check: str) -> Iterator[Failure]:
    """Fail if user code has read standard input."""
    for source, place in tested.effects.stdin[:1]:
        yield tested.failure(check, f"{source} is read", field="standard input", place=place)


def folder_changed(tested: TestedClass, check: str, before: Path) -> Iterator[Failure]:
    """Fail if the working folder is no longer `before`."""
    changes: list[Occurrence] = tested.effects.folders
    if changes and Path.cwd() != before:
        folder, place = changes[-1]
        yield tested.failure(check, f"the working folder is changed to {folder}", field=folder, place=place)


def variables_changed(tested: TestedClass, check: str, before: dict[str, str]) -> Iterator[Failure]:
    """Fail if user code has set an environment variable to another value; those set by the import are its own."""
    now = tested.settings.child_env()
    for name, place in tested.effects.variables:
        if now.get(name) != before.get(name):
            yield tested.failure(
                check, f"the environment variable {name} is changed", field=name, place=place
            )
            return
