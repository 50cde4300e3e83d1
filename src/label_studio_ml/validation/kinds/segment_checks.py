"""Checks of segments in time: seconds of audio, values of time series, frames of videos."""

from collections.abc import Iterator, Mapping
from typing import Any

from label_studio_ml.validation.finding import Problem
from label_studio_ml.validation.kinds.shape_checks import box_fits, box_problems
from label_studio_ml.validation.kinds.values import (
    NOT_A_NUMBER,
    Place,
    ValueCheck,
    dropped,
    is_number,
    numbers_problem,
    warning,
    with_value,
)

_REVERSED = "its end is before its start"
_SECONDS = "Return seconds as numbers, as regions.segment does"


def seconds_fit(value: Mapping[str, Any], content: Any = None) -> bool:
    """Tell whether a segment of audio has a start of 0 or more before its end."""
    try:
        start, end = value["start"], value["end"]
        return bool(0 <= start <= end and is_number(start) and is_number(end) and "channel" not in value)
    except (KeyError, TypeError):
        return False


def seconds_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a segment in `<Audio>`."""
    for field in ("start", "end"):
        if not is_number(value.get(field)):
            cause = "missing" if value.get(field) is None else f"not a number: {value[field]!r:.80}"
            yield Problem(f"{field!r} of its value is {cause}", field, _SECONDS)
            return
    channel = value.get("channel", 0)
    if not is_number(channel) or channel != int(channel):
        fix = "Return the index of the channel, from 0, or leave it out"
        yield Problem(f"'channel' of its value is not a whole number: {channel!r:.80}", "channel", fix)
        return
    start, end = value["start"], value["end"]
    detail = f"{start:g} to {end:g} s"
    if start > end:
        fix = "Return the earlier time as start"
        yield warning(_REVERSED, "end", fix, detail, with_value(start=end, end=start))
    elif end < 0:
        yield warning("it ends before the recording begins", "end", _SECONDS, detail, dropped)
    elif start < 0:
        yield warning("its start is below 0", "start", _SECONDS, detail, with_value(start=0))


def series_fit(value: Mapping[str, Any], content: Any = None) -> bool:
    """Tell whether a segment of a time series has numbers in their order."""
    try:
        return bool(value["start"] <= value["end"] and is_number(value["start"]) and is_number(value["end"]))
    except (KeyError, TypeError):
        return False


def series_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a segment in a `<TimeSeries>`: numbers, or texts in its time format."""
    start, end = value["start"], value["end"]
    for field in ("start", "end"):
        if not isinstance(value[field], str) and not is_number(value[field]):
            yield Problem(
                f"{field!r} of its value is neither a number nor a text: {value[field]!r:.80}",
                field,
                NOT_A_NUMBER,
            )
            return
    if isinstance(start, str) != isinstance(end, str):
        yield warning("its start and end are of different types", "end", "Return both as numbers or as texts")
    elif not isinstance(start, str) and start > end:
        yield warning(
            _REVERSED, "end", "Return the earlier value as start", repair=with_value(start=end, end=start)
        )


_RANGES = "Return whole numbers of frames from 1, as regions.frames does"


def frames_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of ranges of frames of a `<TimelineLabels>`."""
    ranges = value["ranges"]
    if not isinstance(ranges, list | tuple) or not all(isinstance(part, Mapping) for part in ranges):
        yield Problem("'ranges' of its value are not a list of dicts with start and end", "ranges", _RANGES)
        return
    numbers = [part.get(name) for part in ranges for name in ("start", "end")]
    odd = next((number for number in numbers if not is_number(number) or number != int(number)), _NONE)
    if odd is not _NONE:
        yield Problem(
            f"'ranges' of its value has a frame that is no whole number: {odd!r:.80}", "ranges", _RANGES
        )
        return
    if not ranges:
        yield warning(
            "'ranges' of its value is empty: there is nothing to see", "ranges", _RANGES, repair=dropped
        )
        return
    if any(part["start"] > part["end"] for part in ranges):
        yield warning(_REVERSED, "ranges", _RANGES, repair=_in_order)
    if min(numbers) < 1:
        yield warning("it has frames below 1", "ranges", _RANGES, f"frame {min(numbers):g}", _from_frame_one)


#: Stands for "no such number", as None may be one.
_NONE = object()


def _in_order(region: dict[str, Any]) -> dict[str, Any]:
    parts = [
        {**part, "start": min(part["start"], part["end"]), "end": max(part["start"], part["end"])}
        for part in region["value"]["ranges"]
    ]
    return with_value(ranges=parts)(region) or region


def _from_frame_one(region: dict[str, Any]) -> dict[str, Any] | None:
    parts = [
        {**part, "start": max(1, part["start"])} for part in region["value"]["ranges"] if part["end"] >= 1
    ]
    return with_value(ranges=parts)(region) if parts else None


_FRAMES = "Return key frames with whole numbers from 1, as regions.track does"


def track_fits(value: Mapping[str, Any], content: Any = None) -> bool:
    """Tell whether all key frames of a track are upright boxes in the picture, at frames from 1."""
    sequence = value.get("sequence")
    return (
        type(sequence) is list
        and bool(sequence)
        and all(
            type(key) is dict and type(key.get("frame")) is int and key["frame"] >= 1 and box_fits(key)
            for key in sequence
        )
    )


def track_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a track of boxes in a `<Video>`, each kind once."""
    sequence = value["sequence"]
    if not isinstance(sequence, list | tuple) or not all(isinstance(key, Mapping) for key in sequence):
        yield Problem("'sequence' of its value is not a list of key frames", "sequence", _FRAMES)
        return
    if not sequence:
        yield warning(
            "'sequence' of its value is empty: there is nothing to see", "sequence", _FRAMES, "", dropped
        )
        return
    seen: set[str] = set()
    for key in sequence:
        for problem in _key_problems(key, place):
            if problem.text not in seen:
                seen.add(problem.text)
                yield problem


def _key_problems(key: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a key frame. Label Studio takes any of them as it is, and shows what it can."""
    problem = numbers_problem(
        {name: key.get(name) for name in _KEY_NUMBERS}, _KEY_NUMBERS
    ) or numbers_problem(key, ("rotation",))
    if problem is not None:
        yield warning(f"a key frame: {problem.text}", "sequence", _FRAMES, repair=_repaired_keys)
        return
    frame = key["frame"]
    if frame != int(frame):
        text = "'frame' of a key frame is no whole number"
        yield warning(text, "sequence", _FRAMES, f"{frame:g}", _repaired_keys)
    if frame < 1:
        yield warning("it has frames below 1", "sequence", _FRAMES, f"frame {frame:g}", _repaired_keys)
    for problem in box_problems(key, place):
        text = f"a key frame: {problem.text}"
        yield warning(text, "sequence", problem.fix, f"frame {frame:g}", _repaired_keys)


_KEY_NUMBERS = ("frame", "x", "y", "width", "height")


def _repaired_keys(region: dict[str, Any]) -> dict[str, Any] | None:
    """Round and clip the frames of a track, clip its boxes, and leave out those of which nothing can be seen."""
    kept: dict[int, dict[str, Any]] = {}
    for key in region["value"]["sequence"]:
        if not all(is_number(key.get(name)) for name in _KEY_NUMBERS) or numbers_problem(key, ("rotation",)):
            continue
        frame = max(1, round(key["frame"]))
        box: dict[str, Any] | None = {"value": key}
        for problem in box_problems(key, Place(region)):
            box = problem.repair(box) if problem.repair is not None and box is not None else box
        if box is not None:
            kept[frame] = {**box["value"], "frame": frame}
    return with_value(sequence=list(kept.values()))(region) if kept else None


SECONDS = ValueCheck(seconds_problems, seconds_fit)
SERIES = ValueCheck(series_problems, series_fit)
FRAMES = ValueCheck(frames_problems)
TRACK = ValueCheck(track_problems, track_fits)
