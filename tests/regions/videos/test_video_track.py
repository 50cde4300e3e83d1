"""Tracks of boxes in videos: every frame comes back, from few key frames."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.pictures.box import Box
from label_studio_ml.regions.videos.video_track import boxes_of, interpolated, key_frames_of, track
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Video name="video" value="$video" frameRate="25"/><VideoRectangle name="box" toName="video"/>
<Labels name="kind" toName="video"><Label value="Car"/></Labels></View>"""
CONTROLS = Controls(CONFIG)
SIZE = (640, 360)


def a_track(frames: Any, boxes: Any, **arguments: Any) -> dict[str, Any]:
    region = track(
        CONTROLS["box"], frames=frames, xyxy=boxes, size=SIZE, **{"fps": 25, "frame_count": 50, **arguments}
    )
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    return region


def test_a_track_of_one_frame() -> None:
    region = a_track([0], [(64, 36, 128, 72)], label="car", labels_control=CONTROLS["kind"], score=0.5)
    assert region["value"] == {
        "framesCount": 50,
        "duration": 2.0,
        "sequence": [
            {
                "x": 10.0,
                "y": 10.0,
                "width": 10.0,
                "height": 10.0,
                "rotation": 0.0,
                "frame": 1,
                "enabled": False,
                "time": 0.04,
            }
        ],
        "labels": ["Car"],
    }
    assert (region["type"], region["score"]) == ("videorectangle", 0.5)
    assert boxes_of(region).keys() == {0}


@st.composite
def tracks(draw: st.DrawFn) -> dict[int, tuple[float, float, float, float]]:
    """Return boxes by frame, with gaps, that move evenly or jump."""
    frames = draw(st.sets(st.integers(0, 49), min_size=1, max_size=50))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    even = draw(st.booleans())
    boxes = {}
    for frame in sorted(frames):
        left, top = (frame * 5.0, frame * 3.0) if even else random.uniform(0, 300, 2)
        boxes[frame] = (left, top, left + 40.0, top + 30.0 + (0 if even else random.uniform(0, 20)))
    return boxes


@given(tracks())
@settings(max_examples=200, deadline=None)
def test_the_box_of_each_frame_comes_back(boxes: dict[int, tuple[float, float, float, float]]) -> None:
    region = a_track(list(boxes), list(boxes.values()))
    back = boxes_of(region)
    assert back.keys() == boxes.keys()
    for frame, numbers in boxes.items():
        assert np.allclose(back[frame].xyxy, numbers, rtol=0, atol=0.51)


def test_an_even_movement_needs_two_key_frames() -> None:
    frames = list(range(50))
    region = a_track(frames, [(frame * 2.0, 10.0, frame * 2.0 + 20, 40.0) for frame in frames])
    assert [(key.frame, key.shown) for key in key_frames_of(region)] == [(0, True), (49, True)]
    exact = a_track(
        frames, [(frame**2 / 10, 10.0, frame**2 / 10 + 20, 40.0) for frame in frames], tolerance=0
    )
    assert len(key_frames_of(exact)) > 40


def test_frames_in_any_order_and_numbers_of_arrays() -> None:
    region = a_track(
        np.array([3, 1, 2]), np.array([[3, 0, 5, 5], [1, 0, 3, 5], [2, 0, 4, 5]], dtype=np.float32)
    )
    assert sorted(boxes_of(region)) == [1, 2, 3]
    assert [key.frame for key in key_frames_of(region)] == [1, 3]


def test_a_track_that_ends_with_the_video_stays_shown() -> None:
    region = a_track([48, 49], [(0, 0, 10, 10)] * 2)
    assert [key["enabled"] for key in region["value"]["sequence"]] == [True, True]
    stays = {"value": {**region["value"], "sequence": region["value"]["sequence"][:1]}}
    assert sorted(boxes_of(stays, size=SIZE)) == [48, 49]
    assert sorted(boxes_of(stays, size=SIZE, frame_count=52)) == [48, 49, 50, 51]


def test_a_box_is_hidden_after_a_key_frame_without_enabled_as_in_label_studio() -> None:
    keys = [{"frame": frame, "x": 0, "y": 0, "width": 10, "height": 10} for frame in (1, 4)]
    region = {"value": {"sequence": keys, "framesCount": 9}}
    assert sorted(boxes_of(region, size=SIZE)) == [0, 3]
    keys[0]["enabled"] = True
    assert sorted(boxes_of(region, size=SIZE)) == [0, 1, 2, 3]


def test_a_rotation_takes_the_shorter_way() -> None:
    middle = interpolated(Box(50, 50, 20, 10, 350), Box(50, 50, 20, 10, 10), 0.5)
    assert middle.rotation % 360 == pytest.approx(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"frames": [0, 0], "xyxy": [(0, 0, 1, 1)] * 2},
            "frames must be different and below frame_count=50, not 0",
        ),
        ({"frames": [50], "xyxy": [(0, 0, 1, 1)]}, "below frame_count=50, not 50"),
        ({"frames": [0.5], "xyxy": [(0, 0, 1, 1)]}, "a whole number of 0 or more, not 0.5"),
        ({"frames": [0], "xyxy": []}, r"a box for each frame \(1\), not 0"),
        ({"frames": [0]}, "Pass one of xyxy, xywh, cxcywh, not none of them"),
        ({"frames": [0], "xyxy": [(0, 0, 1, 1)], "fps": 0}, "fps must be more than 0"),
    ],
)
def test_what_is_no_track_is_an_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        track(CONTROLS["box"], size=SIZE, **{"fps": 25, "frame_count": 50, **arguments})


def test_boxes_of_a_track_outside_of_the_picture_are_hidden() -> None:
    boxes = [(600 + 30 * frame, 10, 640 + 30 * frame, 50) for frame in range(4)]
    back = boxes_of(a_track(range(4), boxes))
    assert {frame: box.xyxy[2] for frame, box in back.items()} == pytest.approx({0: 640, 1: 640}, abs=0.5)
    assert sorted(boxes_of(a_track(range(4), boxes, clip=False))) == [0, 1, 2, 3]
    assert track(CONTROLS["box"], frames=[3], xyxy=boxes[3:], size=SIZE, fps=25, frame_count=50) is None


def test_a_track_needs_a_control_for_tracks() -> None:
    with pytest.raises(LabelConfigError, match="holds no video track"):
        track(CONTROLS["kind"], frames=[0], xyxy=[(0, 0, 1, 1)], size=SIZE, fps=25, frame_count=50)


def test_labels_of_tracks() -> None:
    common: dict[str, Any] = {
        "frames": [0],
        "xyxy": [(0, 0, 1, 1)],
        "size": SIZE,
        "fps": 25,
        "frame_count": 50,
    }
    with pytest.raises(LabelConfigError, match="needs the <Labels> of the video"):
        track(CONTROLS["box"], label="Car", **common)
    dropping = CONTROLS["kind"].map_labels(unknown="drop")
    assert track(CONTROLS["box"], label="Bus", labels_control=dropping, **common) is None
    assert track(CONTROLS["box"], **{**common, "frames": [], "xyxy": []}) is None
    with pytest.raises(ValueError, match="has no sequence"):
        key_frames_of({"value": {"x": 1}}, size=SIZE)
