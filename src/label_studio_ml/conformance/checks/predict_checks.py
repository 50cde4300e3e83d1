"""Checks of `POST /predict`: a task that is opened, all tasks at once, clicks, and large requests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.checks.late_answer import late_answer
from label_studio_ml.conformance.checks.predict_call import NO_ANSWER, predict
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, skipped, with_findings
from label_studio_ml.conformance.stored_predictions import (
    CALL,
    NO_SUGGESTION,
    NOT_STORED,
    answered_results,
    click_findings,
    failed_call,
    prediction_findings,
)
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.support.texts import plural

#: Bytes of a request that a project of some thousand tasks makes.
LARGE = 2_000_000

#: Number of tasks above which it does not matter how many could be predicted in one request.
_MANY = 20_000

_NOTHING = "the model predicts nothing for the tasks, so that no prediction can be checked"


_OTHER_ENCODING = Finding(
    Severity.WARN,
    CALL,
    "a body that is not UTF-8",
    "UTF-8",
    "Label Studio guesses the encoding, or replaces what is not UTF-8: letters may become wrong",
    "Encode the answer as UTF-8",
)


def one_task(trial: Trial) -> Outcome:
    """Check the prediction for a task that an annotator opens."""
    tasks = trial.first.tasks()[:1]
    answer = predict(trial, trial.first.predict(tasks))
    if answer.is_error or answer.lost_body:
        trial.predicts = False
    results, findings = answered_results(answer, 1)
    findings += prediction_findings(results, tasks, trial.first_checks, trial.version)
    if not answer.is_error and not answer.is_utf8:
        findings.append(_OTHER_ENCODING)
    findings += late_answer(answer)
    if not results and not findings:
        return skipped(_nothing(trial))
    summary = f"whoever opens a task sees {_described(results[:1])}, after {answer.seconds:.2f} s"
    return Outcome(summary + _sampled(trial, results), tuple(findings))


def _nothing(trial: Trial) -> str:
    advice = "" if trial.own_tasks else "; give --tasks that it predicts for, and their --label-config"
    return f"{_NOTHING}{advice}"


def _described(results: Sequence[Any]) -> str:
    regions = sum(len(_regions(result)) for result in results)
    return plural(regions, "region")


def _regions(result: Any) -> list[Any]:
    """Return the regions of a task's first prediction; empty if it has none."""
    entry = result[0] if isinstance(result, list) and result else result
    regions = entry.get("result") if isinstance(entry, Mapping) else None
    return regions if isinstance(regions, list) else []


def all_tasks(trial: Trial) -> Outcome:
    """Check the predictions for all tasks of a project, which Label Studio asks for in one request."""
    if not trial.predicts:
        return skipped(NO_ANSWER)
    tasks = trial.first.tasks()
    answer = predict(trial, trial.first.predict(tasks))
    results, trial.answer_findings = answered_results(answer, len(tasks))
    findings = trial.answer_findings + prediction_findings(results, tasks, trial.first_checks, trial.version)
    findings += late_answer(answer)
    if not results and not findings:
        return skipped(_nothing(trial))
    trial.results = results
    summary = f"Label Studio stores {_count(results)} {_pace(answer, len(tasks))}"
    return Outcome(summary + _sampled(trial, results), tuple(findings))


def _sampled(trial: Trial, results: Sequence[Any]) -> str:
    """Return the note that the SDK's validator was not asked about all regions; empty if it was."""
    most = trial.first_checks.sdk_regions
    if most is None or all(len(_regions(result)) <= most for result in results):
        return ""
    return f"; of each prediction, the validator of label-studio-sdk got the first {most:,} regions only"


def _count(results: Sequence[Any]) -> str:
    stored = sum(len(result) if isinstance(result, list) else 1 for result in results)
    return plural(stored, "prediction")


def _pace(answer: Answer, count: int) -> str:
    """Return how long an answer took, and how many tasks could be asked for at once, if a project may have more."""
    most = int(answer.limit / max(answer.seconds, 0.001) * count)
    if most > _MANY:
        return f"of {plural(count, 'task')} after {answer.seconds:.2f} s"
    return (
        f"of {plural(count, 'task')} after {answer.seconds:.2f} s (it waits {answer.limit:g} s for one request with "
        f"all selected tasks: at this pace {most:,})"
    )


def click(trial: Trial) -> Outcome:
    """Check the answer to an annotator's click: a request for one task, with the regions drawn so far."""
    if not trial.predicts:
        return skipped(NO_ANSWER)
    task = trial.first.clicked_task(1)
    answer = predict(trial, trial.first.click(task, trial.click_context))
    if answer.is_error or answer.lost_body:
        return with_findings(failed_call(answer, NO_SUGGESTION))
    results, findings = answered_results(answer, 1)
    if not results and not findings:
        return skipped("the model suggests nothing for a click")
    findings = [replace(finding, effect=NO_SUGGESTION) for finding in findings]
    findings += click_findings(results[0], task, trial.first_checks) if results else []
    summary = f"the annotator gets {_described(results)} after {answer.seconds:.2f} s"
    return Outcome(summary, tuple(findings))


def large_request(trial: Trial) -> Outcome:
    """Check that a body as of some thousand tasks is accepted; the bytes are in the `meta` of one task."""
    if not trial.predicts:
        return skipped(NO_ANSWER)
    task = {**trial.first.tasks()[0], "meta": {"padding": "x" * LARGE}}
    answer = predict(trial, trial.first.predict([task]))
    if not answer.is_error:
        return Outcome(f"a request of {LARGE / 1e6:g} MB is accepted: {answer}")
    effect = f"'Retrieve predictions' for some thousand tasks at once stores nothing: {NOT_STORED}"
    return with_findings(failed_call(answer, effect))
