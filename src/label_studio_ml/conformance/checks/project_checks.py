"""Check that a backend serves two projects, each by its own label config."""

from label_studio_ml.conformance.checks.predict_call import predict, reason_to_skip
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, is_failure, skipped, with_findings
from label_studio_ml.conformance.sample_project import SampleProject
from label_studio_ml.conformance.stored_predictions import (
    CALL,
    NOT_STORED,
    answered_results,
    click_findings,
    prediction_findings,
)
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.validation.strict_checks import StrictChecks

_PER_REQUEST = (
    "Take the label config from `label_config` of each /predict, or keep it by `project`: not in one variable"
)

_NO_RESULTS = Finding(
    Severity.FAIL,
    CALL,
    "no results for a task that has a prediction otherwise",
    "predictions for the label config of the request",
    NOT_STORED,
    _PER_REQUEST,
)


def two_projects(trial: Trial) -> Outcome:
    """Check that a backend keeps the label configs of two projects apart, and serves both.

    Label Studio sends the `/setup` of a project before its `/predict`, but none before a click.
    """
    if reason := reason_to_skip(trial):
        return skipped(reason)
    if prediction_findings(trial.results[:1], trial.first.tasks()[:1], trial.first_checks, None):
        return skipped("the predictions for one project are wrong already")
    second = _opened(trial, trial.second, trial.second_checks)
    clicked = _clicked(trial)  # the last /setup is that of the second project
    first = _opened(trial, trial.first, trial.first_checks)
    if first:
        return with_findings(
            Finding(
                Severity.FAIL,
                CALL,
                f"after a second project was used, the first one gets: {first.received}",
                "predictions for the project of the request",
                f"as soon as a second project uses the backend, the first one gets wrong predictions: {first.effect}",
                _PER_REQUEST,
            )
        )
    if second:
        fix = "Take names and labels from `label_config` of each /predict; or use the backend for one project only"
        received = f"a second project with other names of controls gets: {second.received}"
        expected = "predictions for the label config of the request"
        return with_findings(Finding(Severity.WARN, CALL, received, expected, second.effect, fix))
    if clicked and _clicked(trial) is None:
        received = f"a click in one project, after the /setup of another one, gets: {clicked.received}"
        expected = "a suggestion for the project of the request: Label Studio sends no /setup before a click"
        severity = Severity.FAIL if trial.takes_clicks else Severity.WARN
        effect = "where two projects use clicks, annotators get suggestions for the other one, and the page drops them"
        return with_findings(Finding(severity, CALL, received, expected, effect, _PER_REQUEST))
    return Outcome("each project gets predictions for its own label config")


def _opened(trial: Trial, project: SampleProject, checks: StrictChecks) -> Finding | None:
    """Return the first failure of a prediction for a task that is opened: Label Studio sends `/setup` before it."""
    trial.set_up(project)
    tasks = project.tasks()[:1]
    results, findings = answered_results(predict(trial, project.predict(tasks)), 1)
    new = [finding for finding in findings if finding not in trial.answer_findings]
    new += prediction_findings(results, tasks, checks, None)
    if not results and not new:
        return _NO_RESULTS
    return next(filter(is_failure, new), None)


def _clicked(trial: Trial) -> Finding | None:
    """Return the first failure of the answer to a click in the first project."""
    task = trial.first.clicked_task(1)
    results, findings = answered_results(predict(trial, trial.first.click(task, trial.click_context)), 1)
    findings += click_findings(results[0], task, trial.first_checks) if results else []
    return next(filter(is_failure, findings), None)
