"""Time series: the columns that a `<TimeSeries>` and its channels name, as JSON or as a CSV file."""

import csv
import io
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.value_context import ValueContext
from label_studio_ml.support.texts import whole_number

_ROWS = 200

#: Rows whose times do not go around with a format that has hours only.
_HOURS = 24

_START = datetime(2026, 1, 5, tzinfo=UTC)

#: Directives of a time format, with the time between two rows: the finest one in the format counts.
_STEPS = (
    (("%L", "%f", "%Q"), timedelta(milliseconds=250)),
    (("%S", "%s", "%X", "%T", "%c"), timedelta(seconds=30)),
    (("%M",), timedelta(minutes=1)),
    (("%H", "%I"), timedelta(hours=1)),
    (("%d", "%e", "%j", "%x"), timedelta(days=1)),
    (("%m", "%b", "%B"), timedelta(days=31)),
    (("%Y", "%y"), timedelta(days=366)),
)

#: What Label Studio takes these values of `sep` for; of other values, it takes the first character.
_SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "auto": ",", "comma": ",", "dot": "."}

#: The largest number of a column of a CSV file without header.
_MAX_COLUMN = 100


def series(use: Use, context: ValueContext) -> Any:
    """Return a dict of columns for `valueType="json"`, else the address of a CSV file.

    The names in the dict are in lower case, whatever the tag has: Label Studio looks for them so.
    """
    time_column = use.attributes.get("timecolumn", "")
    time_format = use.attributes.get("timeformat", "")
    names = list(dict.fromkeys((*([time_column] if time_column else []), *use.columns))) or ["value"]
    rows = _HOURS if _is_time_of_day(time_format) else _ROWS
    columns: dict[str, list[Any]] = {name: _channel(rows, context) for name in names}
    if time_column:
        columns[time_column] = times(time_format, rows)
    kind = use.attributes.get("valuetype", "url").lower()
    if kind == "json":
        return {name.lower(): values for name, values in columns.items()}
    return context.place(_csv(columns, use.attributes.get("sep", ",")).encode(), "csv")


def _channel(rows: int, context: ValueContext) -> list[Any]:
    """Return a wave with noise, a step and two outliers."""
    rng = context.rng
    period, height, offset = rng.uniform(15, 60), rng.uniform(1, 20), rng.uniform(-5, 50)
    step = rng.randrange(rows)
    values = [
        offset
        + height * math.sin(2 * math.pi * row / period)
        + rng.gauss(0, height / 15)
        + (height if row >= step else 0)
        for row in range(rows)
    ]
    for row in rng.sample(range(rows), 2):
        values[row] += 4 * height
    return [round(value, 3) for value in values]


def times(time_format: str, rows: int) -> list[Any]:
    """Return increasing times: texts in a time format of strftime and d3, or numbers of seconds without a format."""
    if not time_format:
        return [round(row * 0.5, 1) for row in range(rows)]
    step = next(
        (step for directives, step in _STEPS if any(name in time_format for name in directives)),
        timedelta(days=1),
    )
    return [_formatted(_START + row * step, time_format) for row in range(rows)]


def _formatted(time: datetime, time_format: str) -> str:
    """Return a time in a format; `%L`, `%Q` and `%s` are d3's: milliseconds, and milliseconds or seconds since 1970."""
    milliseconds = int(time.timestamp() * 1000)
    for directive, text in (
        ("%L", f"{time.microsecond // 1000:03}"),
        ("%Q", str(milliseconds)),
        ("%s", str(milliseconds // 1000)),
        ("%e", str(time.day)),
        ("%-", "%"),
    ):
        time_format = time_format.replace(directive, text)
    return time.strftime(time_format)


def _is_time_of_day(time_format: str) -> bool:
    """Tell whether a format has hours as its finest part and no date: later rows would begin again at 0."""
    has_date = any(part in time_format for part in ("%d", "%e", "%j", "%Q", "%s", "%x", "%c"))
    finer = any(part in time_format for part in ("%M", "%S", "%L", "%f"))
    return "%H" in time_format and not has_date and not finer


def _csv(columns: dict[str, list[Any]], separator: str) -> str:
    """Return the columns as CSV; without header if their names are numbers, which stand for positions then.

    Label Studio refuses a file without any separator, so a single column gets another one beside it.
    """
    separator = _SEPARATORS.get(separator) or separator[:1] or ","
    rows = len(next(iter(columns.values())))
    places = [place for name in columns if (place := whole_number(name)) is not None and place <= _MAX_COLUMN]
    is_headless = len(places) == len(columns)
    if is_headless:
        count = max(*places, 1) + 1
        columns = {str(place): columns.get(str(place), [0] * rows) for place in range(count)}
    elif len(columns) == 1:
        columns = {**columns, "row": list(range(rows))}
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\n")
    if not is_headless:
        writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()
