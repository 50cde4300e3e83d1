"""Segments that the builders make: drawn at the right seconds and times, accepted, and given back as targets."""

import array
import math
from datetime import date, timedelta

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.samples.media.audio import SAMPLE_RATE, tone, wav

from ..browser import Browser
from .labelling import SERIES_REGIONS, Labelling, red_stretches
from .round_trip import Accepted, assert_drawn, open_prediction

LABEL = '<Label value="A" background="#ff0000"/>'
SERIES = f"""<TimeSeriesLabels name="span" toName="series">{LABEL}</TimeSeriesLabels>
    <TimeSeries name="series" valueType="json" value="$series" timeColumn="t" {{}}>
        <Channel column="v"/></TimeSeries>"""
BOTH = f"""<View><Labels name="sound" toName="audio">{LABEL}</Labels>
    <Audio name="audio" value="$audio"/>{SERIES.format("")}</View>"""
DATES = f"""<View>{SERIES.format('timeFormat="%Y-%m-%d"')}</View>"""
WAVE = [math.sin(step / 4) for step in range(31)]
SECONDS = 4


def stereo() -> bytes:
    """Return a recording with two channels."""
    left, right = (tone(frequency, SECONDS * SAMPLE_RATE) for frequency in (220, 440))
    both = array.array("h", bytes(4 * len(left)))
    both[0::2], both[1::2] = left, right
    return wav(both, 2)


def assert_rows(labelling: Labelling, expected: list[tuple[float, float]]) -> None:
    """Assert from which to which row of the time series each region is drawn."""
    # An instant is drawn two pixels wide.
    assert_drawn(
        lambda: [tuple(30 * share for share in ends) for ends in labelling.evaluate(SERIES_REGIONS)],
        [pytest.approx(ends, abs=0.1) for ends in expected],
    )


def test_segments(labelling: Labelling, browser: Browser) -> None:
    controls = Controls(BOTH)
    sounds, spans = [(0.5, 1.25, 0), (2.125, 3.5, 1)], [(103, 110.5), (120, 120)]
    built = [
        regions.segment(controls["sound"], start, end, "A", channel=channel) for start, end, channel in sounds
    ]
    url = labelling.upload("sound.wav", stereo(), "audio/wav")
    data = {"audio": url, "series": {"t": list(range(100, 131)), "v": WAVE}}
    open_prediction(
        labelling, BOTH, data, [*built, *regions.segments(controls["span"], spans, ["A"] * len(spans))]
    )
    labelling.shows("() => SELECTED.names.get('audio')._ws?.duration", SECONDS)
    # The lines at both ends are as wide as 0.01 s.
    assert_drawn(
        lambda: [
            tuple(SECONDS * share for share in ends)
            for ends in red_stretches(labelling, ".lsf-audio-tag canvas")
        ],
        [pytest.approx((start, end), abs=0.02) for start, end, _ in sounds],
    )
    assert_rows(labelling, [(start - 100, end - 100) for start, end in spans])
    browser.keep(labelling.page, "builders-signals")

    accepted = Accepted(labelling)
    segments = accepted.example(controls["sound"]).segments
    assert [(each.start, each.end, each.channel, each.label) for each in segments] == [
        (*sound, "A") for sound in sounds
    ]
    segments = accepted.example(controls["span"]).segments
    assert [(each.start, each.end, each.label) for each in segments] == [(*span, "A") for span in spans]


@pytest.mark.soak
def test_dates_of_a_time_series(labelling: Labelling) -> None:
    control = Controls(DATES)["span"]
    first = date(2024, 2, 1)
    data = {"series": {"t": [str(first + timedelta(days=day)) for day in range(31)], "v": WAVE}}
    built = regions.segment(control, date(2024, 2, 4), date(2024, 2, 29), "A")
    open_prediction(labelling, DATES, data, [built])
    assert_rows(labelling, [(3, 28)])
    (segment,) = Accepted(labelling).example(control).segments
    assert (segment.start, segment.end, segment.label) == ("2024-02-04", "2024-02-29", "A")
