from typing import Any

import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.studio.resources.task_filters import parse


@pytest.mark.parametrize(
    ("text", "field", "operator", "kind", "value"),
    [
        ("total_annotations = 0", "total_annotations", "equal", "Number", 0),
        ("total_annotations>=2", "total_annotations", "greater_or_equal", "Number", 2),
        ("predictions_score < 0.4", "predictions_score", "less", "Number", 0.4),
        ("data.lang = en", "data.lang", "equal", "String", "en"),
        ("data.lang != 'two words'", "data.lang", "not_equal", "String", "two words"),
        ("data.year = 1999", "data.year", "equal", "Number", 1999),
        ('data.year = "1999"', "data.year", "equal", "String", "1999"),
        ("data.text contains a cat", "data.text", "contains", "String", "a cat"),
        ("data.text not contains cat", "data.text", "not_contains", "String", "cat"),
        ("data.text ~ ^a.*z$", "data.text", "regex", "String", "^a.*z$"),
        ("id in 10..20", "id", "in", "Number", {"min": 10, "max": 20}),
        ("data.lang in (en, de)", "data.lang", "in_list", "String", ["en", "de"]),
        ("data.lang is empty", "data.lang", "empty", "String", True),
        ("completed_at is not empty", "completed_at", "empty", "Datetime", False),
        ("data.lang = 1e999", "data.lang", "equal", "String", "1e999"),
        ("data.lang = ²", "data.lang", "equal", "String", "²"),
        ("created_at > 2026-11-23", "created_at", "greater", "Datetime", "2026-11-23T00:00:00.000Z"),
        (
            "updated_at<2026-11-23T14:00:00+02:00",
            "updated_at",
            "less",
            "Datetime",
            "2026-11-23T12:00:00.000Z",
        ),
        (
            "predictions_model_versions contains v1",
            "predictions_model_versions",
            "contains",
            "List",
            ["v1"],
        ),
    ],
)
def test_conditions(text: str, field: str, operator: str, kind: str, value: Any) -> None:
    expected = {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("annotations = 0", "'annotations' is no column"),
        ("total_annotations", "is not a condition"),
        ("total_annotations = none", "total_annotations is a number"),
        ("data.lang =", "has no value"),
        ("created_at > yesterday", "is not a date"),
        ("predictions_model_versions = v", "takes contains"),
        ("id = 1 or id = 2", "is a number"),
    ],
)
def test_what_is_no_condition(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as raised:
        parse(text)
    assert raised.value.field == "--where"
