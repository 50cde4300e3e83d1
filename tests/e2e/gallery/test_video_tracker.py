"""The gallery's tracker follows boxes that were drawn in clips of real videos, and its tracks are drawn on the page."""

import io
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from label_studio_ml import regions

from ..processes import wait_until
from ..regions_facts.labelling import Labelling
from ..regions_facts.test_media_facts import TAG
from ..studio import Studio
from .conftest import MakeJourney
from .journey import Journey, record
from .video_clips import CLIPS, RATE, Box, Clip, cut, overlap, size_of

CONFIG = f"""<View><Labels name="kind" toName="film"><Label value="Actor" background="#ff00ff"/>
<Label value="Thing" background="#00ffff"/></Labels><Video name="film" value="$video" frameRate="{RATE}"/>
<VideoRectangle name="place" toName="film" fillOpacity="0" strokeWidth="3"/></View>"""

Json = dict[str, Any]


@pytest.mark.gallery
def test_follows_boxes(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.webm"
    broken.write_bytes(b"no video")
    project = label_studio.create_project("Tracks", CONFIG)
    *tasks, bad = label_studio.upload_files(project, [*map(cut, CLIPS), broken])
    (empty,) = label_studio.import_tasks(project, [{"video": ""}])
    sizes = [size_of(clip) for clip in CLIPS]

    tracker = journey("video-tracker", project)
    tracker.init()
    assert tracker.chosen() == "video-tracker"
    tracker.start()
    tracker.connect("--no-prelabel")
    label_studio.retrieve_predictions(project, [*tasks[:2], bad, empty])
    assert not label_studio.predictions(project), "nobody has drawn a box"

    clips = [*zip(CLIPS, sizes, strict=True), (CLIPS[0], sizes[0]), (CLIPS[0], sizes[0])]
    for task, (clip, size) in zip([*tasks, bad, empty], clips, strict=True):
        label_studio.annotate(task, [drawn(clip, size, [clip.start])])
    tracker.train()
    begun = time.monotonic()
    for start in range(0, len(tasks), 4):
        label_studio.retrieve_predictions(project, tasks[start : start + 4])
    speed = len(tasks) / (time.monotonic() - begun)
    label_studio.retrieve_predictions(project, [bad, empty])
    found = newest(label_studio, project)
    assert set(found) == set(tasks), "the broken video and the missing one alone have no prediction"

    before, after = _overlaps([found[task] for task in tasks], sizes)
    record(
        "video-tracker",
        before=success(before),
        after=success(after),
        labelled=len(CLIPS),
        measured_on=len(after),
        measure=f"frames with the box in its place (overlap of at least a half); mean overlap "
        f"{numpy.mean(before):.2f} before, {numpy.mean(after):.2f} after",
        tasks_per_second=round(speed, 2),
    )
    assert success(after) > success(before) + 0.25

    cyclist = number_of("cyclist")
    _is_found_again(found[tasks[cyclist]], CLIPS[cyclist], sizes[cyclist])

    for task in tasks:
        _is_shown(page, project, found[task])
    shown = number_of("biscuit-box")
    page.open_task(project, tasks[shown], found[tasks[shown]]["id"])
    _is_drawn_in_frames(page, found[tasks[shown]], CLIPS[shown], sizes[shown])
    keep_picture(page.page, "video-tracker")

    worst = min(range(len(tasks)), key=lambda at: last_overlap(found[tasks[at]], CLIPS[at], sizes[at]))
    _follows_a_correction(tracker, tasks[worst], CLIPS[worst], sizes[worst])


def number_of(name: str) -> int:
    """Return the number of the clip with this name."""
    return next(at for at, clip in enumerate(CLIPS) if clip.name == name)


def _overlaps(
    predictions: Sequence[Json], sizes: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Return the overlap with the true box in each checked frame: that of the first box, and that of the track."""
    before: list[float] = []
    after: list[float] = []
    for prediction, clip, size in zip(predictions, CLIPS, sizes, strict=True):
        boxes = boxes_of(prediction, clip, size)
        checked = [frame for frame in clip.boxes if frame != clip.start]
        before += [overlap(clip.boxes[clip.start], clip.boxes[frame]) for frame in checked]
        after += [overlap(boxes.get(frame), clip.boxes[frame]) for frame in checked]
        latest = [round(value, 2) for value in after[-len(checked) :]]
        print(clip.name, latest, len(keys(prediction)), "key frames")
        if clip.gone is not None:
            print(clip.name, "is seen last in frame", max(boxes), "and gone in", clip.gone)
    return before, after


def _is_found_again(prediction: Json, clip: Clip, size: tuple[float, float]) -> None:
    """Check that the track of the cyclist goes on after the van that hides him."""
    boxes = boxes_of(prediction, clip, size)
    assert 88 not in boxes, "a van hides the cyclist"
    assert overlap(boxes.get(110), clip.boxes[110]) >= 0.5


def _is_shown(page: Labelling, project: int, prediction: Json) -> None:
    """Open a task, whose page has the predicted track with its key frames."""
    page.open_task(project, prediction["task"], prediction["id"])
    assert [region["labels"] for region in page.regions()] == [["Actor"]]
    (region,) = page.evaluate("() => SELECTED.serializeAnnotation()")
    assert [(key["frame"], key["enabled"]) for key in region["value"]["sequence"]] == [
        (key["frame"], key["enabled"]) for key in keys(prediction)
    ]


def _is_drawn_in_frames(page: Labelling, prediction: Json, clip: Clip, size: tuple[float, float]) -> None:
    """Wait until the predicted box is drawn in each of some frames of a clip."""
    for frame in (0, 20, 60):
        box = boxes_of(prediction, clip, size).get(clip.start + frame)
        wait_until(partial(is_drawn, page, frame, box, size), f"the box of frame {frame} is drawn")


def _follows_a_correction(tracker: Journey, task: int, clip: Clip, size: tuple[float, float]) -> None:
    """Correct a track in its last frame, as a person does, and train: it is there from then on."""
    frames = sorted(clip.boxes)
    tracker.studio.annotate(task, [drawn(clip, size, [frames[0], frames[-1]])])
    tracker.train()
    corrected = tracker.predict([task])[task]
    assert overlap(boxes_of(corrected, clip, size).get(frames[-1]), clip.boxes[frames[-1]]) > 0.95


def drawn(clip: Clip, size: tuple[float, float], frames: list[int]) -> Json:
    """Return the region of a person who has drawn the object's box in some frames."""
    sequence = []
    for frame in frames:
        left, top, right, bottom = clip.boxes[frame]
        place = {
            "x": left / size[0] * 100,
            "y": top / size[1] * 100,
            "width": (right - left) / size[0] * 100,
            "height": (bottom - top) / size[1] * 100,
            "rotation": 0,
        }
        sequence.append({**place, "frame": frame - clip.start + 1, "enabled": True, "time": 0})
    value = {"sequence": sequence, "labels": ["Actor"]}
    return {"id": "a1", "from_name": "place", "to_name": "film", "type": "videorectangle", "value": value}


def newest(studio: Studio, project: int) -> dict[int, Json]:
    """Return the newest prediction of each task."""
    return {
        item["task"]: item for item in sorted(studio.predictions(project), key=lambda item: int(item["id"]))
    }


def keys(prediction: Json) -> list[Json]:
    """Return the key frames of a prediction's only track, in order."""
    (region,) = prediction["result"]
    return list(region["value"]["sequence"])


def boxes_of(prediction: Json, clip: Clip, size: tuple[float, float]) -> dict[int, Box]:
    """Return the predicted box by frame, both of the video that the clip is from."""
    (region,) = prediction["result"]
    boxes = regions.boxes_of(region, size)
    return {clip.start + frame: box.xyxy for frame, box in boxes.items()}


def last_overlap(prediction: Json, clip: Clip, size: tuple[float, float]) -> float:
    last = max(clip.boxes)
    return overlap(boxes_of(prediction, clip, size).get(last), clip.boxes[last])


def success(overlaps: list[float]) -> float:
    """Return the share of frames whose box overlaps by half or more."""
    return round(sum(value >= 0.5 for value in overlaps) / len(overlaps), 3)


def is_drawn(page: Labelling, frame: int, box: Box | None, size: tuple[float, float]) -> bool:
    """Show a frame, counted from 0, and return whether its box, in pixels of `size`, is drawn in the label's colour."""
    page.evaluate(f"() => {TAG}.setFrame({frame + 1})")
    left, top, width, height = page.evaluate(
        """() => { const place = document.querySelector('.konvajs-content').getBoundingClientRect();
            return [place.left, place.top, place.width, place.height].map(Math.round) }"""
    )
    screen = Image.open(io.BytesIO(page.page.screenshot())).convert("RGB")
    red, green, blue = (
        numpy.asarray(screen)[top : top + height, left : left + width].astype(int).transpose(2, 0, 1)
    )
    y, x = numpy.nonzero((red > 180) & (green < 90) & (blue > 180))
    if box is None or not len(x):
        return box is None and not len(x)
    # The page shows a video in the middle, not enlarged.
    scale = min(1.0, width / size[0], height / size[1])
    margin = (width - size[0] * scale) / 2, (height - size[1] * scale) / 2
    expected = [box[at] * scale + margin[at % 2] for at in range(4)]
    return bool(numpy.allclose([x.min(), y.min(), x.max(), y.max()], expected, atol=6))
