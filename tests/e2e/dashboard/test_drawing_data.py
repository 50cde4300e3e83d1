"""What drawings of the dashboard read before they draw: columns, times in formats, offsets, HTML attributes."""

from typing import Any

import pytest
from playwright.sync_api import expect

from .drawing_page import DrawingPage

PARTS = "/dashboard/static/drawings/parts/"


def call(drawing: DrawingPage, module: str, expression: str, *arguments: Any) -> Any:
    """Return the value of an expression with the functions of a module (`m`) and the arguments (`a`)."""
    script = f"async ([path, a]) => {{ const m = await import(path); return ({expression}) }}"
    return drawing.page.evaluate(script, [PARTS + module, list(arguments)])


TABLES: list[tuple[Any, str, Any]] = [
    ("t,v\n1,2.5\n2,\n", "", {"names": ["t", "v"], "columns": [[1, 2], [2.5, None]]}),
    ("1;2\r\n3;4\r\n", ";", {"names": ["0", "1"], "columns": [[1, 3], [2, 4]]}),
    ("day\tv\n2024-01-01\t3", "tab", {"names": ["day", "v"], "columns": [["2024-01-01"], [3]]}),
    ('t,"a, b"\n1,"x ""y"""\n', "auto", {"names": ["t", "a, b"], "columns": [[1], ['x "y"']]}),
    ('{"t": [1, 2], "v": [3, 4], "n": 1}', "", {"names": ["t", "v"], "columns": [[1, 2], [3, 4]]}),
    ([{"t": 1, "v": 2}], "", {"names": ["t", "v"], "columns": [[1], [2]]}),
]


@pytest.mark.parametrize(("data", "separator", "expected"), TABLES)
def test_columns(data: Any, separator: str, expected: Any, drawing: DrawingPage) -> None:
    assert call(drawing, "table-data.js", "m.readColumns(a[0], a[1])", data, separator) == expected


@pytest.mark.parametrize("data", ["", "no separator", 5, None, [], {}])
def test_data_without_columns(data: Any, drawing: DrawingPage) -> None:
    assert call(drawing, "table-data.js", "m.readColumns(a[0], '').problem", data).startswith(
        "The time series"
    )


TIMES = [
    ("%Y-%m-%d", "2024-02-29", "2024-02-29T00:00:00.000Z"),
    ("%m/%d/%Y %H:%M:%S", "1/02/2024 3:04:05", "2024-01-02T03:04:05.000Z"),
    ("%d %b %Y %I:%M %p", "03 Mar 2024 12:30 AM", "2024-03-03T00:30:00.000Z"),
    ("%Y-%m-%dT%H:%M:%S.%L%Z", "2024-01-02T03:04:05.67+0130", "2024-01-02T01:34:05.670Z"),
    ("%H:%M:%S.%f", "00:00:01.123456", "1900-01-01T00:00:01.123Z"),
    ("%Q", "1700000000000", "2023-11-14T22:13:20.000Z"),
    ("%s", "1700000000", "2023-11-14T22:13:20.000Z"),
    ("%Y-%m-%d", "29.02.2024", None),
    ("(%Y)", "2024", None),
]


@pytest.mark.parametrize(("form", "text", "expected"), TIMES)
def test_times(form: str, text: str, expected: str | None, drawing: DrawingPage) -> None:
    expression = (
        "(time => Number.isNaN(time) ? null : new Date(time).toISOString())(m.timeParser(a[0])(a[1]))"
    )
    assert call(drawing, "time-format.js", expression, form, text) == expected


def test_code_points_of_a_long_text(drawing: DrawingPage) -> None:
    text = "a😀" * 3000
    offsets = [-1, 0, 1, 2, 1023, 1024, 1025, 4095, 4096, 5999, 6000, 9999]
    expected = [len(text[: max(0, offset)].encode("utf-16-le")) // 2 for offset in offsets]
    assert call(drawing, "spans.js", "a[1].map(m.unitsOfCodePoints(a[0]))", text, offsets) == expected


def test_attributes_that_would_be_reported(drawing: DrawingPage) -> None:
    source = "<p style='a>b' onclick=x() title=\"on style=\">style=1</p><script style=1>'<p style>'</script>"
    source += "<!-- <p style> -->"
    expected = source.replace("p style='", "p data-page-style='").replace("onclick", "data-page-onclick")
    expected = expected.replace("<script style", "<script data-page-style")
    assert call(drawing, "html-attributes.js", "m.neutralised(a[0])", source) == expected


def test_problems_are_told_and_nothing_is_drawn(drawing: DrawingPage) -> None:
    tag = {"name": "data", "tag": "TimeSeries", "attributes": {"timeColumn": "t", "timeFormat": "%Y"}}
    drawing.draw(
        "timeseries.js",
        "TimeSeriesDrawing",
        object=tag,
        controls=[],
        regions=[],
        data={"t": ["2024", "x"], "v": [1, 2]},
        file="",
        title="prediction",
    )
    drawing.page.get_by_text('the time "x" in row 2 is no time in the format %Y').wait_for()
    drawing.files["/sound.mp3"] = ("audio/mpeg", b"this is no sound")
    region = {"id": "1", "type": "labels", "value": {"start": 1, "end": 4, "labels": ["A"]}}
    drawing.draw(
        "audio.js",
        "AudioDrawing",
        object={"name": "data", "tag": "Audio", "attributes": {}},
        controls=[],
        regions=[region],
        file="/sound.mp3",
        title="prediction",
    )
    drawing.page.get_by_text("This browser cannot decode the recording.").wait_for()
    drawing.page.wait_for_function(
        """() => { const [box, track] = ['.drawing-segment', '.drawing-track'].map(
                (part) => document.querySelector(part)?.getBoundingClientRect());
            return box && Math.abs(box.x - track.x - track.width / 4) < 2 }"""
    )


def test_focus_in_the_list_highlights_the_span(drawing: DrawingPage) -> None:
    word = {"start": 30_000, "end": 30_004, "labels": ["A"]}
    drawing.draw(
        "text.js",
        "TextDrawing",
        object={"name": "data", "tag": "Text", "attributes": {}},
        controls=[],
        regions=[
            {"id": "near", "type": "labels", "value": {"start": 0, "end": 3, "labels": ["A"]}},
            {"id": "far", "type": "labels", "value": word},
            {"id": "far", "type": "choices", "from_name": "kind", "value": {"choices": ["verb"]}},
        ],
        data="word " * 10_000,
        file="",
        title="prediction",
    )
    page = drawing.page
    marks = page.locator("mark.drawing-span")
    expect(marks).to_have_count(1)
    page.locator(".drawing-region").first.focus()
    page.wait_for_function("() => document.querySelector('mark').style.outlineStyle === 'solid'")
    # The second span is in the part of the text that is not shown yet.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function(
        """() => { const mark = document.querySelectorAll('mark')[1]?.getBoundingClientRect();
            const box = document.querySelector('.drawing-text').getBoundingClientRect();
            return mark && mark.top >= box.top - 1 && mark.bottom <= box.bottom + 1 }"""
    )
    expect(marks.nth(1)).to_have_text("word")
    page.get_by_text("verb").wait_for()
