"""Checks of `POST /setup` and `GET /versions`: which version Label Studio believes to be served."""

import json
from collections.abc import Mapping
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.checks.late_answer import late_answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, skipped, with_findings
from label_studio_ml.conformance.stored_predictions import REPEATED, failed_call, kind_of
from label_studio_ml.conformance.trial import Trial

ERROR_STATE = (
    "Label Studio shows the backend with the state Error, refuses to add it, and asks it for no prediction"
)

#: What becomes of a version of a wrong type, by the type.
_WRONG_VERSIONS = {
    type(None): "Label Studio stores no prediction, and answers 400 to whoever opens a task",
    int: "Label Studio answers 500 to whoever asks for the next task, once tasks have predictions",
    float: "Label Studio answers 500 to whoever asks for the next task, once tasks have predictions",
}
#: What users of Label Studio see of versions that cannot be listed.
_NO_LIST = "Label Studio cannot list the backend's versions: it shows an error in their place"
_EMPTY_LIST = "Label Studio lists no version, and does not say why"
_NOT_A_LIST = "Label Studio passes it on as it is, where its clients expect a list"

_OTHER_VERSION = "Label Studio stores no prediction, and fails where a task is opened"


def setup(trial: Trial) -> Outcome:
    """Check the answers to `/setup`, which Label Studio sends before each prediction. Sets `version`."""
    first = trial.setup or trial.set_up(trial.first)
    findings = _setup_findings(first)
    if findings:
        return with_findings(*findings)
    second = trial.set_up(trial.first)
    findings = _setup_findings(second)
    if findings:
        return with_findings(*findings)
    trial.version = str(first.body().value["model_version"]).strip()
    again = str(second.body().value["model_version"]).strip()
    if again != trial.version:
        finding = Finding(
            Severity.FAIL,
            first.call,
            f"`model_version` {trial.version!r}, then {again!r}, without a training between",
            "the same version until the model has changed",
            REPEATED,
            "Derive the version from the model, not from the time or the request",
        )
        return with_findings(finding)
    late = late_answer(first) or late_answer(second)
    return Outcome(f"Label Studio shows version {trial.version!r}: {first}", tuple(late))


def extra_params(trial: Trial) -> Outcome:
    """Check that `/setup` accepts the extra params in all forms in which Label Studio sends them."""
    if trial.setup is not None and trial.setup.is_error:
        return skipped("/setup fails already in its usual form")
    entered = trial.extra_params or "{}"
    usual = {"null": None, "an empty text": "", "text": entered, "an object": _parsed(entered)}
    unusual = {
        "a list": ["conformance check"],
        "a number": 1,
        "a text that is no JSON": "conformance: check {",
    }
    findings = [_refused(_ask(trial, value), form, value) for form, value in usual.items()]
    findings += [_crashed(_ask(trial, value), form, value) for form, value in unusual.items()]
    trial.set_up(trial.first)  # the calls that follow are to be answered with the params that are entered
    first = next((finding for finding in findings if finding is not None), None)
    return with_findings(first) if first else Outcome("accepted as null, as text and as an object")


def _refused(answer: Answer, form: str, value: Any) -> Finding | None:
    """Return the finding about a form of extra params that the page and the API of Label Studio send."""
    if not answer.is_error:
        return None
    return Finding(
        Severity.FAIL,
        answer.call,
        f"{answer}, with `extra_params` as {form} ({_shown(value)})",
        "a status below 400 for null, text and objects: the page sends text, the API JSON values",
        ERROR_STATE,
        "Read `extra_params` as null, as text that may be empty, or as an object",
    )


def _crashed(answer: Answer, form: str, value: Any) -> Finding | None:
    """Return the finding about a form that may be refused, but is not to end in a failure of the backend."""
    if answer.status in range(100, 500):
        return None
    return Finding(
        Severity.WARN,
        answer.call,
        f"{answer}, with `extra_params` as {form} ({_shown(value)})",
        "a status below 500: such params may be ignored, or refused with 400",
        f"a slip in the field for extra params looks like a failure of the backend: {ERROR_STATE}",
        "Check what kind of value `extra_params` is before it is used",
    )


def _shown(value: Any) -> str:
    return f"{json.dumps(value):.60}"


def _parsed(text: str) -> Any:
    """Return extra params as Label Studio's API sends them."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _ask(trial: Trial, extra: Any) -> Answer:
    return trial.calls.post("/setup", trial.first.setup(extra), trial.calls.limits.setup)


def _setup_findings(answer: Answer) -> list[Finding]:
    """Return what is wrong with an answer to `/setup`."""
    if answer.is_error or answer.lost_body:
        return [failed_call(answer, ERROR_STATE)]
    expected = "an object with `model_version`, a text"
    body = answer.body()
    fix = 'Answer {"model_version": "1"}, with the name of the served version as text'
    if body.error or not isinstance(body.value, Mapping):
        received = body.error or f"{kind_of(body.value)} as JSON"
        effect = (
            ERROR_STATE
            if body.error
            else "Label Studio fails with a 500 where the backend is added or listed"
        )
        return [Finding(Severity.FAIL, answer.call, received, expected, effect, fix)]
    version = body.value.get("model_version")
    if isinstance(version, str) and version.strip():
        return []
    if isinstance(version, str):
        effect = (
            "Label Studio stores predictions without a version, and cannot tell those of two versions apart"
        )
        return [Finding(Severity.WARN, answer.call, "an empty `model_version`", expected, effect, fix)]
    has = (
        f"`model_version` {version!r}, {kind_of(version)}" if version is not None else "`model_version` null"
    )
    received = has if "model_version" in body.value else "no `model_version`"
    effect = _WRONG_VERSIONS.get(type(version), _OTHER_VERSION)
    return [Finding(Severity.FAIL, answer.call, received, expected, effect, fix)]


def versions(trial: Trial) -> Outcome:
    """Check the answer to `/versions`, from which users of Label Studio choose one."""
    answer = trial.calls.get("/versions", trial.calls.limits.versions)
    finding = _versions_finding(answer)
    if finding is not None:
        return with_findings(finding)
    summary = f"Label Studio lists {len(answer.body().value['versions'])}: {answer}"
    return Outcome(summary, tuple(late_answer(answer)))


def _versions_finding(answer: Answer) -> Finding | None:
    """Return what is wrong with an answer to `/versions`.

    Label Studio passes on what `versions` is, and lists none if the body is not JSON or an object without it.
    """

    def finding(received: str, effect: str, severity: Severity = Severity.WARN) -> Finding:
        expected = 'an object such as {"versions": ["1", "2"]}'
        fix = "Answer GET /versions with the names of all versions, or of the served one"
        return Finding(severity, answer.call, received, expected, effect, fix)

    if answer.status == 404:
        advice = (
            'Label Studio lists the served version only, with the advice "Upgrade your ML backend version"'
        )
        return finding(str(answer), advice)
    if answer.is_error:
        if answer.failure:
            return failed_call(answer, _NO_LIST)
        return finding(str(answer), _NO_LIST, Severity.FAIL)
    body = answer.body()
    if body.error:
        return finding(body.error, _EMPTY_LIST)
    if not isinstance(body.value, Mapping):
        return finding(f"{kind_of(body.value)} as JSON", _NO_LIST, Severity.FAIL)
    if "versions" not in body.value:
        return finding("an object without `versions`", _EMPTY_LIST)
    names = body.value["versions"]
    if not isinstance(names, list):
        return finding(f"`versions` is {kind_of(names)}", _NOT_A_LIST, Severity.FAIL)
    if not names:
        return finding("an empty list", _EMPTY_LIST)
    others = [name for name in names if not isinstance(name, str)]
    if others:
        effect = "Label Studio passes them on as they are, and compares them with versions that are texts"
        return finding(f"`versions` is a list with {kind_of(others[0])}: {_shown(others[0])}", effect)
    return None
