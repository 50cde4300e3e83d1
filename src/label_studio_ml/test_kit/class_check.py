"""Check a model class: run the children of each phase for each label config, and put the report together."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml import samples
from label_studio_ml.config.settings import Settings
from label_studio_ml.test_kit.annotated_tasks import annotated_tasks
from label_studio_ml.test_kit.calls import absent_studio
from label_studio_ml.test_kit.calls.call_fixes import METHODS, fix_of
from label_studio_ml.test_kit.check_catalogue import CHECKS, FIRST, Check, Phase, checks_of
from label_studio_ml.test_kit.child_plan import Event, Plan
from label_studio_ml.test_kit.child_runner import ChildResult, Limits, run_child
from label_studio_ml.test_kit.code_places import NOWHERE, UserCode
from label_studio_ml.test_kit.report import Failure, Figures, Outcome, Report, Status
from label_studio_ml.test_kit.version_reload import reload_outcomes

#: Sample tasks, and labelled tasks for `fit`: as many as the model that `init` writes needs for a measurement.
TASKS, LABELLED = 6, 24
#: The most processes of one phase that may end in the middle of a check.
_MOST_ENDS = 8


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How a class is checked.

    `skipped` has the reason for each check that is left out; `import` and `build` cannot be. `quick` leaves out checks
    that take long.
    """

    limits: Limits = field(default_factory=Limits)
    skipped: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False


@dataclass(frozen=True, slots=True)
class NamedConfig:
    """A label config and its name in the report."""

    name: str
    text: str


def check_class(
    settings: Settings,
    configs: Sequence[NamedConfig],
    options: CheckOptions,
    progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """Test the class that the settings name with each label config; `progress` is called with each outcome.

    Nothing is written into the backend's folder but by the class itself. Raises LabelConfigError.
    """
    outcomes: list[Outcome] = []
    figures: list[Figures] = []
    notes: list[str] = []
    for config in configs:
        with tempfile.TemporaryDirectory(prefix="label-studio-ml-test-") as folder:
            one = ConfigTest(
                settings, config, options, Path(folder).resolve(), progress or (lambda outcome: None)
            )
            one.run()
        outcomes += one.outcomes
        figures.append(one.figures)
        notes += one.notes
    model = f"{settings.class_name} of {settings.script}"
    return Report(model=model, outcomes=outcomes, figures=figures, notes=notes)


class ConfigTest:
    """The test with one label config, in a temporary folder."""

    def __init__(
        self,
        settings: Settings,
        config: NamedConfig,
        options: CheckOptions,
        folder: Path,
        progress: Callable[[Outcome], None],
    ) -> None:
        self._settings = settings.with_model_dir(str(folder / "data"))
        self._settings = replace(self._settings, log_dir=folder / "logs", document_root=folder / "media")
        self._config, self._folder, self._progress = config, folder, progress
        skipped = {check: reason for check, reason in options.skipped.items() if check not in FIRST}
        self._options = replace(options, skipped=skipped)
        self._failed: set[str] = set()
        self._values: dict[str, Any] = {}
        self._memory = 0.0
        self.outcomes: list[Outcome] = []
        self.notes: list[str] = []

    def run(self) -> None:
        """Run all phases."""
        (self._folder / "data").mkdir()
        (self._folder / "logs").mkdir()
        media = self._folder / "media"
        all_tasks = samples.tasks(self._config.text, LABELLED, files=media / "samples", document_root=media)
        tasks = all_tasks[:TASKS]
        plan = Plan(phase=Phase.PREDICT, label_config=self._config.text, checks=[], tasks=tasks)
        self._run_phase(Phase.PREDICT, plan)
        if self._values.get("abstains"):
            self.notes.append("predict returns nothing for sample tasks: its regions could not be checked")
        if refused := self._values.get("refused"):
            self.notes.append(str(refused))
        why_not = self._why_no_fit()
        for phase in (Phase.FIT, Phase.RELOAD):
            if why_not:
                self._skip_all(phase, why_not)
        if why_not:
            return
        workdir = self._folder / "data" / "versions" / "project" / "version"
        workdir.mkdir(parents=True)
        labelled = annotated_tasks(self._config.text, all_tasks)
        fit_plan = Plan(
            phase=Phase.FIT,
            label_config=self._config.text,
            checks=[],
            tasks=tasks,
            labelled=labelled,
            workdir=str(workdir),
        )
        self._run_phase(Phase.FIT, fit_plan)
        self._reload(fit_plan)

    def _why_no_fit(self) -> str:
        if self._values.get("generation") == "none":
            return "the class has no fit"
        failed = next((check for check in ("import", "build", "predict") if check in self._failed), "")
        return f"{failed} failed" if failed else ""

    def _reload(self, plan: Plan) -> None:
        reason = next((check for check in ("fit", "fit-output") if check in self._failed), "")
        if reason or "train_output" not in self._values:
            self._skip_all(Phase.RELOAD, f"{reason} failed" if reason else "fit made no version")
            return
        values = self._values
        if "repeat" in self._failed.union(self._options.skipped):  # then predictions always differ
            values = {**values, "trained": None, "rebuilt": None}
        outcomes = reload_outcomes(
            plan,
            values,
            lambda new: self._run_child(new),
            {check.id for check in self._wanted(Phase.RELOAD)},
        )
        self._skip_unwanted(Phase.RELOAD)
        for outcome in outcomes:
            self._add(outcome)

    def _wanted(self, phase: Phase) -> list[Check]:
        checks = checks_of(phase, self._options.skipped)
        return [check for check in checks if not (check.is_long and self._options.quick)]

    def _skip_all(self, phase: Phase, reason: str) -> None:
        for check in checks_of(phase):
            self._add(
                self._outcome(check.id, Status.SKIPPED, reason=self._options.skipped.get(check.id, reason))
            )

    def _skip_unwanted(self, phase: Phase) -> None:
        wanted = {check.id for check in self._wanted(phase)}
        for check in checks_of(phase):
            if check.id not in wanted:
                reason = self._options.skipped.get(check.id, "it takes long, and --quick is set")
                self._add(self._outcome(check.id, Status.SKIPPED, reason=reason))

    def _run_phase(self, phase: Phase, plan: Plan) -> None:
        """Run the checks of a phase; after a process that ended in one of them, go on with the next in another."""
        self._skip_unwanted(phase)
        remaining = [check.id for check in self._wanted(phase)]
        for _ in range(_MOST_ENDS):
            result = self._run_child(
                msgspec.structs.replace(plan, checks=remaining, failed=sorted(self._failed))
            )
            self._take(result, remaining)
            if result.finished:
                break
            self._add(self._ended(self._alone(result, plan)))
            done = {outcome.check for outcome in self.outcomes}
            remaining = [check for check in remaining if check not in done]
            if not remaining or result.ended_in in ("import", "build"):
                break
        for check in remaining:
            if check not in {outcome.check for outcome in self.outcomes}:
                self._add(self._outcome(check, Status.SKIPPED, reason="the model's process ended too often"))

    def _run_child(self, plan: Plan) -> ChildResult:
        folder = self._folder / "child"
        folder.mkdir(exist_ok=True)
        plan = msgspec.structs.replace(plan, skipped=sorted(self._options.skipped))
        result = run_child(self._settings, plan, self._options.limits, folder, self._note, self._login(plan))
        self._memory = max(self._memory, result.memory)
        return result

    def _login(self, plan: Plan) -> dict[str, str]:
        """Return the login for a Label Studio that does not exist, if `fit` may read from one and has no login."""
        is_needed = plan.phase is not Phase.PREDICT and self._values.get("generation") == "event"
        return absent_studio.LOGIN if is_needed and not self._settings.studio_api_key else {}

    def _alone(self, result: ChildResult, plan: Plan) -> ChildResult:
        """Return the result for the task alone with which a process ends as with the batch; else that of the batch."""
        tasks = result.call.tasks if result.call is not None else []
        if result.ended_in != "predict" or len(tasks) < 2:
            return result
        alone = self._run_child(msgspec.structs.replace(plan, checks=["predict"], one_by_one=True))
        return alone if alone.ended_in == "predict" else result

    def _note(self, event: Event) -> None:
        """Take over what is measured."""
        for name, value in event.values.items():
            self._values[name] = value

    def _take(self, result: ChildResult, wanted: Sequence[str]) -> None:
        known = {outcome.check for outcome in self.outcomes}
        for check, event in result.ends.items():
            if check in known or (check not in wanted and not event.failures):
                continue
            status = Status.FAILED if event.failures else Status.SKIPPED if event.skipped else Status.PASSED
            self._add(
                self._outcome(
                    check, status, reason=event.skipped, seconds=event.seconds, failures=event.failures
                )
            )

    def _ended(self, result: ChildResult) -> Outcome:
        """Return the outcome of a check in which the process ended."""
        check, call = CHECKS[result.ended_in], result.call
        kind = call.kind if call is not None else None
        methods = METHODS[kind] if kind is not None else ("predict",)
        file, line = result.place if result.place != NOWHERE else self._code.method(*methods)
        failure = Failure(
            check=check.id,
            message=f"{check.claim}: the process {result.cause}",
            field="process",
            task=call.tasks[0] if call is not None and len(call.tasks) == 1 else "",
            fix=fix_of(kind, is_late=result.is_late) or check.fix,
            file=file,
            line=line,
        )
        return self._outcome(check.id, Status.FAILED, failures=[failure])

    def _outcome(self, check: str, status: Status, **fields: Any) -> Outcome:
        return Outcome(
            check=check,
            claim=CHECKS[check].claim,
            status=status,
            label_config=self._config.name,
            **fields,
        )

    def _add(self, outcome: Outcome) -> None:
        is_not_run = outcome.status is Status.SKIPPED and outcome.check in ("fit", "fit-output")
        if outcome.status is Status.FAILED or is_not_run:
            self._failed.add(outcome.check)
        failures = [self._placed(failure) for failure in outcome.failures]
        named = msgspec.structs.replace(outcome, label_config=self._config.name, failures=failures)
        self.outcomes.append(named)
        self._progress(named)

    def _placed(self, failure: Failure) -> Failure:
        """Return a failure with a line: that of `setup` or the constructor, if it has none."""
        if failure.file:
            return failure
        file, line = self._code.method("setup", "__init__", "predict")
        return msgspec.structs.replace(failure, file=file, line=line)

    @property
    def _code(self) -> UserCode:
        script = self._settings.script or self._settings.backend_dir / "model.py"
        return UserCode(self._settings.backend_dir, script, self._settings.class_name)

    @property
    def figures(self) -> Figures:
        """What was measured."""
        names = ("import_seconds", "build_seconds", "seconds_per_task", "fit_seconds")
        values = {name: self._values.get(name) for name in names}
        return Figures(label_config=self._config.name, memory=self._memory or None, **values)
