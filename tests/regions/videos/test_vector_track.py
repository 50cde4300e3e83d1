"""Tracks of vectors: from the points in each frame to a region and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import vector_track, vectors_of
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Video name="video" value="$video"/><VideoVector name="line" toName="video" closable="true"/>
<Labels name="kind" toName="video"><Label value="Road"/></Labels>
<VideoVectorLabels name="own" toName="video"><Label value="Path"/></VideoVectorLabels></View>"""
CONTROLS = Controls(CONFIG)
SIZE = (640, 360)
VIDEO: dict[str, Any] = {"size": SIZE, "fps": 25, "frame_count": 30}

places = st.tuples(st.floats(0, SIZE[0]), st.floats(0, SIZE[1]))


@st.composite
def tracks(draw: st.DrawFn) -> dict[int, list[tuple[float, float]]]:
    """The points of a vector in some frames of 30."""
    count = draw(st.integers(2, 5))
    frames = draw(st.sets(st.integers(0, 29), min_size=1, max_size=12))
    return {frame: draw(st.lists(places, min_size=count, max_size=count)) for frame in sorted(frames)}


@given(tracks(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_tracks_come_back(points: dict[int, list[tuple[float, float]]], closed: bool) -> None:
    region = vector_track(
        CONTROLS["line"],
        frames=list(points),
        points=list(points.values()),
        closed=closed,
        tolerance=0,
        **VIDEO,
    )
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    back = vectors_of(region)
    assert back.keys() == points.keys()
    for frame, shape in points.items():
        assert np.allclose(back[frame].points, shape, rtol=0, atol=0.01)
        assert back[frame].closed is closed


def test_frames_that_interpolation_gives_are_no_key_frames() -> None:
    lines = np.array([[(at, 10), (100 + at, 50)] for at in range(10)])
    region = vector_track(CONTROLS["own"], frames=range(10), points=lines, label="Path", **VIDEO)
    assert region is not None
    keys = region["value"]["sequence"]
    assert [(key["frame"], key["enabled"], key["time"]) for key in keys] == [
        (1, True, 0.04),
        (10, False, 0.4),
    ]
    assert region["value"]["labels"] == ["Path"]
    assert np.allclose([vectors_of(region)[frame].points for frame in range(10)], lines)


def test_a_label_of_another_control() -> None:
    arguments: dict[str, Any] = {"frames": [3], "points": [[(0, 0), (9, 9)]], **VIDEO}
    region = vector_track(CONTROLS["line"], label="road", labels_control=CONTROLS["kind"], **arguments)
    assert region is not None
    assert (region["from_name"], region["type"]) == ("kind", "videovectorlabels")
    assert region["value"]["videovectorlabels"] == ["Road"]
    assert region["original_width"] == 640
    dropping = CONTROLS["kind"].map_labels(unknown="drop")
    assert vector_track(CONTROLS["line"], label="x", labels_control=dropping, **arguments) is None
    with pytest.raises(LabelConfigError, match="A label needs the <Labels> beside"):
        vector_track(CONTROLS["line"], label="Road", **arguments)


def test_a_track_that_changes_its_number_of_points_is_read() -> None:
    first = {"frame": 1, "vertices": [{"x": 0, "y": 0}, {"x": 10, "y": 0}], "enabled": True}
    second = {"frame": 4, "vertices": [{"x": 50, "y": 0}], "enabled": False}
    region = {
        "value": {"sequence": [second, first], "framesCount": 9},
        "original_width": 100,
        "original_height": 100,
    }
    assert {frame: vector.points[0] for frame, vector in vectors_of(region).items()} == {
        0: (0, 0),
        1: (0, 0),
        2: (0, 0),
        3: (50, 0),
    }
    first.pop("enabled")  # which Label Studio takes as false
    assert sorted(vectors_of(region)) == [0, 3]


def test_what_is_no_track() -> None:
    line = [(0, 0), (1, 1)]
    assert vector_track(CONTROLS["line"], frames=[], points=[], **VIDEO) is None
    with pytest.raises(ValueError, match=r"points must be the same number in each frame, not \[2, 3\]"):
        vector_track(CONTROLS["line"], frames=[0, 1], points=[line, [*line, (2, 2)]], **VIDEO)
    with pytest.raises(ValueError, match=r"There must be a vector for each frame \(2\), not 1"):
        vector_track(CONTROLS["line"], frames=[0, 1], points=[line], **VIDEO)
    with pytest.raises(ValueError, match="fps must be more than 0"):
        vector_track(CONTROLS["line"], frames=[0], points=[line], **{**VIDEO, "fps": 0})
    with pytest.raises(LabelConfigError, match="takes no closed vectors"):
        vector_track(CONTROLS["own"], frames=[0], points=[line], closed=True, label="Path", **VIDEO)
    with pytest.raises(ValueError, match="The region has no track of vectors"):
        vectors_of({"value": {"sequence": [{"frame": 1}]}}, SIZE)


def test_frames_in_which_the_vector_is_outside_of_the_picture() -> None:
    lines = [[(0, 0), (9, 9)], [(-9, 0), (-1, 9)], [(0, 0), (9, 9)]]
    region = vector_track(CONTROLS["line"], frames=[0, 1, 2], points=lines, **VIDEO)
    assert region is not None
    assert vectors_of(region).keys() == {0, 2}
    region = vector_track(CONTROLS["line"], frames=[0, 1, 2], points=lines, clip=False, **VIDEO)
    assert region is not None
    assert vectors_of(region).keys() == {0, 1, 2}
