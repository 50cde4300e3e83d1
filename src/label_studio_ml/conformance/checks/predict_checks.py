"""Checks of `POST /predict`: a task that is opened, all tasks at once, clicks, large requests, and broken tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, found, skipped
from label_studio_ml.conformance.sample_project import Json
from label_studio_ml.conformance.sample_regions import clicked_regions
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
from label_studio_ml.controls.collection import controls_of
from label_studio_ml.support.texts import plural

#: Bytes of a request that a project of some thousand tasks makes.
LARGE = 2_000_000

#: Number of tasks above which it does not matter how many could be predicted in one request.
_MANY = 20_000

#: Keys of a region that may differ between two equal predictions.
_IDS = frozenset({"id", "from_id", "to_id", "parentID"})

_NOTHING = "the model predicts nothing for the tasks, so that no prediction can be checked"
_NO_ANSWER = "/predict fails already for one task"


def _predict(trial: Trial, body: Json) -> Answer:
    """Send a `/predict`. If the backend does not answer in time, `trial.predicts` becomes False."""
    answer = trial.calls.post("/predict", body, trial.calls.limits.predict)
    if answer.timed_out:
        trial.predicts = False
    return answer


def one_task(trial: Trial) -> Outcome:
    """Check the prediction for a task that an annotator opens."""
    tasks = trial.first.tasks()[:1]
    answer = _predict(trial, trial.first.predict(tasks))
    if answer.is_error or answer.lost_body:
        trial.predicts = False
    results, findings = answered_results(answer, 1)
    findings += prediction_findings(results, tasks, trial.first_checks, trial.version)
    if not results and not findings:
        return skipped(_nothing(trial))
    return Outcome(
        f"whoever opens a task sees {_described(results[:1])}, after {answer.seconds:.2f} s",
        tuple(findings),
    )


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
        return skipped(_NO_ANSWER)
    tasks = trial.first.tasks()
    answer = _predict(trial, trial.first.predict(tasks))
    results, findings = answered_results(answer, len(tasks))
    findings += prediction_findings(results, tasks, trial.first_checks, trial.version)
    if not results and not findings:
        return skipped(_nothing(trial))
    trial.results = results
    return Outcome(f"Label Studio stores {_count(results)} {_pace(answer, len(tasks))}", tuple(findings))


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


def order(trial: Trial) -> Outcome:
    """Check that predictions come in the order of the tasks, by sending the tasks in the reverse order."""
    if not trial.predicts or not trial.results:
        return skipped(_NO_ANSWER if not trial.predicts else "there are no predictions to compare")
    tasks = trial.first.tasks()
    answer = _predict(trial, trial.first.predict(tasks[::-1]))
    results, findings = answered_results(answer, len(tasks))
    if findings or not results:
        return Outcome("no predictions for the tasks in the reverse order", tuple(findings))
    before = list(map(_comparable, trial.results))
    after = list(map(_comparable, results))
    if before == after[::-1]:
        if before == after:
            return skipped("all tasks have the same prediction, so that no order can be seen")
        return Outcome("each task gets its own prediction")
    again, _ = answered_results(_predict(trial, trial.first.predict(tasks)), len(tasks))
    if sorted(before) != sorted(after) or before != list(map(_comparable, again)):
        return skipped("two predictions of a task differ, so that no order can be seen")
    finding = Finding(
        Severity.FAIL,
        CALL,
        "the predictions are not in the order of the tasks: reversed tasks do not get reversed predictions",
        "the prediction of `tasks[i]` in `results[i]`",
        "Label Studio stores predictions at wrong tasks: annotators see those of other tasks",
        "Keep the order of the request: do not sort tasks, and do not collect results as they become ready",
    )
    return found(finding)


def _comparable(value: Any) -> str:
    """Return a text that is the same for equal predictions, whatever the ids of their regions."""
    if isinstance(value, Mapping):
        parts = (f"{key}:{_comparable(part)}" for key, part in sorted(value.items()) if key not in _IDS)
        return f"{{{','.join(parts)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_comparable, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def click(trial: Trial) -> Outcome:
    """Check the answer to an annotator's click: a request for one task, with the regions drawn so far."""
    if not trial.predicts:
        return skipped(_NO_ANSWER)
    task = trial.first.clicked_task(1)
    context = {"result": clicked_regions(controls_of(trial.first.label_config), trial.regions)}
    answer = _predict(trial, trial.first.click(task, context))
    if answer.is_error or answer.lost_body:
        return found(failed_call(answer, NO_SUGGESTION))
    results, findings = answered_results(answer, 1)
    if not results and not findings:
        return skipped("the model suggests nothing for a click")
    findings += click_findings(results[0], task, trial.first_checks) if results else []
    summary = f"the annotator gets {_described(results)} after {answer.seconds:.2f} s"
    return Outcome(summary, tuple(findings))


def large_request(trial: Trial) -> Outcome:
    """Check that a body as of some thousand tasks is accepted; the bytes are in the `meta` of one task."""
    if not trial.predicts:
        return skipped(_NO_ANSWER)
    task = {**trial.first.tasks()[0], "meta": {"padding": "x" * LARGE}}
    answer = _predict(trial, trial.first.predict([task]))
    if not answer.is_error:
        return Outcome(f"a request of {LARGE / 1e6:g} MB is accepted: {answer}")
    effect = f"'Retrieve predictions' for some thousand tasks at once stores nothing: {NOT_STORED}"
    return found(failed_call(answer, effect))


def broken_task(trial: Trial) -> Outcome:
    """Check that a task without data does not cost the other tasks of its request their predictions."""
    if not trial.predicts:
        return skipped(_NO_ANSWER)
    if not trial.results:
        return skipped("the model predicts nothing for tasks with data either")
    tasks = trial.first.tasks()
    tasks[1:1] = [trial.first.task(len(tasks) + 1, {})]
    answer = _predict(trial, trial.first.predict(tasks))
    results, findings = answered_results(answer, len(tasks))
    if not answer.is_error and results and not findings:
        return Outcome("the other tasks keep their predictions")
    received = findings[0].received if findings else "no results"
    finding = Finding(
        Severity.WARN,
        CALL,
        f"{received}, for {plural(len(tasks), 'task')} of which one has no data",
        "predictions for the other tasks, and `{'result': []}` or no `result` for this one",
        f"one task whose field is missing or null is enough: {NOT_STORED}",
        "Catch the errors of single tasks in the loop over `tasks`",
    )
    return found(finding)


def two_projects(trial: Trial) -> Outcome:
    """Check that a backend keeps the label configs of two projects apart, and serves both."""
    if not trial.predicts or not trial.results:
        return skipped(_NO_ANSWER if not trial.predicts else "there are no predictions to compare")
    if prediction_findings(trial.results[:1], trial.first.tasks()[:1], trial.first_checks, None):
        return skipped("the predictions for one project are wrong already")
    trial.calls.post("/setup", trial.second.setup(), trial.calls.limits.setup)
    first = _of_project(trial, second=False)
    second = _of_project(trial, second=True)
    if first:
        wrong = first[0]
        received = f"after the /setup of a second project, the first one gets: {wrong.received}"
        fix = "Take the label config from `label_config` of each /predict, or keep it by `project`: not in one variable"
        effect = f"as soon as a second project uses the backend, the first one gets wrong predictions: {wrong.effect}"
        finding = Finding(
            Severity.FAIL, CALL, received, "predictions for the project of the request", effect, fix
        )
        return found(finding)
    if second:
        wrong = second[0]
        received = f"a second project with other names of controls gets: {wrong.received}"
        fix = "Take names and labels from `label_config` of each /predict; or use the backend for one project only"
        finding = Finding(
            Severity.WARN,
            CALL,
            received,
            "predictions for the label config of the request",
            wrong.effect,
            fix,
        )
        return found(finding)
    return Outcome("each project gets predictions for its own label config")


def _of_project(trial: Trial, *, second: bool) -> list[Finding]:
    """Return the failures of a prediction for the first or the second project."""
    project, checks = (trial.second, trial.second_checks) if second else (trial.first, trial.first_checks)
    tasks = project.tasks()[:1]
    results, findings = answered_results(_predict(trial, project.predict(tasks)), 1)
    findings += prediction_findings(results, tasks, checks, None)
    return [finding for finding in findings if finding.severity is Severity.FAIL]
