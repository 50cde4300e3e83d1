"""Tracks of vectors in videos: `<VideoVectorLabels>` and `<VideoVector>`, whose frames Label Studio counts from 1.

Between two key frames, Label Studio interpolates each point linearly. The editor of Label Studio's free edition has no
such tags; the format is that of the SDK's validator and of Label Studio's documentation.
"""

import math
from collections.abc import Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import Frame, PictureSize, size_of, size_of_region
from label_studio_ml.regions.pictures.vector import Vector, check_closable
from label_studio_ml.regions.region import Region, fields_in, make, number, plain, require
from label_studio_ml.regions.videos.key_frames import (
    frame_count_of,
    frame_of_key,
    key_frames,
    rows_by_frame,
)


def vector_track(
    control: Control,
    *,
    frames: Any,
    points: Any,
    size: Any,
    fps: float,
    frame_count: int,
    closed: bool = False,
    parents: Any = None,
    label: Any = None,
    labels_control: Control | None = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    tolerance: float = 0.5,
    clip: bool = True,
) -> Region | None:
    """Return a track of vectors as a region; None if its label is dropped, or there are no frames.

    `frames` are the frames, counted from 0, in which the object was found, and `points` has the same number of points
    for each of them, in pixels of a video of `size`; `closed` and `parents` are as in `vector`, for all frames. Frames
    that are missing in between hide the vector, and so do those in which it is outside of the picture, unless
    `clip=False`. Those that the interpolation of their neighbours gives within
    `tolerance` pixels become no key frames. `fps` is the video's rate, and `frame_count` its number of frames. `label`
    is one of `<VideoVectorLabels>`, or for a `<VideoVector>` one of `labels_control`, the `<Labels>` of the video.

    Raises ValueError for frames or points that are none, and LabelConfigError for a label that is not in the control,
    or a closed vector of a control without `closable="true"`.
    """
    require(control, Geometry.VIDEO_VECTOR)
    check_closable(control, closed=closed)
    rate, picture = number(fps, "fps"), size_of(size)
    if rate <= 0:
        raise ValueError(f"fps must be more than 0, not {fps!r}")
    vectors = _vectors(frames, points, frame_count, closed, parents, picture)
    if clip:
        vectors = {frame: made for frame, made in vectors.items() if made.reaches_into(picture)}
    if not vectors:
        return None
    value: dict[str, Any] = {
        "framesCount": frame_count,
        "duration": round(frame_count / rate, 6),
        "sequence": [
            {
                "frame": frame + 1,
                "enabled": shown,
                "closed": bool(closed),
                "vertices": vectors[frame].vertices(picture),
                "time": round((frame + 1) / rate, 6),
            }
            for frame, shown in _key_frames(vectors, frame_count, tolerance)
        ],
    }
    if label is None or control.kind.labels_field:
        return make(control, value, label=label, score=score, id=id, **picture.fields)
    return _labelled(control, labels_control, value, label, score=score, id=id, **picture.fields)


def _labelled(
    control: Control, labels_control: Control | None, value: dict[str, Any], label: Any, **fields: Any
) -> Region | None:
    """Return the region of a `<VideoVector>` with a label of `<Labels>`: it has their name, and a type of both."""
    if labels_control is None:
        raise LabelConfigError(
            f"A label needs the <Labels> beside {control}",
            fix='Pass labels_control=self.controls.first("Labels", on="Video")',
        )
    region = make(labels_control, value, label=label, **fields)
    if region is None:
        return None
    kind = f"{control.region_type}labels"
    region["type"] = kind
    region["value"][kind] = region["value"].pop(labels_control.kind.labels_field)
    return region


def _vectors(
    frames: Any, points: Any, frame_count: int, closed: bool, parents: Any, picture: PictureSize
) -> dict[int, Vector]:
    """Return the vector of each frame, in the order of frames. Raises ValueError for what is none."""
    frame = Frame(picture, known=True, relative=False)
    rows = rows_by_frame(frames, list(plain(points)), frame_count, "vector")
    vectors = {at: Vector.of(row, closed, parents, None, frame) for at, row in rows.items()}
    counts = {len(vector.points) for vector in vectors.values()}
    if len(counts) > 1:
        raise ValueError(f"points must be the same number in each frame, not {sorted(counts)}")
    return vectors


def _key_frames(vectors: Mapping[int, Vector], frame_count: int, tolerance: float) -> list[tuple[int, bool]]:
    def deviation(first: int, last: int, frame: int) -> float:
        share = (frame - first) / (last - first)
        between = interpolated(vectors[first], vectors[last], share)
        return max(map(math.dist, between.points, vectors[frame].points))

    return list(key_frames(list(vectors), frame_count, deviation, tolerance))


def interpolated(before: Vector, after: Vector, share: float) -> Vector:
    """Return the vector between two of as many points; `share` is 0 for the first and 1 for the second one."""
    points = tuple(
        (x + (to_x - x) * share, y + (to_y - y) * share)
        for (x, y), (to_x, to_y) in zip(before.points, after.points, strict=True)
    )
    return Vector(points, before.closed, before.parents, before.handles)


def vectors_of(
    region: Mapping[str, Any], size: Any = None, frame_count: int | None = None
) -> dict[int, Vector]:
    """Return the vector in each frame in which a track is shown, by the frame's number counted from 0.

    The size is that of the video in the region unless `size` is given. A vector that is shown after the last key frame
    is in all frames up to `frame_count`, by default the region's `framesCount`; one of another number of points than
    that of the next key frame stays as it is until then. Raises ValueError if the region has no track of vectors.
    """
    picture, value = size_of_region(region, size), region["value"]
    keys = value.get("sequence")
    if not isinstance(keys, list | tuple) or not all("vertices" in key for key in keys):
        raise ValueError(f"The region has no track of vectors: its value has {fields_in(region)}")
    count = frame_count_of(value, frame_count)
    shown: dict[int, Vector] = {}
    ordered = sorted(keys, key=frame_of_key)
    for at, key in enumerate(ordered):
        first = frame_of_key(key)
        shown[first] = made = Vector.of_vertices(key["vertices"], key.get("closed"), picture)
        if not key.get("enabled"):
            continue
        if at + 1 == len(ordered):
            shown |= dict.fromkeys(range(first + 1, count), made)
            continue
        following = ordered[at + 1]
        last = frame_of_key(following)
        target = Vector.of_vertices(following["vertices"], following.get("closed"), picture)
        for frame in range(first + 1, last):
            is_same = len(target.points) == len(made.points)
            share = (frame - first) / (last - first)
            shown[frame] = interpolated(made, target, share) if is_same else made
    return shown
