"""Checks of `GET /health`, of the backend's address, and of whether it answers while it predicts."""

import threading
from urllib.parse import urlsplit

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, found, skipped
from label_studio_ml.conformance.stored_predictions import failed_call
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.connect.addresses import webhook_host_fits
from label_studio_ml.support.texts import plural

DISCONNECTED = (
    "Label Studio shows the backend as Disconnected, refuses to add it, and asks it for no prediction"
)


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
    return found(finding)


def busy(trial: Trial) -> Outcome:
    """Check that `/health` is answered in time while the backend predicts."""
    if not trial.predicts:
        return skipped("/predict fails already for one task")
    body = trial.first.predict(trial.first.tasks())
    thread = threading.Thread(target=trial.calls.post, args=("/predict", body, trial.calls.limits.predict))
    thread.start()
    thread.join(0.05)  # the request is to arrive first; if it is answered by then, there is nothing to see
    during = trial.calls.get("/health", trial.calls.limits.health)
    thread.join()
    if not during.is_error and during.seconds <= during.limit:
        return Outcome(f"while it predicts, /health answers: {during}")
    effect = "while it predicts for one annotator, Label Studio shows it as Disconnected to all, who get no predictions"
    fix = "Serve requests in several threads or processes: in Flask `threaded=True`, behind gunicorn `--threads 8`"
    finding = Finding(
        Severity.FAIL,
        during.call,
        f"{during}, while it predicted {plural(len(trial.first.data), 'task')}",
        f"an answer within {during.limit:g} s also while the backend predicts",
        effect,
        fix,
    )
    return found(finding)
