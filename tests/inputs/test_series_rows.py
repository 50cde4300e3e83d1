"""`time_series`: the rows that a `<TimeSeries>` shows of a task."""

import math
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import ModelError
from label_studio_ml.inputs import Input, TimeSeriesRows, time_series


def rows_of(attributes: str, value: Any, path: Path | None = None, channel: str = "v") -> TimeSeriesRows:
    config = f"""<View><TimeSeriesLabels name="span" toName="series"><Label value="A"/></TimeSeriesLabels>
    <TimeSeries name="series" value="$series" {attributes}><Channel column="{channel}"/></TimeSeries></View>"""
    control = Controls(config)["span"]
    task = {"id": 7, "data": {"series": value}}
    return time_series(control, Input(task=task, value=value, path=str(path) if path else None))


def test_columns_are_found_in_any_case_and_gaps_are_nan() -> None:
    rows = rows_of('timeColumn="Time"', {"time": [10, 11, 12, 13], "v": [1, None, 10**400, "3"]}, channel="V")
    assert list(rows.times) == [10, 11, 12, 13]
    first, *gaps, last = rows.channels["V"]
    assert (first, last) == (1.0, 3.0)
    assert all(map(math.isnan, gaps))
    assert [rows.row_at(moment) for moment in (0, 10, 11.5, 99)] == [0, 0, 1, 3]


def test_without_a_time_column_rows_are_counted() -> None:
    assert list(rows_of("", {"v": [5, 6]}).times) == [0, 1]


def test_times_in_a_format(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("day;v\n2024-02-01;1\n2024-02-03;2\n")
    rows = rows_of('timeColumn="day" timeFormat="%Y-%m-%d" sep=";"', "http://host/series.csv", file)
    assert rows.times == ["2024-02-01", "2024-02-03"]
    assert rows.channels == {"v": [1.0, 2.0]}
    assert rows.row_at("2024-02-02") == 0
    assert rows.row_at(1706918400000) == 1  # milliseconds, as Label Studio writes some


def test_a_file_without_header_has_columns_by_position(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("1,5\n2,6\n")
    rows = rows_of('timeColumn="0"', "http://host/series.csv", file, channel="1")
    assert (list(rows.times), rows.channels) == ([1, 2], {"1": [5.0, 6.0]})


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({"t": [1], "w": [2]}, "it has no column 'v'; it has t, w"),
        ({"t": [1, 2], "v": [2]}, "its columns differ in length"),
        ({"t": ["soon"], "v": [2]}, "the column 't' has values that are no numbers"),
        ({"t": 1, "v": [2]}, "the column 't' must be a list"),
        (
            {"t": [3, 2, 1], "v": [1, 2, 3]},
            "the times in its column 't' go back in row 2, from 3 to 2; sort the rows of the task's data by time",
        ),
        (None, "it must be a dict of columns or the address of a file"),
    ],
)
def test_what_is_no_series_names_the_task(value: Any, cause: str) -> None:
    with pytest.raises(ModelError, match=f"Task 7: its time series cannot be read: {cause}"):
        rows_of('timeColumn="t"', value)


DAYS = 'timeColumn="t" timeFormat="%d.%m.%Y"'


def test_times_in_a_format_that_go_back() -> None:
    """Compared as times: as texts, the days of two months are in another order."""
    rows_of(DAYS, {"t": ["28.02.2024", "01.03.2024"], "v": [1, 2]})
    with pytest.raises(ModelError, match=r"in row 2, from 05\.03\.2024 to 06\.02\.2024"):
        rows_of(DAYS, {"t": ["05.03.2024", "06.02.2024"], "v": [1, 2]})
    rows_of('timeColumn="t" timeFormat="%Q"', {"t": ["2", "1"], "v": [1, 2]})  # which only d3 can read


def test_equal_times_are_taken() -> None:
    rows = rows_of('timeColumn="t"', {"t": [1, 1, 2], "v": [1, 2, 3]})
    assert [rows.row_at(moment) for moment in (0, 1, 2)] == [0, 1, 2]
