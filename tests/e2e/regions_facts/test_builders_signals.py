"""Segments that the builders make: drawn at the right seconds and times, accepted, and given back as targets."""

import array
import io
import math
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.samples.media.audio import SAMPLE_RATE, tone, wav

from ..browser import Browser
from .labelling import Labelling
from .round_trip import Accepted, assert_drawn, open_prediction

LABEL = '<Label value="A" background="#ff0000"/>'
AUDIO = f"""<View><Labels name="sound" toName="audio">{LABEL}</Labels>
    <Audio name="audio" value="$audio"/></View>"""
SERIES = f"""<View><TimeSeriesLabels name="span" toName="series">{LABEL}</TimeSeriesLabels>
    <TimeSeries name="series" valueType="json" value="$series" timeColumn="t" {{}}>
        <Channel column="v"/></TimeSeries></View>"""
SECONDS = 4


def stereo() -> bytes:
    """Return a recording with two channels."""
    left, right = (tone(frequency, SECONDS * SAMPLE_RATE) for frequency in (220, 440))
    both = array.array("h", bytes(4 * len(left)))
    both[0::2], both[1::2] = left, right
    return wav(both, 2)


def red_stretches(labelling: Labelling, selector: str) -> list[tuple[float, float]]:
    """Return from where to where an element is red, from left to right, in shares of its width."""
    left, top, width, height = labelling.evaluate(
        """(selector) => { const place = document.querySelector(selector).getBoundingClientRect();
            return [place.x, place.y, place.width, place.height].map(Math.round) }""",
        selector,
    )
    labelling.page.mouse.move(5, 5)
    screen = Image.open(io.BytesIO(labelling.page.screenshot())).convert("RGB")
    red, green, _ = np.asarray(screen)[top : top + height, left : left + width].astype(int).transpose(2, 0, 1)
    is_red = (red - green > 30).mean(axis=0) > 0.5
    ends = np.flatnonzero(np.diff(np.concatenate(([False], is_red, [False])).astype(int)))
    return [(start / width, end / width) for start, end in ends.reshape(-1, 2).tolist()]


def test_audio(labelling: Labelling, browser: Browser) -> None:
    control = Controls(AUDIO)["sound"]
    found = [(0.5, 1.25, 0), (2.125, 3.5, 1)]
    built = [regions.segment(control, start, end, "A", channel=channel) for start, end, channel in found]
    url = labelling.upload("sound.wav", stereo(), "audio/wav")
    open_prediction(labelling, AUDIO, {"audio": url}, built)
    labelling.shows("() => SELECTED.objects[0]._ws?.duration", SECONDS)
    # The lines at both ends are as wide as 0.01 s.
    assert_drawn(
        lambda: [
            tuple(SECONDS * share for share in ends)
            for ends in red_stretches(labelling, ".lsf-audio-tag canvas")
        ],
        [pytest.approx((start, end), abs=0.02) for start, end, _ in found],
    )
    browser.keep(labelling.page, "builders-audio")

    segments = Accepted(labelling).example(control).segments
    assert [(each.start, each.end, each.channel, each.label) for each in segments] == [
        (*segment, "A") for segment in found
    ]


#: Left and right end of each region below the plot, where the whole series is shown, in shares of its width.
REGIONS = """() => {
    const regions = [...document.querySelectorAll('rect.region')];
    if (!regions.length) return [];
    const all = regions[0].closest('svg').querySelector('rect.overlay').getBoundingClientRect();
    return regions.map((region) => {
        const place = region.getBoundingClientRect();
        return [(place.left - all.left) / all.width, (place.right - all.left) / all.width] }) }"""
FIRST_DAY = date(2024, 2, 1)


@pytest.mark.parametrize(
    ("attributes", "times", "found", "stored"),
    [
        ("", range(100, 131), [(103, 110.5), (120, 120)], [(103, 110.5), (120, 120)]),
        pytest.param(
            'timeFormat="%Y-%m-%d"',
            [str(FIRST_DAY + timedelta(days=day)) for day in range(31)],
            [(FIRST_DAY + timedelta(days=3), FIRST_DAY + timedelta(days=28))],
            [("2024-02-04", "2024-02-29")],
            marks=pytest.mark.soak,
        ),
    ],
)
def test_time_series(
    labelling: Labelling,
    browser: Browser,
    attributes: str,
    times: Iterable[Any],
    found: list[tuple[Any, Any]],
    stored: list[tuple[Any, Any]],
) -> None:
    config = SERIES.format(attributes)
    control = Controls(config)["span"]
    data = {"series": {"t": list(times), "v": [math.sin(step / 4) for step in range(31)]}}
    open_prediction(labelling, config, data, regions.segments(control, found, ["A"] * len(found)))
    # The series has 31 rows; one row is one unit, or one day.
    first, unit = (FIRST_DAY, timedelta(days=1)) if attributes else (100, 1)
    rows = [tuple((moment - first) / unit for moment in ends) for ends in found]
    # An instant is drawn two pixels wide.
    assert_drawn(
        lambda: [tuple(30 * share for share in ends) for ends in labelling.evaluate(REGIONS)],
        [pytest.approx(ends, abs=0.1) for ends in rows],
    )
    browser.keep(labelling.page, "builders-time-series")

    segments = Accepted(labelling).example(control).segments
    assert [(each.start, each.end) for each in segments] == stored
    assert {each.label for each in segments} == {"A"}
