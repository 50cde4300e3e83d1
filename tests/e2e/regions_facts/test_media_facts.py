"""Frames of videos, seconds of audio, values of time series."""

import base64
import io
import math
import struct
import wave
from pathlib import Path

import cv2
import numpy
import pytest

from ..studio import Json
from .labelling import Labelling, region

VIDEO = """<View><Video name="data" value="$video" frameRate="25"/><VideoRectangle name="box" toName="data"/>
    <Labels name="label" toName="data"><Label value="A"/></Labels></View>"""
TIMELINE = """<View><TimelineLabels name="label" toName="data"><Label value="A"/></TimelineLabels>
    <Video name="data" value="$video" frameRate="25"/></View>"""
AUDIO = """<View><Labels name="label" toName="data"><Label value="A"/></Labels>
    <Audio name="data" value="$audio"/></View>"""
SERIES = """<View><TimeSeriesLabels name="label" toName="data"><Label value="A"/></TimeSeriesLabels>
    <TimeSeries name="data" valueType="json" value="$series" {}><Channel column="v"/></TimeSeries></View>"""

#: The brightness of the picture that the video element shows, and what Label Studio says about it.
PICTURE = """() => { const video = document.querySelector('video');
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [32, 16];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 32, 16);
    return context.getImageData(5, 5, 1, 1).data[0] }"""
TAG = "SELECTED.objects.find((tag) => tag.type === 'video')"

FRAMES = 50


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two seconds of 25 frames each; frame n, counted from 0, has the brightness 10 + 4n."""
    path: Path = tmp_path_factory.mktemp("video") / "grey.webm"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), 25, (320, 160))
    assert writer.isOpened()
    for frame in range(FRAMES):
        writer.write(numpy.full((160, 320, 3), 10 + 4 * frame, numpy.uint8))
    writer.release()
    return "data:video/webm;base64," + base64.b64encode(path.read_bytes()).decode()


def key_frame(frame: int, x: float, *, enabled: bool = True, rotation: float = 0) -> Json:
    place = {"x": x, "y": 20, "width": 30, "height": 40, "rotation": rotation}
    return {"frame": frame, "enabled": enabled, **place}


SEQUENCE = [
    key_frame(3, 10),
    key_frame(13, 20),
    key_frame(23, 30, enabled=False, rotation=90),
    key_frame(33, 0, rotation=-170),
    key_frame(43, 0, rotation=170),
]


def test_video_frames_count_from_one(labelling: Labelling, video: str) -> None:
    """Also: which frames have a rectangle, what is in between key frames, and what comes back."""
    value = {"sequence": SEQUENCE, "framesCount": 7, "duration": 9.5, "labels": ["A"]}
    labelling.open(VIDEO, {"video": video}, [region("r", "videorectangle", value, "box")])
    labelling.shows(f"() => [{TAG}.frame, {TAG}.length]", [1, FRAMES])
    for frame in (2, 11, FRAMES, 1):
        labelling.evaluate(f"() => {TAG}.setFrame({frame})")
        brightness = 10 + 4 * (frame - 1)
        labelling.shows(f"() => Math.abs(({PICTURE})() - {brightness}) < 3.5", True)

    shape = "(frame) => SELECTED.regionStore.regions[0].getShape(frame)"
    alive = "(frame) => SELECTED.regionStore.regions[0].isInLifespan(frame)"
    visible = [
        frame
        for frame in range(1, FRAMES + 1)
        if labelling.evaluate(shape, frame) and labelling.evaluate(alive, frame)
    ]
    # Nothing before the first key frame; the frame that disables it still shows it; the last key frame goes on.
    assert visible == [*range(3, 24), *range(33, FRAMES + 1)]
    assert labelling.evaluate(shape, 8) == {"x": 15, "y": 20, "width": 30, "height": 40, "rotation": 0}
    assert labelling.evaluate(shape, 18)["rotation"] == 45
    # An angle takes the shorter way: from -170 over -180 to 170.
    assert labelling.evaluate(shape, 38)["rotation"] in (180, -180)

    (stored,) = labelling.submit().stored
    assert (stored["value"]["framesCount"], stored["value"]["duration"]) == (FRAMES, 2)
    assert stored["value"]["labels"] == ["A"]
    assert stored["value"]["sequence"] == [{**key, "time": key["frame"] / 25} for key in SEQUENCE]


@pytest.mark.soak
def test_video_labels_may_be_an_item_of_their_own(labelling: Labelling, video: str) -> None:
    value = {"sequence": SEQUENCE[:1]}
    items = [region("r", "videorectangle", value, "box"), region("r", "labels", {**value, "labels": ["A"]})]
    labelling.open(VIDEO, {"video": video}, items)
    (shown,) = labelling.regions()
    assert shown["labels"] == ["A"]
    (stored,) = labelling.submit().stored
    assert (stored["type"], stored["value"]["labels"]) == ("videorectangle", ["A"])


@pytest.mark.soak
def test_timeline_ranges_count_frames_from_one_and_have_a_last_frame(
    labelling: Labelling, video: str
) -> None:
    ranges = {"part": [(1, 10)], "instant": [(5, 5)], "two": [(11, 20), (30, 40)]}
    values = {
        name: {"ranges": [{"start": start, "end": end} for start, end in found], "timelinelabels": ["A"]}
        for name, found in ranges.items()
    }
    items = [region(name, "timelinelabels", value) for name, value in values.items()]
    labelling.open(TIMELINE, {"video": video}, items)
    # 16 pixels a frame; a bar reaches from the middle of its first frame to that of its last.
    bars = """() => [...document.querySelectorAll('.lsf-keypoints__lifespan')].map(
        (bar) => [parseInt(bar.style.left), parseInt(bar.style.width)]).sort((a, b) => a[0] - b[0] || b[1] - a[1])"""
    labelling.shows(bars, [[8, 144], [72, 0], [168, 144], [472, 160]])
    assert labelling.submit().values == values


@pytest.mark.soak
def test_a_fraction_in_a_range_loses_its_region_and_those_after_it(labelling: Labelling, video: str) -> None:
    starts = {"before": 1, "fraction": 2.5, "after": 5}
    items = [
        region(name, "timelinelabels", {"ranges": [{"start": start, "end": 9}], "timelinelabels": ["A"]})
        for name, start in starts.items()
    ]
    labelling.open(TIMELINE, {"video": video}, items)
    assert [shown["id"] for shown in labelling.regions()] == ["before"]


def sound() -> bytes:
    """Two seconds with two channels."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((2, 2, 8000, 0, "NONE", ""))
        samples = [int(9000 * math.sin(step / 5)) for step in range(2 * 8000)]
        writer.writeframes(b"".join(struct.pack("<hh", sample, sample) for sample in samples))
    return buffer.getvalue()


@pytest.mark.soak
def test_audio_counts_seconds_and_channels_from_zero(labelling: Labelling) -> None:
    url = labelling.upload("sound.wav", sound(), "audio/wav")
    places: dict[str, Json] = {
        "left": {"start": 0.5, "end": 1.25, "channel": 0},
        "right": {"start": 1, "end": 1.5, "channel": 1},
        "none": {"start": 0.1, "end": 0.2},
        "over": {"start": 1.5, "end": 9, "channel": 0},
        "words": {"start": "1", "end": "1.5", "channel": 0},
    }
    items = [region(name, "labels", {**place, "labels": ["A"]}) for name, place in places.items()]
    labelling.open(AUDIO, {"audio": url}, items)
    labelling.shows("() => SELECTED.objects[0]._ws?.duration", 2)
    drawn = """() => SELECTED.regionStore.regions.map(
        (region) => [region.cleanId, region._ws_region?.start, region._ws_region?.end])"""
    labelling.shows(drawn, [["left", 0.5, 1.25], ["right", 1, 1.5], ["none", 0.1, 0.2], ["over", 1.5, 9]])
    submitted = labelling.submit()
    stored = submitted.values
    for name in ("left", "right", "over"):
        assert stored[name] == {**places[name], "labels": ["A"]}
    assert stored["none"]["channel"] == 0
    assert stored["words"] == {"labels": ["A"]}
    assert {item.get("original_length") for item in submitted.stored if item["id"] != "words"} == {2}


def series(name: str, start: object, end: object, **more: object) -> Json:
    return region(name, "timeserieslabels", {"start": start, "end": end, "timeserieslabels": ["A"], **more})


WAVE = [math.sin(step / 4) for step in range(30)]


@pytest.mark.soak
def test_time_series_values_are_those_of_the_time_column(labelling: Labelling) -> None:
    data = {"series": {"t": list(range(100, 130)), "v": WAVE}}
    items = [
        series("span", 110, 120, instant=False),
        series("instant", 115, 115, instant=True),
        series("words", "111", "112"),
        series("over", 110.5, 900),
    ]
    labelling.open(SERIES.format('timeColumn="t"'), data, items)
    stored = labelling.submit().values
    assert {name: (value["start"], value["end"], value["instant"]) for name, value in stored.items()} == {
        "span": (110, 120, False),
        "instant": (115, 115, True),
        "words": (111, 112, False),
        "over": (110.5, 900, False),
    }


@pytest.mark.soak
def test_time_series_without_time_column_count_rows_from_zero(labelling: Labelling) -> None:
    labelling.open(SERIES.format(""), {"series": {"v": WAVE}}, [series("span", 0, 7, instant=False)])
    stored = labelling.submit().values["span"]
    assert (stored["start"], stored["end"]) == (0, 7)


@pytest.mark.soak
def test_time_series_times_are_texts_in_the_format_of_the_tag_or_milliseconds(labelling: Labelling) -> None:
    data = {"series": {"t": [f"2024-01-{day:02}" for day in range(1, 31)], "v": WAVE}}
    items = [series("text", "2024-01-05", "2024-01-10"), series("number", 1704844800000, 1705276800000)]
    labelling.open(SERIES.format('timeColumn="t" timeFormat="%Y-%m-%d"'), data, items)
    stored = labelling.submit().values
    assert {name: (value["start"], value["end"]) for name, value in stored.items()} == {
        "text": ("2024-01-05", "2024-01-10"),
        "number": ("2024-01-10", "2024-01-15"),
    }
