"""Tracks and frame ranges that the builders make: drawn around what the video shows, accepted, and given back."""

import base64
import io
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.samples.media.video import vp8_frame, webm
from label_studio_ml.targets import TrackTarget

from ..browser import Browser
from ..processes import wait_until
from .labelling import Labelling
from .round_trip import Accepted, open_prediction
from .test_media_facts import TAG

SIZE = (320, 160)
RATE = 25
FRAMES = 40

CONFIG = f"""<View><Video name="video" value="$video" frameRate="{RATE}"/>
    <VideoRectangle name="box" toName="video" fillOpacity="0" strokeWidth="1"/>
    <Labels name="kind" toName="video"><Label value="Ball" background="#ff0000"/></Labels>
    <TimelineLabels name="part" toName="video"><Label value="Slow"/><Label value="Fast"/></TimelineLabels></View>"""


def place(frame: int) -> tuple[float, float, float, float]:
    """Return where the object is in a frame: it moves right, then down, and grows."""
    x, y = (20 + 6 * frame, 20) if frame < 20 else (134, 20 + 3 * (frame - 19))
    return x, y, x + 50, y + 40 + frame / 2


#: The object is there in frames 5 to 34, but not in 25 to 27.
PRESENT = [frame for frame in range(5, 35) if frame not in (25, 26, 27)]


@pytest.fixture(scope="module")
def video() -> str:
    """A grey video in which a blue rectangle moves."""
    frames = []
    for frame in range(FRAMES):
        image = Image.new("RGB", SIZE, (120, 120, 120))
        if frame in PRESENT:
            ImageDraw.Draw(image).rectangle(place(frame), fill=(0, 0, 255))
        frames.append(vp8_frame(image))
    return "data:video/webm;base64," + base64.b64encode(webm(frames, RATE, SIZE)).decode()


Bounds = tuple[int, int, int, int]

#: Left end and width of each bar in the rows of the regions below the video, in pixels.
BARS = """() => [...document.querySelectorAll('.lsf-keypoints__lifespan')].map(
    (bar) => [parseInt(bar.style.left), parseInt(bar.style.width)]).sort((a, b) => a[0] - b[0])"""


def bounds(pixels: Any) -> Bounds | None:
    """Return left, top, right and bottom of the pixels that are set; None without any."""
    y, x = np.nonzero(pixels)
    return (int(x.min()), int(y.min()), int(x.max()), int(y.max())) if len(x) else None


def outlines(labelling: Labelling) -> tuple[Bounds | None, Bounds | None]:
    """Return where on the screen the blue object of the video is, and where the red outline of a region."""
    left, top, right, bottom = labelling.evaluate(
        """() => { const place = document.querySelector('.konvajs-content').getBoundingClientRect();
            return [place.left, place.top, place.right, place.bottom].map(Math.round) }"""
    )
    screen = Image.open(io.BytesIO(labelling.page.screenshot())).convert("RGB")
    red, green, blue = np.asarray(screen)[top:bottom, left:right].astype(int).transpose(2, 0, 1)
    return bounds((blue > 150) & (red < 90)), bounds((red > 180) & (green < 90) & (blue < 90))


def is_around(labelling: Labelling, frame: int) -> bool:
    """Show a frame, and return whether the outline is close around the object, or both are absent as they should be."""
    # The page counts frames from 1.
    labelling.evaluate(f"() => {TAG}.setFrame({frame + 1})")
    shown, outline = outlines(labelling)
    if shown is None or outline is None:
        return shown is outline is None and frame not in PRESENT
    # The outline lies outside of the object, whose rim is blurred: two or three pixels on each side.
    return frame in PRESENT and all(abs(a - b) <= 4 for a, b in zip(shown, outline, strict=True))


def test_tracks_and_frames(labelling: Labelling, browser: Browser, video: str) -> None:
    controls = Controls(CONFIG)
    track = regions.track(
        controls["box"],
        frames=PRESENT,
        xyxy=[place(frame) for frame in PRESENT],
        size=SIZE,
        fps=RATE,
        frame_count=FRAMES,
        label="Ball",
        labels_control=controls["kind"],
    )
    parts = [
        regions.frames(controls["part"], [(0, 9)], "Slow"),
        regions.frames(controls["part"], [(12, 20), (31, 39)], "Fast"),
    ]
    open_prediction(labelling, CONFIG, {"video": video}, [track, *parts])
    labelling.shows(f"() => {TAG}.length", FRAMES)
    # The first frame, before and after each change, and frames without a key frame.
    for frame in (0, 5, 12, 19, 24, 25, 27, 28, 34, 35, 39):
        wait_until(partial(is_around, labelling, frame), f"the outline of frame {frame}")
    ranges = [(0, 9), (5, 24), (12, 20), (28, 34), (31, 39)]
    # A frame has 16 pixels; a bar reaches from the middle of its first frame to that of its last.
    labelling.shows(BARS, [[8 + 16 * first, 16 * (last - first)] for first, last in ranges])
    wait_until(partial(is_around, labelling, 19), "the outline for the picture that is kept")
    browser.keep(labelling.page, "builders-videos")

    accepted = Accepted(labelling)
    (target,) = accepted.example(controls["box"], size=SIZE).tracks
    assert isinstance(target, TrackTarget)
    assert (target.label, target.frame_count) == ("Ball", FRAMES)
    boxes = target.boxes()
    assert sorted(boxes) == PRESENT
    for frame, box in boxes.items():
        assert box.xyxy == pytest.approx(place(frame), abs=0.01)
    timelines = accepted.example(controls["part"]).timelines
    assert [(timeline.label, timeline.ranges) for timeline in timelines] == [
        ("Slow", ((0, 9),)),
        ("Fast", ((12, 20), (31, 39))),
    ]
