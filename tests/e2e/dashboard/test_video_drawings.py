"""Drawings of videos show regions in the frames and places in which Label Studio's editor shows them."""

import base64
from typing import Any

import pytest
from PIL import Image

from label_studio_ml.samples.media.video import vp8_frame, webm

from ..browser import Browser
from ..regions_facts.labelling import Labelling, region
from ..regions_facts.round_trip import assert_drawn
from ..regions_facts.test_builders_videos import BARS
from ..regions_facts.test_media_facts import SEQUENCE, TAG, key_frame
from ..studio import Json
from .drawing_page import DrawingPage, tags_of
from .drawn_pixels import distance, in_drawing, is_red, place_of_grey, screen, within

SIZE = (320, 160)
RATE = 25
FRAMES = 50

CONFIG = f"""<View><Video name="video" value="$video" frameRate="{RATE}"/>
    <VideoRectangle name="box" toName="video" fillOpacity="0.9"/>
    <Labels name="kind" toName="video"><Label value="Ball" background="#ff0000"/></Labels>
    <TimelineLabels name="part" toName="video"><Label value="Slow"/></TimelineLabels></View>"""

#: Key frames of tracks: turned and hidden at times; not in order; without `enabled`; none.
TRACKS: dict[str, list[Json]] = {
    "turning": [
        key_frame(3, 10),
        key_frame(13, 30, rotation=-30),
        key_frame(23, 50, enabled=False, rotation=40),
        key_frame(33, 30, rotation=-170),
        key_frame(43, 60, rotation=170),
    ],
    "facts": SEQUENCE,
    "disorder": [key_frame(20, 0), key_frame(5, 10), key_frame(30, 40, enabled=False)],
    "nothing said": [{"frame": 4, "x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0}, key_frame(9, 5)],
}

#: What the editor shows of each region in each frame; null where it shows nothing.
SHOWN = f"""() => Object.fromEntries(SELECTED.regionStore.regions.filter((region) => region.sequence).map((region) => [
    region.cleanId, Array.from({{ length: {FRAMES} }}, (_, at) =>
        region.isInLifespan(at + 1) ? region.getShape(at + 1) : null)]))"""
OURS = f"""async (tracks) => {{
    const {{ shapeAt }} = await import('/dashboard/static/drawings/videos/tracks.js');
    const fields = ['x', 'y', 'width', 'height', 'rotation'];
    const pick = (value) => value && Object.fromEntries(fields.map((name) => [name, value[name]]));
    return Object.fromEntries(Object.entries(tracks).map(([name, sequence]) => [name,
        Array.from({{ length: {FRAMES} }}, (_, at) => pick(shapeAt({{ sequence }}, at + 1)))])) }}"""

#: Left end and width of each bar of the timelines, in sixteenths of the 50 frames, which are the editor's pixels.
OUR_BARS = """() => [...document.querySelectorAll('.video-bar')].map((bar) => [bar.style.left, bar.style.width]
    .map((share) => Math.round(parseFloat(share) * 8)))"""
EDITOR_BARS = f"() => JSON.parse(JSON.stringify(({BARS})()))"


@pytest.fixture(scope="module")
def video() -> str:
    """A grey video: frame n, counted from 1, has the brightness 150 + n."""
    frames = [vp8_frame(Image.new("RGB", SIZE, (151 + frame,) * 3)) for frame in range(FRAMES)]
    return "data:video/webm;base64," + base64.b64encode(webm(frames, RATE, SIZE)).decode()


def track(name: str, sequence: list[Json]) -> Json:
    return region(name, "videorectangle", {"sequence": sequence, "labels": ["Ball"]}, "box", "video")


def rounded(shapes: Any) -> Any:
    """Return shapes with rounded numbers, rotations from 0 to 360."""
    return {
        name: [
            shape
            and {key: round(value % 360 if key == "rotation" else value, 6) for key, value in shape.items()}
            for shape in each
        ]
        for name, each in shapes.items()
    }


def test_tracks_have_the_shapes_and_places_of_the_editor(
    labelling: Labelling, drawing: DrawingPage, browser: Browser, video: str
) -> None:
    ranges = [{"start": 1, "end": 10}, {"start": 21, "end": 21}, {"start": 40, "end": 50}]
    part = region("part", "timelinelabels", {"ranges": ranges, "timelinelabels": ["Slow"]}, "part", "video")
    first, *others = [track(name, sequence) for name, sequence in TRACKS.items()]
    labelling.open(CONFIG, {"video": video}, [first, part])
    labelling.shows(f"() => {TAG}.length", FRAMES)
    drawing.draw(
        "video.js",
        "VideoDrawing",
        **tags_of(CONFIG),
        regions=[first, part],
        data="video",
        file=video,
        title="prediction",
    )
    drawing.page.get_by_text(f"of {FRAMES}").wait_for()
    drawing.page.get_by_label("Labels on the picture").uncheck()

    for frame in (3, 8, 18, 23, 24, 33, 38, 47):
        drawing.page.get_by_label("Frame", exact=True).fill(str(frame))
        drawing.settle()
        assert_drawn(lambda: off_in_frame(labelling, in_drawing(drawing, SIZE), frame), None)  # noqa: B023
    browser.keep(drawing.page, "drawing-video")
    browser.keep(labelling.page, "drawing-video-editor")

    # The editor draws the last bar of a track that is never hidden up to the end, without a width.
    assert_drawn(lambda: sorted(drawing.page.evaluate(OUR_BARS))[3:4], [[520, 272]])
    bars = sorted(drawing.page.evaluate(OUR_BARS))
    labelling.shows(EDITOR_BARS, [*bars[:3], [520, None], bars[4]])

    labelling.open(CONFIG, {"video": video}, [first, *others])
    labelling.shows(f"() => {TAG}.length", FRAMES)
    assert rounded(drawing.page.evaluate(OURS, TRACKS)) == rounded(labelling.evaluate(SHOWN))
    assert drawing.errors == []


def off_in_frame(labelling: Labelling, drawn: Any, frame: int) -> float | None:
    """Return by how many pixels of the video the box in a frame is off in the editor; None if it is within 2.3."""
    labelling.evaluate(f"() => {TAG}.setFrame({frame})")
    pixels = screen(labelling.page)
    shown = within(is_red(pixels), place_of_grey(pixels), SIZE)
    if not shown.any() and not drawn.any():
        return None
    apart = distance(shown, drawn)
    return None if apart <= 2.3 else apart
