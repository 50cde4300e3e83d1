"""Segments of recordings and time series that the dashboard draws, compared with Label Studio's editor."""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from ..browser import Browser
from ..regions_facts.labelling import SERIES_REGIONS, Labelling, red_stretches, region
from ..regions_facts.round_trip import assert_drawn
from ..regions_facts.test_builders_signals import SECONDS, stereo
from ..studio import Json
from .drawing_page import DrawingPage, tags_of

LABEL = '<Label value="A" background="#ff0000"/>'
AUDIO = (
    f"""<View><Labels name="label" toName="data">{LABEL}</Labels><Audio name="data" value="$data"/></View>"""
)
SERIES = f"""<View><TimeSeriesLabels name="label" toName="data">{LABEL}</TimeSeriesLabels>
    <TimeSeries name="data" valueType="json" value="$data" timeColumn="t" {{}}>
    <Channel column="v" legend="Wave" units="m"/></TimeSeries></View>"""
WAVE = [math.sin(step / 4) for step in range(31)]

#: Left and right end of each region over the first element of a kind, in shares of that element's width.
PLACES = """([outer, inner]) => {
    const all = document.querySelector(outer)?.getBoundingClientRect();
    return [...document.querySelectorAll(inner)].map((element) => {
        const place = element.getBoundingClientRect();
        return [(place.left - all.left) / all.width, (place.right - all.left) / all.width] }) }"""


def assert_same(
    drawing: DrawingPage, outer: str, inner: str, in_editor: Callable[[], Sequence[Sequence[float]]]
) -> None:
    """Assert that the dashboard draws regions where the editor does. Both are measured until they agree."""

    def off() -> Any:
        drawn, shown = drawing.page.evaluate(PLACES, [outer, inner]), in_editor()
        if drawn and len(drawn) == len(shown) and np.allclose(drawn, shown, atol=0.01):
            return None
        return drawn, shown

    assert_drawn(off, None)


def places(drawing: DrawingPage, outer: str, inner: str) -> Any:
    """Return the ends of the regions that the dashboard draws, rounded to a thousandth."""
    return np.round(drawing.page.evaluate(PLACES, [outer, inner]), 3).tolist()


def items(kind: str, values: list[Json]) -> list[Json]:
    """Return regions with the label A."""
    return [region(f"r{at}", kind, {**value, kind: ["A"]}) for at, value in enumerate(values)]


def test_audio_segments(labelling: Labelling, drawing: DrawingPage, browser: Browser) -> None:
    values: list[Json] = [
        {"start": 0.5, "end": 1.25, "channel": 0},
        {"start": 2.125, "end": 3.5, "channel": 1},
        {"start": "1", "end": 2, "channel": 0},
    ]
    result = items("labels", values)
    labelling.open(AUDIO, {"data": labelling.upload("sound.wav", stereo(), "audio/wav")}, result)
    labelling.shows("() => SELECTED.names.get('data')._ws?.duration", SECONDS)
    drawing.files["/sound.wav"] = ("audio/wav", stereo())
    drawing.draw(
        "audio.js", "AudioDrawing", **tags_of(AUDIO), regions=result, file="/sound.wav", title="prediction"
    )
    expect(drawing.page.locator(".drawing-channel[data-channel='1'] .drawing-segment")).to_have_count(1)
    parts = (".drawing-track", ".drawing-segment")
    assert_same(drawing, *parts, lambda: red_stretches(labelling, ".lsf-audio-tag canvas"))
    exact = [[value["start"] / SECONDS, value["end"] / SECONDS] for value in values[:2]]
    assert_drawn(lambda: places(drawing, *parts), [pytest.approx(place, abs=0.002) for place in exact])
    assert drawing.errors == []
    browser.keep(drawing.page, "drawing-audio")


FIRST = date(2024, 2, 1)
DATES = [str(FIRST + timedelta(days=day)) for day in range(31)]
#: Attributes of the tag, values of the time column, regions.
SERIES_CASES = [
    ("", list(range(100, 131)), [(103, 110.5), (120, 120), ("111", "112"), (125.5, 900)]),
    pytest.param(
        'timeFormat="%Y-%m-%d"',
        DATES,
        [("2024-02-04", "2024-02-29"), (1707523200000, 1707523200000)],
        marks=pytest.mark.soak,
    ),
]


@pytest.mark.parametrize(("attributes", "times", "ends"), SERIES_CASES, ids=["numbers", "dates"])
def test_time_series_regions(
    attributes: str,
    times: list[Any],
    ends: list[Any],
    labelling: Labelling,
    drawing: DrawingPage,
    browser: Browser,
) -> None:
    config = SERIES.format(attributes)
    data = {"t": times, "v": WAVE}
    values: list[Json] = [{"start": start, "end": end, "instant": start == end} for start, end in ends]
    result = items("timeserieslabels", values)
    labelling.open(config, {"data": data}, result)
    tags = tags_of(config)
    tags["object"]["channels"] = [{"column": "v", "legend": "Wave", "units": "m"}]
    drawing.draw(
        "timeseries.js", "TimeSeriesDrawing", **tags, regions=result, data=data, file="", title="prediction"
    )
    expect(drawing.page.locator(".drawing-band")).to_have_count(len(ends))

    def in_editor() -> list[list[float]]:
        return [[left, min(1.0, right)] for left, right in labelling.evaluate(SERIES_REGIONS)]

    assert_same(drawing, ".u-over", ".drawing-band", in_editor)
    assert drawing.errors == []
    browser.keep(drawing.page, f"drawing-series-{'dates' if attributes else 'numbers'}")
