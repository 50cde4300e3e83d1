"""Checks of how a backend answers bodies that are wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.support.texts import plural

#: Seconds within which a wrong body is to be refused.
_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class _WrongBody:
    """A body that is wrong for `path`; `is_json` tells whether it is JSON at all."""

    path: str
    fault: str
    content: bytes
    is_json: bool = True


_WRONG = (
    _WrongBody("/predict", "no body", b"", is_json=False),
    _WrongBody("/predict", "half a JSON object", b'{"tasks": [', is_json=False),
    _WrongBody("/predict", "a list", b"[]"),
    _WrongBody("/predict", "no tasks", b"{}"),
    _WrongBody("/predict", "tasks that are a text", b'{"tasks": "1"}'),
    _WrongBody("/setup", "half a JSON object", b'{"project": ', is_json=False),
    _WrongBody("/setup", "a list", b"[]"),
    _WrongBody("/webhook", "half a JSON object", b'{"action": ', is_json=False),
    _WrongBody("/webhook", "a list", b"[]"),
)


def bad_input(trial: Trial) -> Outcome:
    """Check that wrong bodies are refused with a status from 400 to 499, and that the backend lives on."""
    answers: list[tuple[_WrongBody, Answer]] = []
    late: set[str] = set()
    for wrong in _WRONG:
        if wrong.path not in late:
            answers.append((wrong, trial.calls.send(wrong.path, wrong.content, _LIMIT)))
        if answers[-1][1].timed_out:  # another wrong body would wait as long
            late.add(wrong.path)
    findings = [finding for rule in _RULES for finding in _summed(answers, rule)]
    alive = trial.calls.get("/health", trial.calls.limits.health)
    if alive.is_error and not (trial.health and trial.health.is_error):
        findings.append(
            Finding(
                Severity.FAIL,
                alive.call,
                f"{alive}, after wrong bodies were sent",
                "an answer as before",
                "anybody who can reach the backend ends it: Label Studio shows it as Disconnected",
                "Catch errors of single requests",
            )
        )
    return Outcome(f"{plural(len(_WRONG), 'wrong body', 'wrong bodies')} refused", tuple(findings))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A way to answer wrong bodies that is a finding: which answers it is about, and what to say of it."""

    applies: Callable[[_WrongBody, Answer], bool]
    effect: str
    fix: str
    severity: Severity = Severity.WARN
    form: str = "{answer} for {what}"


_RULES = (
    _Rule(
        lambda wrong, answer: bool(answer.failure),
        "Label Studio waits until its time limit, or shows a connection error, without a hint of the cause",
        "Answer each request, also one that cannot be parsed",
        Severity.FAIL,
    ),
    _Rule(
        lambda wrong, answer: answer.status >= 500,
        "the log shows a failure of the backend where the caller is at fault; monitoring raises an alarm",
        "Check body and fields before they are used, and answer 400",
    ),
    _Rule(
        lambda wrong, answer: answer.status >= 400 and answer.is_html,
        "Label Studio shows the status alone; programs that call the backend cannot read the cause",
        "Answer errors as JSON: frameworks have a hook for it, in Flask `@app.errorhandler(Exception)`",
        form="a web page ({answer.status} {answer.reason}) for {what}",
    ),
    _Rule(
        lambda wrong, answer: not answer.failure and answer.status < 400 and not wrong.is_json,
        "a request that was damaged on its way seems to have worked",
        "Answer 400 if the body is not JSON",
    ),
)

_EXPECTED = "a status from 400 to 499, and a JSON body that names what is wrong"


def _summed(answers: list[tuple[_WrongBody, Answer]], rule: _Rule) -> Iterator[Finding]:
    """Yield one finding about all answers that a rule applies to, with the first as the example; none without any."""
    those = [(wrong, answer) for wrong, answer in answers if rule.applies(wrong, answer)]
    if not those:
        return
    wrong, answer = those[0]
    received = rule.form.format(answer=answer, what=wrong.fault)
    paths = " and ".join(dict.fromkeys(f"POST {refused.path}" for refused, _ in those))
    count = f" ({len(those)} of {plural(len(answers), 'wrong body', 'wrong bodies')})"
    yield Finding(rule.severity, paths, f"{received}{count}", _EXPECTED, rule.effect, rule.fix)
