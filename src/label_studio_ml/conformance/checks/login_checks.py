"""Checks of a backend with a login: who is let in, and whether events, which have no login, arrive."""

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, skipped
from label_studio_ml.conformance.trial import Trial

_EXPECTED = "401 without the right login"


def login(trial: Trial) -> Outcome:
    """Check that calls without the right login are answered 401. Without a login, the check is not made."""
    if trial.calls.used_login is None:
        return skipped("no login is given")
    user, password = trial.calls.used_login
    body = trial.first.setup()
    limits = trial.calls.limits
    wrong = trial.calls.with_login((user, f"{password}-wrong"))
    without = trial.calls.with_login(None)
    asked = (
        ("a wrong password", wrong.get("/health", limits.health)),
        ("a wrong password", wrong.post("/setup", body, limits.setup)),
        ("no login", without.post("/setup", body, limits.setup)),
    )
    findings = [finding for who, answer in asked if (finding := _admitted(who, answer)) is not None]
    return Outcome("calls without the right login are answered 401", tuple(findings[:1]))


def _admitted(who: str, answer: Answer) -> Finding | None:
    """Return the finding about an answer to a call that should have been answered 401."""
    if answer.status == 401:
        return None
    if not answer.is_error:
        effect = "anybody who reaches the backend can use it, and Label Studio cannot tell that a password is wrong"
        fix = "Compare user and password in each call, and answer 401 with `WWW-Authenticate: Basic`"
        return Finding(Severity.FAIL, answer.call, f"{answer}, with {who}", _EXPECTED, effect, fix)
    effect = (
        'a mistyped password looks like a broken connection ("Can\'t connect to ML backend"); after 401, Label Studio '
        "says that the login is wrong"
    )
    return Finding(
        Severity.WARN,
        answer.call,
        f"{answer}, with {who}",
        _EXPECTED,
        effect,
        "Answer 401 if the login is wrong",
    )
