"""Checks of single answers of `predict`: its count, its JSON, its regions, and the tasks after the call."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from label_studio_ml.protocol.prediction_differences import difference
from label_studio_ml.protocol.prediction_json import NONE_FOR_TASK, InvalidPrediction
from label_studio_ml.support.texts import plural
from label_studio_ml.test_kit.check_catalogue import CHECKS
from label_studio_ml.test_kit.child.failure_texts import is_unexplained
from label_studio_ml.test_kit.child.predict_calls import (
    Answer,
    Json,
    ask,
    decoded,
    infinite,
)
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.validation.finding import Finding
from label_studio_ml.validation.strict_checks import StrictChecks

#: The most failures of one check.
_MOST = 5

#: What to do about fields that name parts of the label config.
_FIXES = {
    "from_name": "Set from_name to the name of the control: control.name",
    "to_name": "Set to_name to the name of the object that the control labels: control.to_name",
    "type": "Set type to the control's tag in lower case: control.region_type",
}


class AnswerChecks:
    """The first call of `predict`, for all sample tasks, and the checks on it."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested
        self.tasks = tested.plan.tasks
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """The answer to the sample tasks in one batch."""
        if self._answer is None:
            self._answer = ask(self._tested.model, self.tasks, self._tested.effects)
        return self._answer

    def raises(self) -> Iterator[Failure]:
        """Fail if `predict` raises for the batch; name the tasks for which it raises alone.

        Tasks that it refuses with an explanation are left out of the further checks, unless it refuses all. If it
        refuses batches, as many classes of 1.0.9 do, only the first task is left: the server asks them task by task.
        """
        error = self.answer.error
        if error is None:
            return
        tested = self._tested
        field = next(iter(tested.fields), "")
        errors = [ask(tested.model, [task], tested.effects).error for task in self.tasks]
        taken = [task for task, alone in zip(self.tasks, errors, strict=True) if alone is None]
        seen: set[str] = set()
        for task, alone in zip(self.tasks, errors, strict=True):
            is_refusal = alone is None or (taken and not is_unexplained(tested.code, alone))
            if alone is None or is_refusal or repr(alone) in seen or len(seen) >= _MOST:
                continue
            seen.add(repr(alone))
            yield tested.raised("predict", alone, "predict raises for a sample task:", field=field, task=task)
        if seen:
            return
        if len(taken) == len(self.tasks) > 1 and tested.code.refuses(error):
            tested.values["refused"] = (
                "predict takes one task at a time, and was tested with the first one only"
            )
            self.tasks, self._answer = self.tasks[:1], None
            yield from self.raises()
        elif len(taken) == len(self.tasks):
            count = plural(len(self.tasks), "task")
            yield tested.raised("predict", error, f"predict raises for a batch of {count}:", field=field)
        else:
            refusal = next(str(alone) for alone in errors if alone is not None)
            tested.values["refused"] = f"predict refuses some sample tasks: {' '.join(refusal.split())[:300]}"
            self.tasks, self._answer = taken, None
            yield from self.raises()

    def count(self) -> Iterator[Failure]:
        """Fail if there is not one entry for each task, for the batch or a task alone."""
        tested = self._tested
        if self.answer.wrong_count:
            yield tested.failure("count", self.answer.wrong_count, field="predictions")
            return
        alone = ask(tested.model, self.tasks[:1], tested.effects)
        if not alone.wrong_count:
            return
        alone = ask(tested.build(), self.tasks[:1], tested.effects)
        if alone.wrong_count:  # else the model keeps results between calls, which `repeat` says
            yield tested.failure("count", alone.wrong_count, field="predictions", task=self.tasks[0])

    def as_json(self) -> Iterator[Failure]:
        """Fail for entries that cannot be sent."""
        seen: set[str] = set()
        for task, entry in zip(self.tasks, self.answer.raw, strict=True):
            try:
                decoded(entry)
            except InvalidPrediction as error:
                if str(error) not in seen and len(seen) < _MOST:
                    seen.add(str(error))
                    fix = _fix_of(error)
                    yield self._tested.failure("json", str(error), field="prediction", task=task, fix=fix)

    def finite(self) -> Iterator[Failure]:
        """Fail for the first number that is NaN or infinite."""
        for task, entry in zip(self.tasks, self.answer.raw, strict=True):
            if where := infinite(entry):
                yield self._tested.failure("finite", f"{where} is NaN or infinite", field=where, task=task)
                return

    def regions(self) -> Iterator[Failure]:
        """Fail for each kind of problem that the regions have, at the first task with it."""
        checks = StrictChecks(self._tested.plan.label_config)
        by_kind: dict[str, tuple[Finding, Json, int]] = {}
        for task, entry in zip(self.tasks, self.answer.raw, strict=True):
            for finding in findings_of(checks, entry, task):
                first, first_task, count = by_kind.get(finding.kind, (finding, task, 0))
                by_kind[finding.kind] = (first, first_task, count + 1)
        self._tested.known_kinds |= by_kind.keys()
        for finding, task, count in list(by_kind.values())[:_MOST]:
            fix = finding.fix or _FIXES.get(finding.field, "")
            others = f", and {count - 1} more like it" if count > 1 else ""
            yield self._tested.failure(
                "regions",
                f"{finding}{others}",
                field=finding.field or "value",
                task=task,
                fix=fix,
                place=self._tested.code.literal(_wrong_name(finding)),
            )

    def tasks_left(self) -> Iterator[Failure]:
        """Fail if a task differs after the call."""
        for task, left in zip(self.tasks, self.answer.tasks, strict=True):
            if where := difference(task, left):
                yield self._tested.failure(
                    "task-changed", f"predict changes {where} of a task", field=where, task=task
                )
                return


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one entry of an answer, as a clause for a message; `fix` is empty for the check's own."""

    message: str
    field: str
    fix: str = ""


def _fix_of(error: InvalidPrediction) -> str:
    """Return what to do about a prediction that cannot be sent."""
    if str(error) == NONE_FOR_TASK:
        return (
            "Return {'result': []} for a task without regions; before the first training, [] for all tasks in place of "
            "[None, …]"
        )
    return CHECKS["json"].fix


def problem_of(
    tested: TestedClass, checks: StrictChecks, entry: object, task: Json, *, interactive: bool = False
) -> Problem | None:
    """Return the first problem of an entry that no check of the sample tasks has reported; None if there is none."""
    if tested.holds("finite") and (where := infinite(entry)):
        return Problem(f"{where} of the prediction is NaN or infinite", where, CHECKS["finite"].fix)
    try:
        decoded(entry)
    except InvalidPrediction as error:
        message = f"the prediction cannot be sent: {error}"
        return Problem(message, "prediction", _fix_of(error)) if tested.holds("json") else None
    for finding in new_findings(tested, checks, entry, task, interactive=interactive):
        return Problem(f"the prediction cannot be shown: {finding}", finding.field or "value", finding.fix)
    return None


def findings_of(
    checks: StrictChecks, entry: object, task: Json, *, interactive: bool = False
) -> list[Finding]:
    """Return what Label Studio cannot show of an entry; nothing if it cannot be sent at all."""
    try:
        predictions = decoded(entry)
    except InvalidPrediction:
        return []
    return [
        finding
        for prediction in predictions
        for finding in checks.findings(prediction, task, interactive=interactive)
    ]


def _wrong_name(finding: Finding) -> str:
    """Return the name, type or label of a region that is wrong, as the user's code may have it; empty if none is."""
    if finding.field == "from_name":
        return finding.from_name
    match = re.match(r"(?:to_name|type|the label) (?P<quote>['\"])(?P<name>.*?)(?P=quote) ", finding.fault)
    return match["name"] if match else ""


def new_findings(
    tested: TestedClass, checks: StrictChecks, entry: object, task: Json, *, interactive: bool = False
) -> list[Finding]:
    """Return the findings of kinds that the check `regions` has not reported."""
    if (
        not tested.holds("regions") and not tested.known_kinds
    ):  # it failed in a process before this one, or is left out
        return []
    findings = findings_of(checks, entry, task, interactive=interactive)
    return [finding for finding in findings if finding.kind not in tested.known_kinds]
