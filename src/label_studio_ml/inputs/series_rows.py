"""The rows of a `<TimeSeries>`: times and channels of a task, from its JSON or its CSV file."""

import bisect
import contextlib
import csv
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.object_tag import ObjectTag, attribute_of
from label_studio_ml.errors import ModelError
from label_studio_ml.support.arguments import described
from label_studio_ml.support.texts import whole_number

#: What Label Studio takes these values of `sep` for; of other values, it takes the first character.
_SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "auto": ",", "comma": ",", "dot": "."}


class _Shown(Protocol):
    """What an `Input` and an `Example` have in common."""

    @property
    def task(self) -> Mapping[str, Any]: ...
    @property
    def value(self) -> Any: ...
    @property
    def path(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class TimeSeriesRows:
    """A time series with one entry for each row in `times` and in each list of `channels`.

    `times` are the values of the time column as `regions.segment` takes them: numbers, with `timeFormat` texts, and the
    numbers of the rows without a time column. `channels` has the values of each `<Channel>` by the name of its column;
    NaN where a row has no number. Without any `<Channel>`, it has all columns.
    """

    times: Sequence[Any]
    channels: Mapping[str, Sequence[float]]
    time_format: str = field(default="", repr=False)

    def row_at(self, moment: Any) -> int:
        """Return the number of the last row that is not after `moment`, a start or an end of a segment; at least 0.

        Raises ValueError if `moment` is neither a number nor a text in `timeFormat`.
        """
        return max(0, bisect.bisect_right(self.seconds, _seconds(moment, self.time_format)) - 1)

    @cached_property
    def seconds(self) -> list[float]:
        """The times as numbers that grow with them. Raises ValueError for a text that is not in `timeFormat`."""
        return [_seconds(time, self.time_format) for time in self.times]


def time_series(control: Control, shown: _Shown) -> TimeSeriesRows:
    """Return the rows of the `<TimeSeries>` that `control` labels, of an entry of `self.inputs` or of a target.

    Raises ModelError, naming the task, if its data are no columns of one length, lack the time column or a channel, or
    have times that go back, which Label Studio does not show either. Equal times in succession are taken.
    """
    task = shown.task.get("id")
    try:
        return _rows(control.object, _columns(control.object, shown.value, shown.path))
    except (OSError, ValueError, csv.Error, _Disorder) as error:
        raise ModelError(
            f"Task {task}: its time series cannot be read: {error}", field=control.field
        ) from error


def _rows(shown: ObjectTag, columns: Mapping[str, Sequence[Any]]) -> TimeSeriesRows:
    """Return the time column and the channels among the columns, whose names are in lower case."""
    time_column = shown.attribute("timeColumn")
    time_format = shown.attribute("timeFormat") if time_column else ""
    names = [attribute_of(channel, "column") for channel in shown.channels]
    names = names or [name for name in columns if name != time_column.lower()]
    if not names:
        raise ValueError("it has no channel")
    channels = {name: [_number(value) for value in _column(columns, name)] for name in names}
    length = len(next(iter(channels.values())))
    times: Sequence[Any] = _column(columns, time_column) if time_column else range(length)
    if any(len(values) != len(times) for values in channels.values()):
        raise ValueError("its columns differ in length")
    if time_format:
        series = TimeSeriesRows(
            times=[str(time) for time in times], channels=channels, time_format=time_format
        )
        with contextlib.suppress(ValueError):  # d3 knows formats that Python does not
            _check_order(time_column, times, series.seconds)
        return series
    numbers = [_number(time) for time in times]
    if any(math.isnan(number) for number in numbers):
        raise ValueError(f"the column {time_column!r} has values that are no numbers")
    _check_order(time_column, times, numbers)
    whole = all(number.is_integer() for number in numbers)
    return TimeSeriesRows(times=[int(number) for number in numbers] if whole else numbers, channels=channels)


class _Disorder(Exception):
    """The times of a series go back."""


def _check_order(column: str, times: Sequence[Any], seconds: Sequence[float]) -> None:
    """Raise _Disorder if a time is before that of the row before it. `seconds` are the times as numbers."""
    for row, (before, after) in enumerate(itertools.pairwise(seconds), 1):
        if after < before:
            raise _Disorder(
                f"the times in its column {column!r} go back in row {row + 1}, from {times[row - 1]} to {times[row]}; "
                "sort the rows of the task's data by time"
            )


def _columns(shown: ObjectTag, value: Any, path: str | None) -> dict[str, Sequence[Any]]:
    """Return the columns by name in lower case, as Label Studio compares them."""
    if isinstance(value, Mapping):
        for name, values in value.items():
            if not isinstance(values, list | tuple):
                raise ValueError(f"the column {name!r} must be a list, not {described(values)}")
        return {str(name).lower(): values for name, values in value.items()}
    if path is None:
        raise ValueError(f"it must be a dict of columns or the address of a file, not {described(value)}")
    separator = shown.attribute("sep") or ","
    separator = _SEPARATORS.get(separator) or separator[0]
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter=separator) if row]
    if not rows:
        raise ValueError("the file is empty")
    used = [attribute_of(channel, "column") for channel in shown.channels]
    used += [shown.attribute("timeColumn")] if shown.attribute("timeColumn") else []
    is_headless = bool(used) and all(whole_number(name) is not None for name in used)
    header = [str(at) for at in range(len(rows[0]))] if is_headless else rows.pop(0)
    return {
        name.strip().lower(): [row[at] if at < len(row) else "" for row in rows]
        for at, name in enumerate(header)
    }


def _column(columns: Mapping[str, Sequence[Any]], name: str) -> Sequence[Any]:
    try:
        return columns[name.lower()]
    except KeyError:
        raise ValueError(f"it has no column {name!r}; it has {', '.join(columns) or 'none'}") from None


def _number(value: Any) -> float:
    """Return a value of a column; NaN if it is no number, or too large for one."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _seconds(moment: Any, time_format: str) -> float:
    """Return a time as a number that grows with it. Raises ValueError."""
    if time_format and isinstance(moment, str):
        form = time_format.replace("%L", "%f")  # d3's name of the directive
        return datetime.strptime(moment, form).replace(tzinfo=UTC).timestamp()
    if isinstance(moment, int | float | str):
        return float(moment) / (1000 if time_format else 1)
    raise ValueError(f"{moment!r} is no time of the series")
