"""Check a model class: run the children of each phase for each label config, and put the report together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from label_studio_ml import samples
from label_studio_ml.config.settings import Settings
from label_studio_ml.storage.temporary_folders import temporary_folder
from label_studio_ml.test_kit.annotated_tasks import annotated_tasks
from label_studio_ml.test_kit.calls.call_fixes import METHODS, fix_of
from label_studio_ml.test_kit.check_catalogue import CHECKS, FIRST, Phase
from label_studio_ml.test_kit.child_plan import Plan
from label_studio_ml.test_kit.child_runner import ChildResult, Limits
from label_studio_ml.test_kit.code_places import NOWHERE, UserCode
from label_studio_ml.test_kit.config_processes import ConfigProcesses
from label_studio_ml.test_kit.outcome_list import OutcomeList
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
    """A label config and its name in the report; `made_up` if it is derived from the class's code."""

    name: str
    text: str
    made_up: bool = False


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
        with temporary_folder("label-studio-ml-test-") as folder:
            test = ConfigTest(settings, config, options, folder.resolve(), progress or (lambda outcome: None))
            test.run()
        outcomes += test.outcomes
        figures.append(test.figures)
        notes += test.notes
        if config.made_up:
            notes.append(
                f"the label config is made up: {config.name}. For that of your project, put label_config.xml into the "
                "folder, or give --label-config FILE"
            )
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
        settings = settings.with_model_dir(str(folder / "data"))
        settings = replace(settings, log_dir=folder / "logs", document_root=folder / "media")
        script = settings.script or settings.backend_dir / "model.py"
        self._config, self._folder = config, folder
        self._skipped = {check: reason for check, reason in options.skipped.items() if check not in FIRST}
        self._code = UserCode(settings.backend_dir, script, settings.class_name)
        self._list = OutcomeList(config.name, self._code, self._skipped, progress, quick=options.quick)
        self._processes = ConfigProcesses(settings, options.limits, self._skipped, folder / "child")

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes so far."""
        return self._list.outcomes

    @property
    def figures(self) -> Figures:
        """What was measured."""
        return self._processes.figures(self._config.name)

    @property
    def notes(self) -> list[str]:
        """Lines about how the class was tested."""
        values = self._processes.values
        abstains = "predict returns nothing for sample tasks: its regions could not be checked"
        return [*([abstains] if values.get("abstains") else []), *filter(None, [values.get("refused")])]

    def run(self) -> None:
        """Run all phases."""
        (self._folder / "data").mkdir()
        (self._folder / "logs").mkdir()
        media, text = self._folder / "media", self._config.text
        all_tasks = samples.tasks(text, LABELLED, files=media / "samples", document_root=media)
        tasks = all_tasks[:TASKS]
        self._run_phase(Plan(phase=Phase.PREDICT, label_config=text, checks=[], tasks=tasks))
        if why_not := self._why_no_fit():
            for phase in (Phase.FIT, Phase.RELOAD):
                self._list.skip_all(phase, why_not)
            return
        workdir = self._folder / "data" / "versions" / "project" / "version"
        workdir.mkdir(parents=True)
        plan = Plan(
            phase=Phase.FIT,
            label_config=text,
            checks=[],
            tasks=tasks,
            labelled=annotated_tasks(text, all_tasks),
            workdir=str(workdir),
        )
        self._run_phase(plan)
        self._reload(plan)

    def _why_no_fit(self) -> str:
        if self._processes.values.get("generation") == "none":
            return "the class has no fit"
        needed = {"import", "build", "predict"}.difference(self._skipped)
        return self._list.why_not_passed(needed)

    def _reload(self, plan: Plan) -> None:
        why_not = self._list.why_not_passed(("fit", "fit-output"))
        values = self._processes.values
        if why_not or "train_output" not in values:
            self._list.skip_all(Phase.RELOAD, why_not or "fit made no version")
            return
        if "repeat" in self._list.failed.union(self._skipped):  # then predictions always differ
            values = {**values, "trained": None, "rebuilt": None}
        wanted = {check.id for check in self._list.wanted(Phase.RELOAD)}
        outcomes = reload_outcomes(plan, values, self._processes.run, wanted)
        self._list.skip_unwanted(Phase.RELOAD)
        for outcome in outcomes:
            self._list.add(outcome)

    def _run_phase(self, plan: Plan) -> None:
        """Run the checks of a phase; after a process that ended in one of them, go on with the next in another."""
        self._list.skip_unwanted(plan.phase)
        remaining = [check.id for check in self._list.wanted(plan.phase)]
        for _ in range(_MOST_ENDS):
            failed = sorted(self._list.failed)
            result = self._processes.run(msgspec.structs.replace(plan, checks=remaining, failed=failed))
            self._take(result, remaining)
            if result.finished:
                break
            self._list.fail(self._ended(self._alone(result, plan)))
            remaining = [check for check in remaining if check not in self._list.checks]
            if not remaining or result.ended_in in FIRST:
                break
        for check in remaining:
            if check not in self._list.checks:
                self._list.skip(check, "the model's process ended too often")

    def _alone(self, result: ChildResult, plan: Plan) -> ChildResult:
        """Return the result for the task alone with which a process ends as with the batch; else that of the batch."""
        tasks = result.call.tasks if result.call is not None else []
        if result.ended_in != "predict" or len(tasks) < 2:
            return result
        alone = self._processes.run(msgspec.structs.replace(plan, checks=["predict"], one_by_one=True))
        return alone if alone.ended_in == "predict" else result

    def _take(self, result: ChildResult, wanted: Sequence[str]) -> None:
        """Add the outcomes that a process has sent, but for those that a process before it has sent."""
        earlier = self._list.checks
        for check, event in result.ends.items():
            if check in earlier or (check not in wanted and not event.failures):
                continue
            status = Status.FAILED if event.failures else Status.SKIPPED if event.skipped else Status.PASSED
            self._list.add_new(
                check, status, reason=event.skipped, seconds=event.seconds, failures=event.failures
            )

    def _ended(self, result: ChildResult) -> Failure:
        """Return the failure of the check in which the process ended."""
        check, call = CHECKS[result.ended_in], result.call
        kind = call.kind if call is not None else None
        methods = METHODS[kind] if kind is not None else ("predict",)
        file, line = result.place if result.place != NOWHERE else self._code.method(*methods)
        return Failure(
            check=check.id,
            message=f"{check.claim}: the process {result.cause}",
            field="process",
            task=call.tasks[0] if call is not None and len(call.tasks) == 1 else "",
            fix=result.fix or fix_of(kind, is_late=result.is_late) or check.fix,
            file=file,
            line=line,
        )
