"""Checks of `POST /webhook`: events of a project, and requests for a training."""

from collections.abc import Mapping
from dataclasses import replace

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, skipped, with_findings
from label_studio_ml.conformance.sample_events import without_payload
from label_studio_ml.conformance.sample_project import Json
from label_studio_ml.conformance.stored_predictions import failed_call, kind_of
from label_studio_ml.conformance.trial import Trial

_TRAINS = "not sent, because it would start a training; add --train to send it"

#: Seconds after which an annotator notices that Label Studio waits for a training to be accepted.
_LONG = 3.0

_LOST = "Label Studio does not notice, and does not send the event again: the annotation is lost to training"


def events(trial: Trial) -> Outcome:
    """Check the answers to events that start no training by convention: of tasks, settings and labels."""
    made = trial.events
    payloads = [made.tasks_created(), made.project_updated(), made.tasks_deleted(), *made.label_links()]
    return _sent(trial, payloads, ["PROJECT_UPDATED"])


def annotation_events(trial: Trial) -> Outcome:
    """Check the answers to events of annotations, if trainings may be started."""
    if not trial.trains:
        return skipped(_TRAINS)
    _leave_studio(trial)
    made, regions = trial.events, trial.regions
    payloads = [
        made.annotation("ANNOTATION_CREATED", regions),
        made.annotation("ANNOTATION_UPDATED", regions),
        made.annotation("ANNOTATION_CREATED", regions, number=2, skipped=True),
        made.annotations_created(regions),
        made.annotations_deleted(),
    ]
    return _sent(trial, payloads, ["ANNOTATION_CREATED"])


def _leave_studio(trial: Trial) -> None:
    """Take back the address that stands for Label Studio's: a training would ask there when this command has ended."""
    trial.set_up(replace(trial.first, hostname=""))


def _sent(trial: Trial, payloads: list[Json], bare: list[str]) -> Outcome:
    """Send events one after another and, if all are accepted, those of the actions `bare` without a payload.

    Returns the findings about the answers, each once.
    """
    answers: list[tuple[str, Answer]] = []
    for payload in payloads:
        answers.append((payload["action"], trial.calls.event(payload)))
        if answers[-1][1].timed_out:  # the others would be so, too, each after a wait
            break
    finding_of_each = [_event_finding(trial, action, answer) for action, answer in answers]
    if not any(finding_of_each):
        finding_of_each += [
            _bare_event_finding(action, trial.calls.event(without_payload(action))) for action in bare
        ]
    findings: dict[str, Finding] = {}
    for finding in finding_of_each:
        if finding is not None:
            findings.setdefault(finding.fix, finding)
    slowest = max(answer.seconds for _, answer in answers)
    actions = ", ".join(dict.fromkeys(action for action, _ in answers))
    return Outcome(f"{actions} accepted, each within {slowest:.2f} s", tuple(findings.values()))


def _bare_event_finding(action: str, answer: Answer) -> Finding | None:
    """Return what is wrong with the answer to an event that has an action only: it may be refused, with 400."""
    if answer.status in range(100, 500):
        return None
    return Finding(
        Severity.WARN,
        answer.call,
        f"{answer}, for {action} without a payload",
        f"a status below 500 within {answer.limit:g} s: such an event may be ignored, or refused with 400",
        "where the payload is turned off in the webhook's settings, the log shows a failure of the backend in place of "
        "the cause",
        "Check that an event has the parts that are used, such as `project` and `annotation`",
    )


def _event_finding(trial: Trial, action: str, answer: Answer) -> Finding | None:
    """Return what is wrong with the answer to an event."""
    received = f"{answer}, for {action}"
    expected = f"a status below 400 within {answer.limit:g} s: store the event, and train afterwards"
    if answer.hang:
        return replace(failed_call(answer, _LOST), received=received, expected=expected)
    if answer.timed_out:
        effect = (
            f"the annotator who submits waits {answer.limit:g} s longer; Label Studio then hangs up, and does not send "
            "the event again"
        )
        fix = "Store the event, answer at once, and train in another thread or process"
        return Finding(Severity.FAIL, answer.call, received, expected, effect, fix)
    if answer.status == 401 and trial.calls.login is not None:
        effect = "Label Studio's webhooks carry no login, so that no event arrives, and nobody is told"
        fix = (
            "Accept events without a login, or enter the backend in Label Studio as http://USER:PASSWORD@HOST, or give "
            "the webhook an Authorization header in the project's settings"
        )
        return Finding(Severity.FAIL, answer.call, received, expected, effect, fix)
    if answer.status in (404, 405):
        effect = (
            "the model cannot learn: Label Studio sends each annotation there, and its button to train there"
        )
        fix = "Answer POST /webhook with 200, also if the model does not learn"
        return Finding(Severity.WARN, answer.call, received, expected, effect, fix)
    if answer.lost_body:
        return failed_call(answer, _LOST)
    if answer.failure:
        return Finding(Severity.FAIL, answer.call, received, expected, _LOST, answer.failure_fix)
    if answer.is_error:
        fix = "Accept events of all actions, also of those that the backend does not know"
        return Finding(Severity.FAIL, answer.call, received, expected, _LOST, fix)
    return None


def training(trial: Trial) -> Outcome:
    """Check the answer to Label Studio's button that starts a training, if trainings may be started."""
    if not trial.trains:
        return skipped(_TRAINS)
    _leave_studio(trial)
    answer = trial.calls.post("/webhook", trial.events.start_training(), trial.calls.limits.predict)
    effect = "Label Studio shows the backend with the state Error until the page is loaded again"
    if answer.is_error or answer.lost_body:
        return with_findings(failed_call(answer, effect))
    body = answer.body()
    findings = []
    if body.error or not isinstance(body.value, Mapping):
        received = body.error or f"{kind_of(body.value)} as JSON"
        effect = effect if body.error else "Label Studio answers 500 to whoever presses the button"
        expected, fix = 'an object, such as {"job": "1"}', "Answer with a JSON object"
        findings.append(Finding(Severity.FAIL, answer.call, received, expected, effect, fix))
    if answer.seconds > _LONG:
        effect = (
            "the button seems to hang; with 'Start training on annotation submission', each annotator waits as long "
            f"when submitting, and {answer.limit:g} s are an error"
        )
        findings.append(
            Finding(
                Severity.WARN,
                answer.call,
                f"{answer}, for START_TRAINING",
                f"an answer within {_LONG:g} s, while the training goes on",
                effect,
                "Start the training in another thread or process, and answer at once",
            )
        )
    return Outcome(f"Label Studio's button starts a training: {answer}", tuple(findings))
