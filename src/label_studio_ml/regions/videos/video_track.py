"""Tracks of boxes in videos: `<VideoRectangle>`, whose frames Label Studio counts from 1.

A track has key frames. Between two of them, Label Studio interpolates position, size and rotation linearly; a rotation
takes the shorter way. After a key frame that is not `enabled`, or has no such field, the box is hidden until the next
one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.box import Box
from label_studio_ml.regions.pictures.picture_size import size_of, size_of_region
from label_studio_ml.regions.region import Region, fields_in, make, number, one_form, plain, require
from label_studio_ml.regions.videos.key_frames import (
    frame_count_of,
    frame_of_key,
    key_frames,
    rows_by_frame,
)


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A box in one frame, counted from 0 as in Python; `shown`: it is also shown after this frame."""

    frame: int
    box: Box
    shown: bool = True


def track(
    control: Control,
    *,
    frames: Any,
    xyxy: Any = None,
    xywh: Any = None,
    cxcywh: Any = None,
    size: Any,
    fps: float,
    frame_count: int,
    label: Any = None,
    labels_control: Control | None = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    tolerance: float = 0.5,
    clip: bool = True,
) -> Region | None:
    """Return a track of boxes as a region of `<VideoRectangle>`; None if its label is dropped, or there are no frames.

    `frames` are the frames, counted from 0, in which the object was found, and one of `xyxy`, `xywh` and `cxcywh` has
    its box in each of them, in pixels of a video of `size`. Frames that are missing in between hide the box. Boxes that
    the interpolation of their neighbours gives within `tolerance` pixels become no key frames. What is outside of the
    picture is cut off, and a box outside of it is hidden, unless `clip=False`. `fps` is the video's rate, which should
    be the `frameRate` of the `<Video>` tag, and `frame_count` its number of frames. `label` is one of `labels_control`,
    the `<Labels>` for the same video.

    Raises ValueError for frames or boxes that are none, and LabelConfigError for a label that is not in the control.
    """
    require(control, Geometry.VIDEO_BOX)
    rate, picture = number(fps, "fps"), size_of(size)
    if rate <= 0:
        raise ValueError(f"fps must be more than 0, not {fps!r}")
    boxes = _boxes({"xyxy": xyxy, "xywh": xywh, "cxcywh": cxcywh}, frames, frame_count)
    if clip:
        boxes = {frame: part for frame, box in boxes.items() if (part := box.clipped(picture)) is not None}
    names = _labels(labels_control, label)
    if not boxes or names == []:
        return None
    sequence = [
        {
            **key.box.value(picture),
            "frame": key.frame + 1,
            "enabled": key.shown,
            "time": round((key.frame + 1) / rate, 6),
        }
        for key in _key_frames(boxes, frame_count, tolerance)
    ]
    value: dict[str, Any] = {
        "framesCount": frame_count,
        "duration": round(frame_count / rate, 6),
        "sequence": sequence,
    }
    if names is not None:
        value["labels"] = names
    return make(control, value, score=score, id=id, **picture.fields)


def _boxes(forms: Mapping[str, Any], frames: Any, frame_count: int) -> dict[int, Box]:
    """Return the box of each frame, in the order of frames. Raises ValueError for frames or boxes that are none."""
    form, values = one_form(forms)
    rows = rows_by_frame(frames, list(plain(values)), frame_count, "box")
    return {frame: Box.of(form, row) for frame, row in rows.items()}


def _labels(control: Control | None, label: Any) -> list[str] | None:
    if label is None:
        return None
    if control is None:
        raise LabelConfigError(
            "A label needs the <Labels> of the video",
            fix='Pass labels_control=self.controls.first("Labels", on="Video")',
        )
    several = label if isinstance(label, list | tuple) else [label]
    return control.label_map.names(several)


def _key_frames(boxes: Mapping[int, Box], frame_count: int, tolerance: float) -> list[KeyFrame]:
    """Return the key frames that show each box in its frame, and none in other frames."""

    def deviation(first: int, last: int, frame: int) -> float:
        share = (frame - first) / (last - first)
        return _deviation(boxes[frame], interpolated(boxes[first], boxes[last], share))

    frames = key_frames(list(boxes), frame_count, deviation, tolerance)
    return [KeyFrame(frame, boxes[frame], shown) for frame, shown in frames]


def _deviation(box: Box, other: Box) -> float:
    pairs = zip(box.xyxy, other.xyxy, strict=True)
    return max(abs(first - second) for first, second in pairs)


def interpolated(before: Box, after: Box, share: float) -> Box:
    """Return the box between two, as Label Studio interpolates it: its top left corner, size and rotation.

    `share` is 0 for the first and 1 for the second one.
    """
    turn = (after.rotation - before.rotation + 180) % 360 - 180
    first, second = before.corners[0], after.corners[0]

    def between(start: float, end: float) -> float:
        return start + (end - start) * share

    return Box.at_corner(
        between(first[0], second[0]),
        between(first[1], second[1]),
        between(before.width, after.width),
        between(before.height, after.height),
        before.rotation + turn * share,
    )


def key_frames_of(region: Mapping[str, Any], size: Any = None) -> list[KeyFrame]:
    """Return the key frames of a track in pixels of its video, whose size is the region's unless `size` is given.

    Raises ValueError if the region has no sequence, or the size is not known.
    """
    picture, sequence = size_of_region(region, size), region["value"].get("sequence")
    if not isinstance(sequence, list | tuple):
        raise ValueError(f"The region has no sequence: its value has {fields_in(region)}")
    keys = [
        KeyFrame(
            frame_of_key(key),
            Box.of_value(key, picture),
            shown=bool(key.get("enabled")),
        )
        for key in sequence
    ]
    return sorted(keys, key=lambda key: key.frame)


def boxes_of(region: Mapping[str, Any], size: Any = None, frame_count: int | None = None) -> dict[int, Box]:
    """Return the box in each frame in which a track is shown, by the frame's number counted from 0.

    A box that is shown after the last key frame is in all frames up to `frame_count`, by default the region's
    `framesCount`. Raises as `key_frames_of` does.
    """
    keys = key_frames_of(region, size)
    count = frame_count_of(region["value"], frame_count)
    shown: dict[int, Box] = {}
    for at, key in enumerate(keys):
        following = keys[at + 1] if at + 1 < len(keys) else None
        shown[key.frame] = key.box
        if not key.shown:
            continue
        for frame in range(key.frame + 1, following.frame if following is not None else count):
            share = (frame - key.frame) / (following.frame - key.frame) if following is not None else 0.0
            shown[frame] = interpolated(key.box, following.box if following is not None else key.box, share)
    return shown
