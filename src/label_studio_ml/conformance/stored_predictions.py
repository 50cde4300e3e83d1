"""What Label Studio makes of the answer to a `/predict`: which predictions it stores, and which of them it can show."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.outcome import Finding, Severity
from label_studio_ml.support.texts import plural
from label_studio_ml.validation.finding import Finding as RegionFinding
from label_studio_ml.validation.strict_checks import StrictChecks

CALL = "POST /predict"

#: What Label Studio does with answers of different faults.
NOT_STORED = (
    "Label Studio stores no prediction of the request and says so in its own log only: annotators see none"
)
REFUSED = (
    "Label Studio stores no prediction of the request, and answers 400 to whoever opens one of its tasks"
)
CRASH = "Label Studio fails with a 500 where the annotator opens a task"
NO_PREDICTION = "Label Studio skips the task: its annotator sees no prediction"
REPEATED = "Label Studio takes the task as not yet predicted: it asks again, and stores one more prediction each time"
NO_SUGGESTION = "the annotator's click has no effect"
NOT_SHOWN = "Label Studio stores the region unchecked, and its page does not show it, or fails"
SHOWN_ELSEWHERE = (
    "Label Studio shows the region in part or at another place, or refuses it when it is submitted"
)

#: Characters that JSON can hold, and PostgreSQL cannot.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_ONE_EACH = "an object with `results`, a list with one prediction for each task, in the order of the tasks"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of one prediction: the fields of a `Finding` without the call."""

    severity: Severity
    received: str
    expected: str
    effect: str
    fix: str


def answered_results(answer: Answer, count: int) -> tuple[list[Any], list[Finding]]:
    """Return the `results` of an answer for `count` tasks, and what is wrong with the answer as a whole.

    The list has an entry for each task, or is empty: then nothing was predicted, or the findings say why not.
    """
    if answer.is_error or answer.lost_body:
        return [], [failed_call(answer, NOT_STORED)]
    body = answer.body()
    if body.error:
        return [], [_finding(body.error, "JSON", NOT_STORED, "Answer with JSON, also for errors")]
    findings = []
    if body.constants:
        findings.append(
            _finding(
                f"{', '.join(body.constants)} in the body, which JSON does not have",
                "numbers that are finite, or null",
                "Label Studio accepts it; PostgreSQL refuses to store it, and the annotator's page cannot read it",
                "Replace them before the answer is encoded",
            )
        )
    # JSON can hold such characters as escapes only; in a large answer, the search takes seconds.
    if "\\u" in answer.text and _UNSTORABLE.search("\n".join(_texts(body.value))):
        findings.append(
            _finding(
                "a text with U+0000 or half a surrogate pair",
                "texts of whole characters other than U+0000",
                "PostgreSQL refuses to store it: Label Studio answers 500 to whoever opens one of the tasks",
                "Remove such characters, which come from damaged files and cut texts, before the answer is encoded",
            )
        )
    results = body.value.get("results") if isinstance(body.value, Mapping) else None
    if not isinstance(results, list):
        got = "`results` is " + kind_of(results) if isinstance(body.value, Mapping) else kind_of(body.value)
        if isinstance(body.value, Mapping) and "results" not in body.value:
            got = f"an object without `results` (it has: {', '.join(map(str, body.value)) or 'nothing'})"
        return [], [*findings, _finding(got, _ONE_EACH, NOT_STORED, "Answer with {'results': [...]}")]
    if len(results) not in (0, count):
        return [], [*findings, _wrong_count(len(results), count)]
    return results, findings


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, keys too. It needs no recursion, so that no value is nested too deep."""
    rest: list[Any] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            rest += item


def _wrong_count(results: int, count: int) -> Finding:
    received = f"{plural(results, 'result')} for {plural(count, 'task')}"
    fix = "Return an entry for each task, {'result': []} where there is nothing to show"
    if results == 1:
        effect = f"Label Studio asks again, task by task: {count + 1} requests in place of one"
        return _finding(received, _ONE_EACH, effect, fix, Severity.WARN)
    return _finding(received, _ONE_EACH, NOT_STORED, fix)


def failed_call(answer: Answer, effect: str) -> Finding:
    """Return the finding about a call that Label Studio takes as failed."""
    if answer.lost_body:
        return Finding(
            Severity.FAIL,
            answer.call,
            f"a redirect ({answer.redirects[-1]}) to {answer.url}",
            "an answer at this address",
            f"Label Studio follows it with a GET without a body, and gets {answer.status} {answer.reason}; {effect}",
            f"Enter the final address in Label Studio, here {_base(answer)}, or redirect with 307 or 308",
        )
    fix = "See the log of the backend"
    if answer.failure:
        fix = answer.failure_fix
    elif answer.status == 413:
        fix = (
            "Raise the limit of the server or proxy for bodies, in nginx by `client_max_body_size 100m;`: Label Studio "
            "sends all selected tasks in one request"
        )
    elif answer.status in (404, 405):
        fix = f"Answer {answer.call} below the address that is entered in Label Studio"
    expected = f"an answer within {answer.limit:g} s" if answer.failure else "a status below 400"
    return Finding(Severity.FAIL, answer.call, str(answer), expected, answer.hang or effect, fix)


def _base(answer: Answer) -> str:
    """Return the address of the backend that a redirect names."""
    path = answer.call.partition(" ")[2]
    return answer.url.partition("?")[0].rstrip("/").removesuffix(path)


def prediction_findings(
    results: Sequence[Any], tasks: Sequence[Mapping[str, Any]], checks: StrictChecks, version: str | None
) -> list[Finding]:
    """Return what Label Studio could not store or show of the predictions for `tasks`, each finding once.

    `version` is the one that `/setup` reported.
    """
    if not results:
        return []
    counted: dict[tuple[str, str], list[Problem]] = {}
    for result, task in zip(results, tasks, strict=True):
        entries = result if isinstance(result, list) else [result]
        seen = {
            (problem.received, problem.fix): problem
            for entry in entries
            for problem in _problems(entry, task, checks, version)
        }
        for key, problem in seen.items():
            counted.setdefault(key, []).append(problem)
    return [_counted(problems, len(tasks)) for problems in counted.values()]


def click_findings(result: Any, task: Mapping[str, Any], checks: StrictChecks) -> list[Finding]:
    """Return what is wrong with `results[0]` of the answer to a click."""
    if isinstance(result, list):
        return [
            _finding(
                "`results[0]` is a list",
                "an object with `result`: of several predictions, the page shows one",
                NO_SUGGESTION,
                "For a request with `params.context`, return the prediction itself, not a list of predictions",
            )
        ]
    problems = _problems(result, task, checks, None, interactive=True)
    return [
        _counted([problem], 1, effect="" if problem.effect in _EFFECTS_OF_REGIONS else NO_SUGGESTION)
        for problem in problems
    ]


_EFFECTS_OF_REGIONS = (NOT_SHOWN, SHOWN_ELSEWHERE)


def _counted(problems: Sequence[Problem], tasks: int, effect: str = "") -> Finding:
    problem = problems[0]
    where = "" if tasks == 1 else f" (in {len(problems)} of {plural(tasks, 'task')})"
    received = problem.received + where
    return Finding(problem.severity, CALL, received, problem.expected, effect or problem.effect, problem.fix)


def _problems(
    entry: Any,
    task: Mapping[str, Any],
    checks: StrictChecks,
    version: str | None,
    *,
    interactive: bool = False,
) -> Iterator[Problem]:
    """Yield the problems of one prediction."""
    if not isinstance(entry, Mapping):
        fix = "Return an object with `result`, also for a task without a prediction"
        yield _problem(f"a prediction is {kind_of(entry)}", "an object with `result`", CRASH, fix)
        return
    if "result" not in entry:
        cause = entry.get("error") or entry.get("detail")
        has = f"it says: {cause}" if cause else f"it has: {', '.join(map(str, entry)) or 'nothing'}"
        fix = (
            "See why the model has no prediction for this task"
            if cause
            else "Name the list of regions `result`"
        )
        yield _problem(f"a prediction without `result` ({has})", "a list of regions", NO_PREDICTION, fix)
        return
    if not interactive:  # the page reads nothing of a suggestion but its regions
        yield from _version_problems(entry, version)
        yield from _score_problems(entry.get("score"))
    if not isinstance(entry["result"], list):
        effect = REFUSED if entry["result"] is None else NOT_SHOWN
        fix = "Return a list, also for one region or none"
        yield _problem(f"`result` is {kind_of(entry['result'])}", "a list of regions", effect, fix)
        return
    checked = {"result": entry["result"], "score": 0.0}
    yield from _region_problems(checks.findings(checked, task, interactive=interactive))


def _region_problems(findings: Iterable[RegionFinding]) -> Iterator[Problem]:
    seen: set[str] = set()
    for finding in findings:
        if finding.kind in seen:
            continue
        seen.add(finding.kind)
        severity = Severity.FAIL if finding.is_fault else Severity.WARN
        effect = NOT_SHOWN if finding.is_fault else SHOWN_ELSEWHERE
        expected = _EXPECTED_FIELDS.get(finding.field, "regions that the label config allows")
        yield Problem(severity, str(finding), expected, effect, _fix_in_any_language(finding.fix))


def _fix_in_any_language(fix: str) -> str:
    """Return what to do about a region without naming functions of this package."""
    text = next((other for beginning, other in _OTHER_FIXES.items() if fix.startswith(beginning)), fix)
    return _OUR_FUNCTIONS.sub("", text) or "Take names, labels and types from the label config of the request"


#: References to this package's builders of regions, in the advice of the checks of regions.
_OUR_FUNCTIONS = re.compile(r", or use regions\.\w+\(.*?\)|[,;] (as )?regions\.\w+( does|, does)?")

#: Advice that consists of a function of this package, by its beginning, and the same in any language.
_OTHER_FIXES = {
    "Clip it to the picture": "Divide pixels by the picture's width or height and multiply by 100; clip the rest",
    "regions.labelled_text": "Count offsets in code points for <Text>, in UTF-16 units for <HyperText> and dialogues",
    "Encode the mask with": "Encode the mask as Label Studio's RLE; label_studio_sdk.converter.brush does it in Python",
    "regions.relation": "Name the ids of two regions of the same prediction",
}

_PERCENT = "positions and sizes in percent of the picture, from 0 to 100, not in pixels"

#: What is expected of a field of a region's value.
_EXPECTED_FIELDS = {
    **dict.fromkeys(("x", "y", "width", "height", "radiusX", "radiusY", "points"), _PERCENT),
    "from_name": "the name of a control of the label config",
    "to_name": "the name of the object that the control labels, its `toName`",
    "type": "the control's tag in lower case",
    "rotation": "degrees",
}


def _version_problems(entry: Mapping[str, Any], version: str | None) -> Iterator[Problem]:
    """Yield the problem of a prediction's version."""
    if "model_version" not in entry:
        return
    own = entry["model_version"]
    expected = "the text that /setup reports, or no `model_version`"
    if own is None or isinstance(own, bool | list | dict):
        fix = "Leave it out: Label Studio then uses the version of /setup"
        yield _problem(f"`model_version` of a prediction is {kind_of(own)}", expected, REFUSED, fix)
    elif version is not None and str(own).strip() != version:
        received = f"`model_version` of a prediction is {own!r}, and that of /setup {version!r}"
        yield _problem(received, expected, REPEATED, "Report the same version in both, or leave it out here")


def _score_problems(score: Any) -> Iterator[Problem]:
    """Yield the problem of a prediction's score."""
    expected, fix = "a number from 0 to 1, or no score", "Return a probability, or leave `score` out"
    if score is None:
        return
    number = _number(score)
    if number is None:
        yield _problem(f"`score` is {kind_of(score)}: {score!r:.40}", expected, REFUSED, fix)
    elif not 0 <= number <= 1:
        effect = f"Label Studio shows it as {100 * number:g} %, and sorts tasks by it"
        yield Problem(Severity.WARN, f"`score` is {score!r}", expected, effect, fix)


def _number(score: Any) -> float | None:
    """Return a score as Label Studio reads it, digits in a text as well; None for what it refuses."""
    if isinstance(score, bool) or not isinstance(score, int | float | str):
        return None
    try:
        number = float(score)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _problem(received: str, expected: str, effect: str, fix: str) -> Problem:
    return Problem(Severity.FAIL, received, expected, effect, fix)


def _finding(
    received: str, expected: str, effect: str, fix: str, severity: Severity = Severity.FAIL
) -> Finding:
    return Finding(severity, CALL, received, expected, effect, fix)


#: How JSON's types are named in messages.
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value with its article."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)
