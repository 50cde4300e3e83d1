"""Checks of `GET /health`, of the backend's address, and of whether it answers while it predicts."""

from urllib.parse import urlsplit

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.checks.predict_call import NO_ANSWER
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, skipped, with_findings
from label_studio_ml.conformance.stored_predictions import failed_call
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.connect.addresses import webhook_host_fits
from label_studio_ml.support.texts import plural

DISCONNECTED = (
    "Label Studio shows the backend as Disconnected, refuses to add it, and asks it for no prediction"
)

#: Seconds between two questions while the backend predicts.
_PAUSE = 0.2


def health(trial: Trial) -> Outcome:
    """Check the answer to `/health`, which Label Studio asks for before each prediction and each list of backends."""
    first = trial.health or trial.calls.get("/health", trial.calls.limits.health)
    second = trial.calls.get("/health", trial.calls.limits.health)
    findings = _health_findings(second) or _health_findings(first)
    return Outcome(f"Label Studio shows it as Connected: {second}", tuple(findings))


def _health_findings(answer: Answer) -> list[Finding]:
    if answer.is_error:
        return [failed_call(answer, DISCONNECTED)]
    if error := answer.body().error:
        redirected = f", after a redirect to {answer.url}" if answer.redirects else ""
        return [
            Finding(
                Severity.FAIL,
                answer.call,
                f"{error}{redirected}",
                'JSON, such as {"status": "UP"}',
                DISCONNECTED,
                "Answer GET /health with a JSON object and status 200",
            )
        ]
    if answer.seconds > answer.limit:  # the client asked again, and the last answer was in time
        return [
            Finding(
                Severity.WARN,
                answer.call,
                f"no answer within {answer.limit:g} s at first, then {answer}",
                f"an answer within {answer.limit:g} s",
                "Label Studio asks up to three times; whoever opens a page waits, or sees Disconnected",
                "Answer without loading or asking the model",
            )
        ]
    return []


def address(trial: Trial) -> Outcome:
    """Check that Label Studio accepts the address for the webhook that it makes for a backend."""
    if webhook_host_fits(trial.calls.url):
        return Outcome("Label Studio accepts the host name for a webhook")
    host = urlsplit(trial.calls.url).hostname
    finding = Finding(
        Severity.WARN,
        "POST /webhook",
        f"the host name {host!r} has no dot",
        "a host name with a dot, an IP address, or localhost",
        "Label Studio makes no webhook for the backend, and does not say so: no annotation arrives",
        "Give the backend an alias with a dot, such as ml-backend.internal, and enter that in Label Studio",
    )
    return with_findings(finding)


def busy(trial: Trial) -> Outcome:
    """Check that `/health` is answered in time, again and again, as long as the backend predicts."""
    if not trial.predicts:
        return skipped(NO_ANSWER)
    body = trial.first.predict(trial.first.tasks())
    predicting = trial.calls.post_in_background("/predict", body, trial.calls.limits.predict)
    answers = [trial.calls.get("/health", trial.calls.limits.health)]
    while predicting.is_alive() and not answers[-1].is_error:
        predicting.join(_PAUSE)
        answers.append(trial.calls.get("/health", trial.calls.limits.health))
    predicting.join()
    failed = next((answer for answer in answers if answer.is_error), None)
    slowest = max(answers, key=lambda answer: answer.seconds)
    if failed is None and slowest.seconds <= slowest.limit:
        trial.calls.time_limit.check()  # the prediction may have been given up
        return Outcome(f"while it predicts, /health answers: {slowest}")
    return with_findings(_busy_finding(failed or slowest, len(trial.first.data)))


def _busy_finding(answer: Answer, tasks: int) -> Finding:
    """Return the finding about an answer to `/health` that came late, after the client asked again, or not at all."""
    if answer.is_error:
        severity, received = Severity.FAIL, str(answer)
        effect = "Label Studio shows it as Disconnected to all, who get no predictions"
    else:
        severity, received = Severity.WARN, f"no answer within {answer.limit:g} s at first, then {answer}"
        effect = "whoever opens a page of Label Studio waits, or sees it as Disconnected"
    return Finding(
        severity,
        answer.call,
        f"{received}, while it predicted {plural(tasks, 'task')}",
        f"an answer within {answer.limit:g} s also while the backend predicts",
        f"while it predicts for one annotator, {effect}",
        "Serve requests in several threads or processes: in Flask `threaded=True`, behind gunicorn `--threads 8`",
    )
