"""The list of all conformance checks, in the order in which they are made, and the loop that makes them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from label_studio_ml.conformance.checks import (
    body_checks,
    comparing_checks,
    connection_checks,
    login_checks,
    predict_checks,
    project_checks,
    setup_checks,
    webhook_checks,
)
from label_studio_ml.conformance.hidden_login import hide_login_in
from label_studio_ml.conformance.outcome import (
    Finding,
    Outcome,
    Severity,
    skipped,
    with_findings,
)
from label_studio_ml.conformance.transport.run_limit import OutOfTime, TimeLimit
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.support.texts import plural

Check = Callable[[Trial], Outcome]

#: All checks by their names, as `--only` takes them. Those that may start a training come last.
CHECKS: dict[str, Check] = {
    "health": connection_checks.health,
    "setup": setup_checks.setup,
    "extra-params": setup_checks.extra_params,
    "versions": setup_checks.versions,
    "one-task": predict_checks.one_task,
    "all-tasks": predict_checks.all_tasks,
    "order": comparing_checks.order,
    "click": predict_checks.click,
    "two-projects": project_checks.two_projects,
    "broken-task": comparing_checks.broken_task,
    "large-request": predict_checks.large_request,
    "busy": connection_checks.busy,
    "bad-input": body_checks.bad_input,
    "login": login_checks.login,
    "address": connection_checks.address,
    "events": webhook_checks.events,
    "annotation-events": webhook_checks.annotation_events,
    "training": webhook_checks.training,
}

#: Name of the outcome about checks for which there was no time.
TIME = "time"

#: Checks that others need: they are made first even if they were not asked for, and then not reported.
_NEEDED: dict[str, tuple[str, ...]] = {
    "one-task": ("setup",),
    "all-tasks": ("setup",),
    "order": ("setup", "all-tasks"),
    "two-projects": ("setup", "all-tasks"),
    "broken-task": ("setup", "all-tasks"),
}


def conform(trial: Trial, only: Collection[str] = ()) -> Iterator[Outcome]:
    """Make the checks and yield their outcomes. `only` are names in `CHECKS`; empty: all.

    An exception in a check becomes a finding; the other checks are still made. A check for which the time limit of the
    calls left too little is skipped, and a last outcome, `time`, has a finding about these checks.
    """
    wanted = [name for name in CHECKS if not only or name in only]
    needed = {before for name in wanted for before in _NEEDED.get(name, ())}
    late: list[str] = []
    for name, check in CHECKS.items():
        if name not in wanted and name not in needed:
            continue
        try:
            outcome = check(trial)
        except OutOfTime as error:
            outcome = skipped(str(error))
            late += [name] if name in wanted else []
        except Exception as error:  # noqa: BLE001 - a check with an error must not hide the others
            outcome = _broken_check(error)
        if name in wanted:
            yield replace(hide_login_in(outcome, trial.calls.used_login), name=name)
    if late:
        yield replace(with_findings(_time_finding(trial.calls.time_limit, late)), name=TIME)


#: Most calls that the finding about the time limit names.
_NAMED = 3


def _time_finding(limit: TimeLimit, late: list[str]) -> Finding:
    """Return the finding about the checks `late`, for which there was no time."""
    slowest = sorted(limit.took, key=lambda call: -sum(limit.took[call]))
    totals = {
        call: f"{sum(limit.took[call]):.0f} s in {plural(len(limit.took[call]), 'call')}" for call in slowest
    }
    most = ", ".join(f"{call} {totals[call]}" for call in slowest[:_NAMED]) or "no call"
    names = ", ".join(late)
    return Finding(
        Severity.FAIL,
        slowest[0] if slowest else "none",
        f"{plural(len(late), 'check')} not finished or not made within {limit.seconds:g} s ({names}); most time went "
        f"to {most}",
        f"answers that leave time for all checks within {limit.seconds:g} s",
        "Label Studio waits in the same calls; what its users see of these checks is not known",
        "Answer sooner; or give more time with --time-limit SECONDS, or name single checks with --only CHECK",
    )


def _broken_check(error: Exception) -> Outcome:
    finding = Finding(
        Severity.FAIL,
        "none",
        f"an error in the check itself: {type(error).__name__}: {error}",
        "no error",
        "unknown: this check was not made",
        "Report it as a bug of label-studio-ml",
    )
    return with_findings(finding)
