"""Checks that compare predictions for all tasks: in the reverse order, and with a broken task among them."""

from collections.abc import Sequence
from typing import Any

from label_studio_ml.conformance.checks.predict_call import predict, reason_to_skip
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, skipped, with_findings
from label_studio_ml.conformance.sample_project import Json
from label_studio_ml.conformance.stored_predictions import (
    CALL,
    CRASH,
    NOT_STORED,
    REFUSED,
    answered_results,
    prediction_findings,
)
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.protocol.prediction_differences import are_equal, is_permutation
from label_studio_ml.support.texts import plural

#: Where the broken task is among the others.
_BROKEN = 1


def order(trial: Trial) -> Outcome:
    """Check that predictions come in the order of the tasks, by sending the tasks in the reverse order."""
    if reason := reason_to_skip(trial):
        return skipped(reason)
    tasks = trial.first.tasks()
    answer = predict(trial, trial.first.predict(tasks[::-1]))
    results, findings = answered_results(answer, len(tasks))
    if new := _new(trial, findings):
        return with_findings(*new)
    before = list(trial.results)
    if not _changed(before, results[::-1]):
        if not _changed(before, results):
            return skipped("all tasks have the same prediction, so that no order can be seen")
        return Outcome("each task gets its own prediction")
    again, _ = answered_results(predict(trial, trial.first.predict(tasks)), len(tasks))
    if again and not results:
        return with_findings(_nothing_reversed(len(tasks)))
    if not is_permutation(before, results) or _changed(before, again):
        return skipped("two predictions of a task differ, so that no order can be seen")
    finding = Finding(
        Severity.FAIL,
        CALL,
        "the predictions are not in the order of the tasks: reversed tasks do not get reversed predictions",
        "the prediction of `tasks[i]` in `results[i]`",
        "Label Studio stores predictions at wrong tasks: annotators see those of other tasks",
        "Keep the order of the request: do not sort tasks, and do not collect results as they become ready",
    )
    return with_findings(finding)


def _nothing_reversed(count: int) -> Finding:
    return Finding(
        Severity.FAIL,
        CALL,
        f"no results for {plural(count, 'task')} in the reverse order, which have predictions in the usual one",
        "the prediction of `tasks[i]` in `results[i]`",
        NOT_STORED,
        "Predict for each task, whichever is the first of the request",
    )


def _new(trial: Trial, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings about an answer that the answer to the usual request for all tasks does not have."""
    return [finding for finding in findings if finding not in trial.answer_findings]


def broken_task(trial: Trial) -> Outcome:
    """Check that a task without data does not change what is predicted for the other tasks of its request."""
    if reason := reason_to_skip(trial):
        return skipped(reason)
    tasks = trial.first.tasks()
    broken = trial.first.task(len(tasks) + 1, {})
    tasks.insert(_BROKEN, broken)
    answer = predict(trial, trial.first.predict(tasks))
    results, findings = answered_results(answer, len(tasks))
    new = _new(trial, findings)
    if new or not results:
        received = new[0].received if new else "no results"
        return with_findings(
            _broken_finding(
                f"{received}, for {plural(len(tasks), 'task')} of which one has no data",
                f"one task whose field is missing or null is enough: {NOT_STORED}",
            )
        )
    own = results.pop(_BROKEN)
    if lost := _unusable(trial, own, broken):
        return with_findings(_broken_finding(f"{lost.received}, for the task without data", lost.effect))
    changed = _changed(trial.results, results)
    if not changed:
        return Outcome("the other tasks keep their predictions")
    again, _ = answered_results(predict(trial, trial.first.predict(trial.first.tasks())), len(trial.results))
    if _changed(trial.results, again):
        return skipped("two predictions of a task differ, so that nothing can be said about the other tasks")
    count = f"{changed} of the {plural(len(results), 'other task')}"
    effect = "annotators of other tasks see predictions that are missing, or belong to another task"
    return with_findings(
        _broken_finding(f"other predictions for {count} than without the task that has no data", effect)
    )


def _broken_finding(received: str, effect: str) -> Finding:
    expected = "the usual predictions for the other tasks, and `{'result': []}` or no `result` for this one"
    fix = (
        "Catch the errors of single tasks in the loop over `tasks`, and keep each result at its task's place"
    )
    return Finding(Severity.WARN, CALL, received, expected, effect, fix)


def _unusable(trial: Trial, result: Any, task: Json) -> Finding | None:
    """Return the finding about a prediction with which Label Studio refuses those of all tasks."""
    own = prediction_findings([result], [task], trial.first_checks, trial.version)
    return next((finding for finding in own if finding.effect in (CRASH, REFUSED)), None)


def _changed(before: Sequence[Any], after: Sequence[Any]) -> int:
    """Return the number of tasks that have other predictions than before."""
    if len(before) != len(after):
        return len(before)
    return sum(not are_equal(earlier, later) for earlier, later in zip(before, after, strict=True))
