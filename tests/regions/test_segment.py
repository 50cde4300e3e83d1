"""Segments of audio and time series, and ranges of frames."""

import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.segment import frames, frames_of, interval_of, segment, segments
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Audio name="audio" value="$audio"/><Video name="video" value="$video"/><Text name="t" value="$t"/>
<TimeSeries name="series" value="$csv" timeColumn="time"/>
<TimeSeries name="dated" value="$csv" timeColumn="time" timeFormat="%Y-%m-%d %H:%M"/>
<Labels name="speaker" toName="audio"><Label value="Ann"/><Label value="Bob"/></Labels>
<Labels name="word" toName="t"><Label value="X"/></Labels>
<TimeSeriesLabels name="event" toName="series"><Label value="Run"/></TimeSeriesLabels>
<TimeSeriesLabels name="day" toName="dated"><Label value="Run"/></TimeSeriesLabels>
<TimelineLabels name="action" toName="video"><Label value="Jump"/></TimelineLabels></View>"""
CONTROLS = Controls(CONFIG)


def value(region: dict[str, Any] | None) -> dict[str, Any]:
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    return dict(region["value"])


@given(st.floats(0, 1e6), st.floats(0, 1e6))
@settings(max_examples=100, deadline=None)
def test_segments_of_audio_come_back(first: float, second: float) -> None:
    start, end = sorted((first, second))
    region = segment(CONTROLS["speaker"], start, end, "ann", channel=1)
    assert value(region) == {"start": start, "end": end, "channel": 1, "labels": ["Ann"]}
    assert region is not None
    assert interval_of(region) == (start, end)


def test_segments_of_time_series() -> None:
    assert value(segment(CONTROLS["event"], np.float32(1.5), 4, "Run")) == {
        "start": 1.5,
        "end": 4.0,
        "instant": False,
        "timeserieslabels": ["Run"],
    }
    assert value(segment(CONTROLS["event"], 3, 3, "Run"))["instant"] is True
    moment = datetime.datetime(2026, 11, 29, 13, 5, tzinfo=datetime.UTC)
    dated = value(segment(CONTROLS["day"], moment, "2026-11-29 14:00", "Run"))
    assert (dated["start"], dated["end"]) == ("2026-11-29 13:05", "2026-11-29 14:00")
    with pytest.raises(ValueError, match="start must be a number: 'series' has no timeFormat"):
        segment(CONTROLS["event"], moment, moment, "Run")
    with pytest.raises(ValueError, match="start must be a number, not '1': 'series' has no timeFormat"):
        segment(CONTROLS["event"], "1", 2, "Run")
    with pytest.raises(ValueError, match="of the same type"):
        segment(CONTROLS["day"], "2026-11-29 13:05", 5, "Run")


def test_many_segments() -> None:
    intervals = np.array([[0.0, 1.0], [2.0, 3.0]])
    made = segments(CONTROLS["speaker"], intervals, ["Ann", "Bob"], scores=[0.9, 0.2], min_score=0.5)
    assert [(interval_of(region), region["score"]) for region in made] == [((0.0, 1.0), 0.9)]
    with pytest.raises(ValueError, match="an entry for each of the 2 segments, not 1"):
        segments(CONTROLS["speaker"], intervals, ["Ann"])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2, 1, "must end after its start, not from 2 to 1"),
        (-1, 2, "0 seconds or more"),
        ("x", 1, "start must be a number"),
    ],
)
def test_numbers_that_are_no_segment_are_errors(start: Any, end: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segment(CONTROLS["speaker"], start, end, "Ann")


def test_other_objects_are_errors() -> None:
    with pytest.raises(LabelConfigError, match="does not label an <Audio> or <TimeSeries>"):
        segment(CONTROLS["word"], 1, 2, "X")
    with pytest.raises(ValueError, match="is no segment: its value has text"):
        interval_of({"value": {"text": ["x"]}})


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=5))
def test_ranges_of_frames_come_back(pairs: list[tuple[int, int]]) -> None:
    ranges = [(min(pair), max(pair)) for pair in pairs]
    region = frames(CONTROLS["action"], ranges, "Jump")
    assert region is not None
    assert value(region)["ranges"][0] == {"start": ranges[0][0] + 1, "end": ranges[0][1] + 1}
    assert frames_of(region) == ranges


def test_frames_that_are_none_are_errors() -> None:
    assert frames(CONTROLS["action"], [], "Jump") is None
    with pytest.raises(ValueError, match=r"frame must be a whole number of 0 or more, not 1\.5"):
        frames(CONTROLS["action"], [(1.5, 2)], "Jump")
    with pytest.raises(ValueError, match="must end after its start, not from 3 to 2"):
        frames(CONTROLS["action"], [(3, 2)], "Jump")
    with pytest.raises(ValueError, match="has no ranges"):
        frames_of({"value": {"x": 1}})
