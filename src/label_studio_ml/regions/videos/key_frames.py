"""Key frames of tracks in videos: which frames are needed, so that interpolation gives the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.regions.region import number, plain, position

#: Returns how far, in pixels, the shape in a frame (third argument) is from the one that Label Studio interpolates
#: between the key frames before and after it (first and second argument).
Deviation = Callable[[int, int, int], float]

#: The most frames of a video, about 18 hours of 30 a second: what an annotation says must not take all memory.
MAX_FRAMES = 2_000_000


def frame_of_key(key: Mapping[str, Any]) -> int:
    """Return the frame of a key frame in Label Studio's format, counted from 0. Raises ValueError if it is none."""
    frame = position(number(key.get("frame"), "frame") - 1, "frame")
    if frame >= MAX_FRAMES:
        raise ValueError(f"frame must be {MAX_FRAMES:,} at most, not {frame + 1:g}")
    return frame


def frame_count_of(value: Mapping[str, Any], given: int | None = None) -> int:
    """Return the number of frames of a track's video: the one given, else the one in its value, else 0.

    Raises ValueError for what is none.
    """
    count = position(given if given is not None else value.get("framesCount") or 0, "framesCount")
    if count > MAX_FRAMES:
        raise ValueError(f"framesCount must be {MAX_FRAMES:,} at most, not {count:g}")
    return count


def rows_by_frame(frames: Any, rows: Sequence[Any], frame_count: int, name: str) -> dict[int, Any]:
    """Return the row of each frame, in the order of frames; `name` says what a row is.

    Raises ValueError if there is not one row for each frame, or frames are equal or beyond the last one.
    """
    positions = [position(frame, "frames") for frame in plain(frames)]
    if len(positions) != len(rows):
        raise ValueError(f"There must be a {name} for each frame ({len(positions)}), not {len(rows)}")
    by_frame: dict[int, Any] = {}
    for frame, row in sorted(zip(positions, rows, strict=True), key=lambda pair: pair[0]):
        if frame in by_frame or frame >= frame_count:
            raise ValueError(f"frames must be different and below frame_count={frame_count}, not {frame}")
        by_frame[frame] = row
    return by_frame


def key_frames(
    frames: Sequence[int], frame_count: int, deviation: Deviation, tolerance: float
) -> Iterator[tuple[int, bool]]:
    """Yield the key frames that show a shape in `frames` (in order), each with whether it is shown after that frame.

    Frames in which the shape is within `tolerance` pixels of its interpolation are left out. The shape is hidden after
    the last of frames that follow each other, unless that is the last one of the video.
    """
    for stretch in _stretches(frames):
        for frame in _needed(stretch, deviation, tolerance):
            yield frame, frame != stretch[-1] or frame == frame_count - 1


def _stretches(frames: Sequence[int]) -> list[list[int]]:
    """Return runs of frames that follow each other."""
    stretches: list[list[int]] = []
    for frame in frames:
        if stretches and frame == stretches[-1][-1] + 1:
            stretches[-1].append(frame)
        else:
            stretches.append([frame])
    return stretches


def _needed(stretch: Sequence[int], deviation: Deviation, tolerance: float) -> list[int]:
    """Return the frames of a stretch that are not given by interpolation: the ends, and those that deviate most."""
    kept = {stretch[0], stretch[-1]}
    pending = [(stretch[0], stretch[-1])]
    while pending:
        first, last = pending.pop()
        worst, largest = 0, tolerance
        for frame in range(first + 1, last):
            if (off := deviation(first, last, frame)) > largest:
                worst, largest = frame, off
        if largest > tolerance:
            kept.add(worst)
            pending += [(first, worst), (worst, last)]
    return sorted(kept)
