"""What the installed SDK's validator says of a prediction, where it is right.

Before the validator is asked, regions are written as it wants them where Label Studio takes them as they are: each row
of `_EXCEPTIONS` is a case that it refuses and Label Studio shows. docs/region-formats.md has the measurements.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.import_paths import late_jsf
from label_studio_ml.validation.allowed_controls import AllowedControls
from label_studio_ml.validation.finding import Finding, Problem
from label_studio_ml.validation.kinds.values import POSITION, is_number
from label_studio_ml.validation.result_checks import PLACE

_WHERE = re.compile(r"(?:Region|Relation) (\d+): ")

#: The longest message of the SDK that is shown: it repeats whole values.
_LONGEST = 500

#: Fields of which a label's value has one if it belongs to a shape, not to a span.
_SHAPES = POSITION - {"start", "startOffset"}

_PERCENT = ("x", "y", "width", "height", "radiusX", "radiusY")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Exception:
    """A case in which the SDK refuses what Label Studio takes, and why that is so.

    `rewrite` returns a value as the SDK wants it; it gets the value, the region's type, and a label of its control.
    """

    reason: str
    rewrite: Callable[[Json, str, str], Json]


def _in_bounds(value: Json, kind: str, label: str) -> Json:
    bounded = {name: min(max(value[name], 0), 100) for name in _PERCENT if is_number(value.get(name))}
    return {**value, **bounded}


def _with_rotation(value: Json, kind: str, label: str) -> Json:
    return {**value, "rotation": value["rotation"] % 360} if is_number(value.get("rotation")) else value


def _with_labels(value: Json, kind: str, label: str) -> Json:
    return {kind: [label], **value} if kind.endswith("labels") and label else value


def _with_instant(value: Json, kind: str, label: str) -> Json:
    return {"instant": False, **value} if kind == "timeserieslabels" else value


def _with_video_fields(value: Json, kind: str, label: str) -> Json:
    sequence = value.get("sequence")
    if not isinstance(sequence, list):
        return value
    keys = [_with_time(key) if isinstance(key, Mapping) else key for key in sequence]
    return {"framesCount": 1, "duration": 1.0, **value, "sequence": keys}


def _with_time(key: Mapping[str, Any]) -> Json:
    bounded = _with_rotation(_in_bounds(dict(key), "", ""), "", "")
    return {"time": 0.0, "enabled": True, "rotation": 0, **bounded}


def _with_whole_rating(value: Json, kind: str, label: str) -> Json:
    return {**value, "rating": 1} if kind == "rating" and is_number(value.get("rating")) else value


def _with_text_list(value: Json, kind: str, label: str) -> Json:
    return (
        {**value, "text": [value["text"]]}
        if kind == "textarea" and isinstance(value.get("text"), str)
        else value
    )


def _with_paths(value: Json, kind: str, label: str) -> Json:
    paths = value.get("taxonomy")
    if kind != "taxonomy" or not isinstance(paths, list):
        return value
    return {**value, "taxonomy": [path if isinstance(path, list) else [path] for path in paths]}


def _with_names_of_choices(value: Json, kind: str, label: str) -> Json:
    chosen = value.get("choices")
    if kind != "choices" or not isinstance(chosen, list):
        return value
    return {**value, "choices": [path[-1] if isinstance(path, list) and path else path for path in chosen]}


def _with_span(value: Json, kind: str, label: str) -> Json:
    return {"start": 0, "end": 1, **value} if kind == "labels" and not _SHAPES.isdisjoint(value) else value


_EXCEPTIONS = (
    _Exception(
        "values beyond 0 to 100 are drawn as far as they are in the picture; our own checks warn", _in_bounds
    ),
    _Exception("any rotation is drawn, also beyond 360 degrees", _with_rotation),
    _Exception("a region without labels is drawn", _with_labels),
    _Exception("a missing `instant` is false", _with_instant),
    _Exception("`time`, `framesCount` and `duration` of a video are not read", _with_video_fields),
    _Exception("a rating may be a fraction; our own checks know maxRating", _with_whole_rating),
    _Exception("a text instead of a list is shown in a <TextArea>", _with_text_list),
    _Exception("a flat list in a <Taxonomy> comes back", _with_paths),
    _Exception(
        "with allowNested, choices are paths; our own checks know their names", _with_names_of_choices
    ),
    _Exception("a label may belong to any shape, also to that of a <MagicWand> or a video's", _with_span),
)


class SdkValidator:
    """The installed SDK's validator for one label config; it says nothing if the SDK is missing or cannot read it."""

    def __init__(self, label_config: str, controls: AllowedControls) -> None:
        self._controls = controls
        self._validate = _validator(label_config)

    def findings(self, result: list[Any]) -> list[Finding]:
        """Return what the SDK says of a prediction's regions, but for its known mistakes."""
        if self._validate is None:
            return []
        findings = []
        for message in self._validate({"result": self._rewritten(result)}):
            match = _WHERE.match(message)
            number = int(match[1]) if match else -1
            region = (
                result[number] if 0 <= number < len(result) and isinstance(result[number], Mapping) else {}
            )
            if number >= 0 and not self._is_known(region):
                continue
            text = _WHERE.sub("", message, count=1)[:_LONGEST]
            problem = Problem(f"the validator of label-studio-sdk says: {text}")
            name = region.get("from_name")
            findings.append(Finding(number, name if isinstance(name, str) else "", problem))
        return findings

    def _is_known(self, region: Mapping[str, Any]) -> bool:
        """Tell whether the SDK knows such regions: not those of a `<Repeater>` or of a chat."""
        kind = str(region.get("type")).lower()
        if kind == "relation":
            return True
        control = self._controls.find(region.get("from_name"))
        return (
            kind != "chatmessage"
            and control is not None
            and not control.is_indexed
            and control.tag != "reactcode"
        )

    def _rewritten(self, result: list[Any]) -> list[Any]:
        """Return the regions as the SDK wants them, where Label Studio does not mind."""
        places: dict[str, Json] = {}
        rewritten: list[Any] = []
        for region in result:
            if not isinstance(region, Mapping) or not isinstance(region.get("value", {}), Mapping):
                rewritten.append(region)
                continue
            if str(region.get("type")).lower() == "relation":
                rewritten.append({"direction": "right", **region})
                continue
            value = self._value(region)
            name = region.get("id")
            if name is not None:  # a further entry of a region has its position from the first one
                value = {**places.get(str(name), {}), **value}
                places.setdefault(str(name), {field: value[field] for field in PLACE if field in value})
            rewritten.append({**region, "value": value})
        return rewritten

    def _value(self, region: Mapping[str, Any]) -> Json:
        kind = str(region.get("type")).lower()
        control = self._controls.find(region.get("from_name"))
        label = next(iter(sorted(control.labels or ())), "") if control is not None else ""
        value = dict(region.get("value") or {})
        if control is not None and control.labels is None and control.control is not None:
            value = _without_labels_of_tasks(value, kind, control.control.label_names)
        for exception in _EXCEPTIONS:
            value = exception.rewrite(value, kind, label)
        return value


def _without_labels_of_tasks(value: Json, kind: str, names: list[str]) -> Json:
    """Replace labels that may come with a task: the SDK knows `names` only, if the label config lists some, too."""
    if not names or not isinstance(value.get(kind), list):
        return value
    return {**value, kind: [label if label in names else names[0] for label in value[kind]]}


def _validator(label_config: str) -> Callable[[Json], list[str]] | None:
    """Return the SDK's `validate_prediction` for a label config; None if there is none that lists its errors."""
    late_jsf.install()
    try:
        from label_studio_sdk.label_interface import LabelInterface

        validate = LabelInterface(label_config).validate_prediction
        if "return_errors" not in inspect.signature(validate).parameters:
            return None
    except Exception:  # noqa: BLE001 - the SDK raises many types for label configs that Label Studio accepts
        return None

    def errors(prediction: Json) -> list[str]:
        return list(map(str, validate(prediction, return_errors=True)))

    return errors
