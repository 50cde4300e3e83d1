"""Checks of `POST /setup` and `GET /versions`: which version Label Studio believes to be served."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Outcome, Severity, found, skipped
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
_OTHER_VERSION = "Label Studio stores no prediction, and fails where a task is opened"


def setup(trial: Trial) -> Outcome:
    """Check the answers to `/setup`, which Label Studio sends before each prediction. Sets `version`."""
    first = trial.setup or _ask(trial, None)
    findings = _setup_findings(first)
    if findings:
        return found(*findings)
    second = _ask(trial, None)
    findings = _setup_findings(second)
    if findings:
        return found(*findings)
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
        return found(finding)
    return Outcome(f"Label Studio shows version {trial.version!r}: {first}")


def extra_params(trial: Trial) -> Outcome:
    """Check that `/setup` accepts the extra params in all forms in which Label Studio sends them."""
    if trial.setup is not None and trial.setup.is_error:
        return skipped("/setup fails without them")
    forms: dict[str, Any] = {"an empty text": "", "text": trial.extra_params or "{}", "an object": {}}
    if trial.extra_params:
        forms["an object"] = _parsed(trial.extra_params)
    for form, value in forms.items():
        answer = _ask(trial, value)
        if not answer.is_error:
            continue
        finding = Finding(
            Severity.FAIL,
            answer.call,
            f"{answer}, with `extra_params` as {form} ({value!r:.60})",
            "a status below 400 for null, text and JSON values: the page sends text, the API any JSON",
            ERROR_STATE,
            "Read `extra_params` as null, as text that may be empty, or as an object",
        )
        return found(finding)
    return Outcome("accepted as text and as an object")


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
    expected = 'an object such as {"versions": ["1", "2"]}'
    fix = "Answer GET /versions with the names of all versions, or of the served one"
    if answer.status == 404:
        effect = (
            'Label Studio lists the served version only, with the advice "Upgrade your ML backend version"'
        )
        finding = Finding(Severity.WARN, answer.call, str(answer), expected, effect, fix)
        return found(finding)
    effect = "Label Studio cannot list the backend's versions: it shows an error in their place"
    if answer.is_error:
        return found(replace(failed_call(answer, effect), expected=expected, fix=fix))
    body = answer.body()
    names = body.value.get("versions") if isinstance(body.value, Mapping) else None
    if body.error or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        received = body.error or (
            f"`versions` is {kind_of(names)}"
            + (" of other values than texts" if isinstance(names, list) else "")
            if isinstance(body.value, Mapping)
            else f"{kind_of(body.value)} as JSON"
        )
        finding = Finding(Severity.FAIL, answer.call, received, expected, effect, fix)
        return found(finding)
    return Outcome(f"Label Studio lists {len(names)}: {answer}")
