"""Segments of recordings: of `<Audio>` in seconds, of `<TimeSeries>` in values of the time column, and of `<Video>`
timelines in frames. How each is counted was measured: docs/region-formats.md.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.region import (
    Region,
    chosen_rows,
    fields_in,
    interval,
    make,
    number,
    plain,
    position,
    require,
    rows_of,
)


def segment(
    control: Control,
    start: Any,
    end: Any,
    label: Any = None,
    *,
    channel: int = 0,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
) -> Region | None:
    """Return a segment of an `<Audio>` or a `<TimeSeries>` as a region; None if its label is dropped.

    Of audio, `start` and `end` are seconds, and `channel` counts from 0. Of a time series, they are values of its time
    column: numbers, or with `timeFormat` dates, or texts in that format. Raises ValueError for numbers that are none or
    an end before its start, and LabelConfigError for another object or a label that the control does not have.
    """
    require(control, Geometry.SPAN)
    tag = control.object.tag
    if tag == "Audio":
        first, last = number(start, "start"), number(end, "end")
        if first < 0:
            raise ValueError(f"start must be 0 seconds or more, not {start!r}")
        value: dict[str, Any] = {"start": first, "end": last, "channel": channel}
    elif tag == "TimeSeries":
        first, last = _time(control, start, "start"), _time(control, end, "end")
        if isinstance(first, str) != isinstance(last, str):
            raise ValueError("start and end of a segment must be of the same type")
        value = {"start": first, "end": last, "instant": first == last}
    else:
        raise LabelConfigError(f"{control} does not label an <Audio> or <TimeSeries>", field="label_config")
    if not isinstance(first, str) and first > last:
        raise ValueError(f"A segment must end after its start, not from {first:g} to {last:g}")
    return make(control, value, label=label, score=score, id=id)


def _time(control: Control, moment: Any, name: str) -> Any:
    """Return a value of a time column: a number, or a text in the object's `timeFormat`. Raises ValueError."""
    form = control.object.attribute("timeFormat")
    if isinstance(moment, datetime.date):
        if not form:
            raise ValueError(f"{name} must be a number: {control.object.name!r} has no timeFormat")
        return moment.strftime(form)
    if isinstance(moment, str):
        if form:
            return moment
        raise ValueError(
            f"{name} must be a number, not {moment!r}: {control.object.name!r} has no timeFormat"
        )
    return number(moment, name)


def segments(
    control: Control,
    intervals: Any,
    labels: Any = None,
    *,
    scores: Any = None,
    min_score: float = 0.0,
) -> list[Region]:
    """Return several segments as regions: `segment` for each pair of start and end, with its label and score.

    `labels` may also be one label for all. Segments with a score below `min_score` or a dropped label are left out.
    Raises as `segment` does, and ValueError if there is not one label (and score) for each.
    """
    pairs = rows_of(intervals, "intervals", "segment")
    made = (
        segment(control, *interval(pairs[at], "intervals"), label, score=score)
        for at, label, score in chosen_rows(len(pairs), labels, scores, min_score, "segment")
    )
    return [region for region in made if region is not None]


def interval_of(region: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return start and end of a segment, as Label Studio stores them. Raises ValueError if it has none."""
    value = region["value"]
    if value.get("start") is None or value.get("end") is None:
        raise ValueError(f"The region is no segment: its value has {fields_in(region)}")
    return value["start"], value["end"]


def frames(
    control: Control,
    ranges: Any,
    label: Any = None,
    *,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
) -> Region | None:
    """Return frames of a video as a region of `<TimelineLabels>`; None without any, or if its label is dropped.

    `ranges` are pairs of a first and a last frame, counted from 0 as in Python (Label Studio counts from 1), both of
    which belong to the range. Raises ValueError for frames that are no whole numbers of 0 or more.
    """
    require(control, Geometry.TIMELINE)
    pairs = [tuple(position(frame, "frame") for frame in plain(pair)) for pair in plain(ranges)]
    for first, last in pairs:
        if first > last:
            raise ValueError(f"A range of frames must end after its start, not from {first} to {last}")
    if not pairs:
        return None
    value = {"ranges": [{"start": first + 1, "end": last + 1} for first, last in pairs]}
    return make(control, value, label=label, score=score, id=id)


def frames_of(region: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the ranges of a timeline's region: first and last frame of each, counted from 0. Raises ValueError."""
    ranges = region["value"].get("ranges")
    if not isinstance(ranges, list | tuple):
        raise ValueError(f"The region has no ranges: its value has {fields_in(region)}")
    return [
        (
            position(number(each["start"], "start") - 1, "start"),
            position(number(each["end"], "end") - 1, "end"),
        )
        for each in ranges
    ]
