"""Check predictions against a project's label config before they are sent.

Label Studio stores the predictions of a backend unchecked. These checks find what hides a region or makes the page fail
(faults), and what Label Studio shows at another place or in part (warnings). They do not import the SDK, and take
microseconds per region. Whatever the SDK's `LabelInterface.validate_prediction` accepts is no fault, unless Label
Studio was seen to break on it (docs/region-formats.md).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from label_studio_ml.protocol.control_tags import CONTROL_TAGS
from label_studio_ml.validation.allowed_controls import AllowedControl, AllowedControls
from label_studio_ml.validation.finding import Finding, Problem, Repair, Severity
from label_studio_ml.validation.kinds.values import Place, is_number, warning, with_value
from label_studio_ml.validation.result_checks import has_position, result_problems
from label_studio_ml.validation.task_contents import TaskContents

#: Beginning of a task's error if its prediction is not sent.
INVALID = "the prediction does not fit the label config"

#: Fields of a region's `value` without which Label Studio cannot draw it, by region type.
_REQUIRED = {row.region_type: row.required for row in CONTROL_TAGS.values()}

#: Fields of `value` that hold percentages or other numbers.
_NUMBERS = frozenset({"x", "y", "width", "height", "radiusX", "radiusY"})

#: Region types without a control tag: relations join regions, chat messages name their object only.
_WITHOUT_CONTROL = frozenset({"relation", "chatmessage"})

#: Maximum number of names listed in a message.
_LISTED = 20

#: All region types of Label Studio's tags.
_TYPES = frozenset({*_REQUIRED, "videorectanglelabels"}) | _WITHOUT_CONTROL

#: Controls whose regions are drawn by code in the label config: any type and value is allowed.
_OWN_CODE = frozenset({"reactcode"})

_NULL = "Return a value: Label Studio gets NaN, infinity and None as null"

_NO_POSITION = Problem(
    "it has no position, and its id is that of no region before it: Label Studio does not show it",
    fix="Return the position in its value, or put the region of its id first",
)


class RegionChecks:
    """Checks for the predictions of one project, built from its label config (XML)."""

    def __init__(self, label_config: str | None) -> None:
        self.controls = AllowedControls(label_config)

    def refusal(
        self, result: Any, *, interactive: bool = False, task: Mapping[str, Any] | None = None
    ) -> Finding | None:
        """Return the first fault of a prediction's regions; None if Label Studio shows them all."""
        findings = self.findings(result, interactive=interactive, task=task)
        return next((finding for finding in findings if finding.is_fault), None)

    def findings(
        self, result: Any, *, interactive: bool = False, task: Mapping[str, Any] | None = None
    ) -> list[Finding]:
        """Return the problems of a prediction's list of regions, at most one fault for each region.

        Without a label config, or with one that cannot be parsed, all predictions are allowed. In the answer to an
        `interactive` request, a region whose type no tag of Label Studio has is a message to code in the annotator's
        page; it is not stored, so it is allowed. Spans are compared with the text in `task`, if it is given.
        """
        if not self.controls or not isinstance(result, list):
            return []
        findings: list[Finding] = []
        contents = TaskContents(task)
        ids: set[str] = set()
        together = self.controls.any_per_region
        for number, region in enumerate(result):
            if interactive and self.is_message(region):
                continue
            is_first = True
            # Here and below, the type is compared first: it is nearly always dict, and an instance check is slow.
            if type(region) is dict or isinstance(region, Mapping):
                name = region.get("id")
                if name is not None:
                    is_first = (name := str(name)) not in ids
                    ids.add(name)
                together = together or not is_first or region.get("type") == "relation"
            for problem in self._problems(region, contents, is_first=is_first):
                findings.append(_finding(number, region, problem))
        if together:
            broken = {finding.region for finding in findings if finding.is_fault}
            findings += (
                _finding(number, result[number], problem)
                for number, problem in result_problems(result, self.controls.find, interactive=interactive)
                if number not in broken
            )
        return findings

    def is_message(self, region: Any) -> bool:
        """Tell whether a region has a type that no tag has, such as `track_progress`."""
        kind = region.get("type") if isinstance(region, Mapping) else None
        if not isinstance(kind, str) or not kind or kind.lower() in _TYPES:
            return False
        return kind.lower() not in self.controls.tags

    def _problems(self, region: Any, contents: TaskContents, *, is_first: bool) -> Iterable[Problem]:
        """Return the problems of one region; none after a fault. `is_first` tells whether its id is a new one."""
        if type(region) is not dict and not isinstance(region, Mapping):
            return (Problem(f"it is not a dict but {type(region).__name__}"),)
        kind = region.get("type")
        if not isinstance(kind, str) or not kind:
            return (Problem("it has no 'type'; use the control's tag in lower case", "type"),)
        kind = kind.lower()
        if kind in _WITHOUT_CONTROL:
            return ()
        control = self.controls.find(region.get("from_name"))
        fault = self._control_fault(region, kind, control)
        if fault is not None:
            return (fault,)
        if control is None or control.tag in _OWN_CODE:
            return ()
        value = region.get("value")
        if not value or (type(value) is not dict and not isinstance(value, Mapping)):
            return (Problem("it has no 'value'", "value"),)
        check = control.value_check(kind, region.get("to_name"))
        content = contents.of(region, control) if check is not None and check.needs_content else None
        fits = check is not None and check.fits(value, content)
        if not fits or not _has_known_label(value, kind, control):
            fault = _required_fault(value, kind) or _labels_fault(value, kind, control)
            if fault is not None:
                return (fault,)
        problems: Iterable[Problem] = ()
        if not fits:
            if kind == "labels" and not has_position(region):
                if is_first and "globalOffsets" not in value:
                    return (_NO_POSITION,)
            elif check is not None:
                problems = _to_first_fault(check.problems(value, Place(region, control.control, content)))
        return _with_further_problems(problems, region, control, contents)

    def _control_fault(
        self, region: Mapping[str, Any], kind: str, control: AllowedControl | None
    ) -> Problem | None:
        """Return why a region does not belong to a control of the label config; None if it does."""
        if control is None:
            names = _listed(self.controls.names())
            text = f"the label config has no control with this from_name (it has: {names})"
            return Problem(text, "from_name")
        if not control.allows_object(region.get("to_name")):
            allowed = _listed(control.object_names)
            text = f"to_name {region.get('to_name')!r} is not what this control labels ({allowed})"
            return Problem(text, "to_name")
        if control.tag not in _OWN_CODE and not control.allows_type(kind):
            return Problem(f"type {kind!r} does not match the control, a <{control.tag}>", "type")
        return None


def _finding(number: int, region: Any, problem: Problem) -> Finding:
    name = region.get("from_name") if isinstance(region, Mapping) else None
    return Finding(number, name if isinstance(name, str) else "", problem)


def _required_fault(value: Mapping[str, Any], kind: str) -> Problem | None:
    """Return the first required field of a value that is missing or no number where one is needed."""
    for field in _REQUIRED.get(kind, ()):
        if value.get(field) is None:
            return Problem(f"its value has no {field!r}", field, _NULL if field in value else "")
        if field in _NUMBERS and not is_number(value[field]):
            return Problem(f"{field!r} of its value is not a number: {value[field]!r:.80}", field, _NULL)
    if kind == "choices" and not isinstance(value["choices"], list | tuple):
        fix = "Return a list, also for one choice"
        text = f"'choices' of its value is not a list: {value['choices']!r:.80}"
        return Problem(text, "choices", fix, repair=_listing("choices"))
    return None


def _labels_fault(value: Mapping[str, Any], kind: str, control: AllowedControl) -> Problem | None:
    """Return why Label Studio would not take the labels of a value; None if it does, or if there are none."""
    if kind.endswith("labels"):
        for field in (kind, "labels"):
            # An empty dict, as JavaScript code may send it, is read as a list without labels.
            if field in value and not isinstance(value[field], list | tuple) and value[field] != {}:
                text = f"{field!r} of its value is not a list: {value[field]!r:.80}"
                return Problem(text, field, "Return a list of labels, also for one", repair=_listing(field))
    for label in _labels(value, kind):
        if isinstance(label, str) and (control.labels is None or label in control.labels):
            continue
        if control.labels is None:
            if kind == "taxonomy":
                continue
            return Problem(f"the label {label!r:.80} is not a text", kind)
        text = f"the label {label!r} is not in the label config (it has: {_listed(sorted(control.labels))})"
        return Problem(text, kind, repair=_without_unknown(kind, control.labels))
    return None


def _labels(value: Mapping[str, Any], kind: str) -> list[Any]:
    """Return the labels in a region's value."""
    if kind == "taxonomy":
        paths = value["taxonomy"] if isinstance(value["taxonomy"], list | tuple) else ()
        return [part for path in paths if isinstance(path, list | tuple) for part in path]
    if kind == "choices":  # of nested ones, paths
        return [
            part for path in value["choices"] for part in (path if isinstance(path, list | tuple) else [path])
        ]
    if not kind.endswith("labels"):
        return []
    labels = value.get(kind)
    if labels is None and kind.endswith("labels"):
        labels = value.get("labels")
    return list(labels) if isinstance(labels, list | tuple) else []


def _listing(field: str) -> Repair:
    """Return a repair that makes a list of a single label."""

    def repair(region: dict[str, Any]) -> dict[str, Any] | None:
        label = region["value"][field]
        return with_value(**{field: [label]})(region) if isinstance(label, str) else None

    return repair


def _without_unknown(kind: str, known: frozenset[str]) -> Repair:
    """Return a repair that leaves out unknown labels, and with the last one the region."""

    def repair(region: dict[str, Any]) -> dict[str, Any] | None:
        field = kind if kind in region["value"] else "labels"
        labels = region["value"][field]
        has_paths = kind in ("choices", "taxonomy")
        kept = [
            label for label in labels if _is_known(label, known) and (has_paths or isinstance(label, str))
        ]
        return with_value(**{field: kept})(region) if kept else None

    return repair


def _is_known(label: Any, known: frozenset[str]) -> bool:
    """Tell whether a label, or each part of a path of a taxonomy, is known."""
    if isinstance(label, list):
        return all(_is_known(part, known) for part in label)
    return isinstance(label, str) and label in known


def _has_known_label(value: Mapping[str, Any], kind: str, control: AllowedControl) -> bool:
    """Tell quickly whether a value has a list of one label that its control has. False if it may have."""
    labels = value.get(kind)
    if type(labels) is not list or len(labels) != 1 or control.labels is None:
        return False
    return type(labels[0]) is str and labels[0] in control.labels


def _with_further_problems(
    problems: Iterable[Problem], region: Mapping[str, Any], control: AllowedControl, contents: TaskContents
) -> Iterable[Problem]:
    """Return the problems of a region's value with those of the fields beside it."""
    score = region.get("score")
    if score is not None and not (type(score) is float and 0 <= score <= 1):
        problems = (*problems, *_score_problems(score))
    if region.get("item_index") is not None:
        problems = (*problems, *_item_problems(region["item_index"], contents.count(region, control)))
    return problems


def _to_first_fault(problems: Iterator[Problem]) -> Iterator[Problem]:
    for problem in problems:
        yield problem
        if problem.severity is Severity.FAULT:
            return


def _score_problems(score: Any) -> Iterator[Problem]:
    """Yield the problem of a region's score that is no number, or not between 0 and 1."""
    if not is_number(score):
        text = f"its score is not a number: {score!r:.80}; Label Studio loses it and all regions after it"
        yield Problem(text, "score", "Return a number from 0 to 1, or no score", repair=_without_score)
    elif not 0 <= score <= 1:
        yield warning("its score is not between 0 and 1", "score", "Return a probability", f"{score:g}")


def _without_score(region: dict[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in region.items() if name != "score"}


def _item_problems(index: Any, count: int | None) -> Iterator[Problem]:
    """Yield the problem of an index of a picture that the task does not have. `count` is None if it is not known."""
    if type(index) is not int or index < 0 or (count is not None and index >= count):
        has = "" if count is None else f"; the task has {count}"
        fix = "Return the index of the picture, from 0, or leave it out"
        yield Problem(
            "its item_index is not that of a picture: the page fails",
            "item_index",
            fix,
            f"{index!r:.80}{has}",
        )


def _listed(names: Iterable[str]) -> str:
    """Return the first names, separated by commas; a label config may have thousands."""
    return ", ".join(itertools.islice(names, _LISTED))
