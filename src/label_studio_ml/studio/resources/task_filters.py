"""Parse conditions on tasks (`--where "total_annotations = 0"`) into filters of Label Studio's Data Manager."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import whole_number

Filter = dict[str, Any]

#: The columns of the Data Manager that a condition may name, besides `data.NAME`, and the type of their values.
COLUMNS = {
    "id": "Number",
    "inner_id": "Number",
    "total_annotations": "Number",
    "cancelled_annotations": "Number",
    "total_predictions": "Number",
    "predictions_score": "Number",
    "created_at": "Datetime",
    "updated_at": "Datetime",
    "completed_at": "Datetime",
    "annotations_results": "String",
    "predictions_results": "String",
    "predictions_model_versions": "List",
    "file_upload": "String",
    "storage_filename": "String",
}

_OPERATORS = {
    "=": "equal",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_or_equal",
    ">": "greater",
    ">=": "greater_or_equal",
    "~": "regex",
    "contains": "contains",
    "not contains": "not_contains",
}
_CONDITION = re.compile(
    r"\s*(?P<field>data\.\S+?|\w+)\s*"
    r"(?:(?P<operator>==|!=|<=|>=|=|<|>|~|\bnot\s+contains\b|\bcontains\b)\s*(?P<value>.*?)"
    r"|\bis\s+(?P<empty>(?:not\s+)?empty)"
    r"|\bin\s*\((?P<list>.*)\)"
    r"|\bin\s+(?P<least>\S+?)\s*\.\.\s*(?P<most>\S+))\s*",
    re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_EXAMPLES = (
    'Write it like "total_annotations = 0", "data.lang = en", "data.text contains cat", "id in 10..20", '
    '"data.lang in (en, de)" or "data.lang is empty"'
)


def parse(condition: str) -> Filter:
    """Return one condition as a filter of the Data Manager. Raises SettingsError if it cannot be parsed."""
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise SettingsError(f"{condition!r} is not a condition", fix=_EXAMPLES, field="--where")
    field = match["field"]
    if field not in COLUMNS and not field.startswith("data."):
        raise SettingsError(
            f"{field!r} is no column of Label Studio's tasks",
            fix=f"Use data.NAME or one of {', '.join(COLUMNS)}",
            field="--where",
        )
    if match["empty"]:
        kind = COLUMNS.get(field, "String")
        return _filter(field, "empty", kind, "not" not in match["empty"])
    if match["list"] is not None:
        values = [_plain(part) for part in match["list"].split(",") if part.strip()]
        numbers = all(not isinstance(value, str) for value in values)
        return _filter(field, "in_list", "Number" if numbers else "String", values)
    if match["least"]:
        least, greatest = _plain(match["least"]), _plain(match["most"])
        kind = COLUMNS.get(field) or ("String" if isinstance(least, str) else "Number")
        if kind == "Datetime":
            least, greatest = _moment(str(least)), _moment(str(greatest))
        return _filter(field, "in", kind, {"min": least, "max": greatest})
    return _compared(field, _OPERATORS[" ".join(match["operator"].split())], match["value"])


def everything(conditions: list[Filter]) -> dict[str, Any]:
    """Return the filters of a query for tasks that meet all conditions."""
    return {"conjunction": "and", "items": conditions}


def above(task_id: int) -> Filter:
    """Return the condition that a task's id is greater than `task_id`."""
    return _filter("id", "greater", "Number", task_id)


def upto(task_id: int) -> Filter:
    """Return the condition that a task's id is at most `task_id`."""
    return _filter("id", "less_or_equal", "Number", task_id)


def among(task_ids: list[int]) -> Filter:
    """Return the condition that a task's id is in `task_ids`."""
    return _filter("id", "in_list", "Number", task_ids)


def with_annotations(annotation_ids: list[int]) -> Filter:
    """Return the condition that a task has one of these annotations, as the Data Manager's page writes it."""
    return _filter("annotations_ids", "contains", "String", " ".join(map(str, annotation_ids)))


def versions(word: str, version: str) -> Filter:
    """Return the condition that a name of the task's prediction versions contains `version`, or that none does.

    `word` is `contains` or `not_contains`.
    """
    return _filter("predictions_model_versions", word, "List", [version])


def _compared(field: str, operator: str, text: str) -> Filter:
    if not text:
        raise SettingsError(f"The condition on {field} has no value", fix=_EXAMPLES, field="--where")
    value = _plain(text)
    kind = COLUMNS.get(field) or ("String" if isinstance(value, str) else "Number")
    if operator in ("contains", "not_contains", "regex"):
        return (
            _filter(field, operator, "List", [str(value)])
            if kind == "List"
            else _filter(field, operator, "String", str(value))
        )
    if kind == "Number" and isinstance(value, str):
        raise SettingsError(f"{field} is a number, {text!r} is none", fix=_EXAMPLES, field="--where")
    if kind == "Datetime":
        return _filter(field, operator, kind, _moment(text.strip("\"'")))
    if kind == "List":
        raise SettingsError(f"{field} takes contains and not contains only", fix=_EXAMPLES, field="--where")
    return _filter(field, operator, kind, value if kind == "Number" else str(value))


def _filter(field: str, operator: str, kind: str, value: Any) -> Filter:
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}


def _plain(text: str) -> int | float | str:
    """Return `text` as a number if it is one, otherwise as text; quoted text stays text."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if not _NUMBER.fullmatch(text):
        return text
    if whole_number(text.lstrip("+-")) is not None:
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else text


def _moment(text: str) -> str:
    """Return an ISO 8601 date as the Data Manager takes it: UTC, with milliseconds and Z. Raises SettingsError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} is not a date", fix="Write it like 2026-11-23 or 2026-11-23T14:00", field="--where"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
