"""The gallery's tracker, on films that pan over a photograph (Grace Hopper, of Matplotlib): the movement is known."""

import importlib
from pathlib import Path
from typing import Any

import cv2
import pytest
from matplotlib import cbook

from label_studio_ml import regions
from label_studio_ml.errors import ParamsError
from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.params.class_params import resolve
from label_studio_ml.validation import check_prediction

from .model_file import model_class

CONFIG = """<View><Video name="film" value="$video" frameRate="{}"/><VideoRectangle name="place" toName="film"/>
<Labels name="kind" toName="film"><Label value="Badge"/><Label value="Face"/></Labels></View>"""
RATE, SIZE = 20, (240, 180)
FRAMES = 40
#: Left and top end of the window that the film shows, in each frame of the photograph.
PATH = [(100 + 4 * frame, 60 + 3 * frame) for frame in range(FRAMES)]
#: The face in the photograph: left, top, right, bottom.
FACE = (200, 90, 290, 200)


def place(frame: int) -> tuple[float, ...]:
    """Return where the face is in a frame, in percent as the page has it: x, y, width, height."""
    left, top = PATH[frame]
    x, y = FACE[0] - left, FACE[1] - top
    return x / SIZE[0] * 100, y / SIZE[1] * 100, 9000 / SIZE[0], 11000 / SIZE[1]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(model_named("video-tracker").folder))
    photo: Any = cv2.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    path = tmp_path / "film.avi"
    writer: Any = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, SIZE)
    for left, top in PATH:
        writer.write(photo[top : top + SIZE[1], left : left + SIZE[0]])
    writer.release()
    return path


def task(*drawn: tuple[int, bool]) -> dict[str, Any]:
    """Return a task whose annotation has the face in some frames, each with whether it is shown after that."""
    names = ("x", "y", "width", "height")
    sequence = [
        {**dict(zip(names, place(frame), strict=True)), "rotation": 0, "frame": frame + 1, "enabled": shown}
        for frame, shown in drawn
    ]
    region = {"id": "a", "from_name": "place", "to_name": "film", "type": "videorectangle"}
    value = {"sequence": sequence, "labels": ["Face"]}
    result = [{**region, "value": value}] if drawn else []
    return {"id": 1, "data": {"video": "film.avi"}, "annotations": [{"id": 2, "result": result}]}


def predicted(film: Path, task: dict[str, Any], rate: int = RATE, **params: Any) -> dict[int, Any]:
    """Return the predicted box of each frame, in pixels, after a check that Label Studio shows the prediction."""
    config = CONFIG.format(rate)
    model = model_class("video-tracker")(label_config=config, **params)
    model.get_local_path = lambda url, **kwargs: str(film)
    (prediction,) = model.predict([task])
    check_prediction(config, task, prediction)
    (region,) = prediction["result"]
    assert region["value"]["labels"] == ["Face"]
    return {frame: box.xyxy for frame, box in regions.boxes_of(region, SIZE).items()}


def is_near(box: Any, frame: int) -> bool:
    x, y, width, height = place(frame)
    expected = (x * 2.4, y * 1.8, (x + width) * 2.4, (y + height) * 1.8)
    inside = [min(max(value, 0), SIZE[at % 2]) for at, value in enumerate(expected)]
    return all(abs(one - other) < 8 for one, other in zip(box, inside, strict=True))


def test_follows_a_known_movement_from_the_frame_with_the_box(film: Path) -> None:
    boxes = predicted(film, task((3, True)))
    assert min(boxes) == 3
    for frame in (3, 4, 10, 20, 25):
        assert is_near(boxes[frame], frame), (frame, boxes[frame])


def test_what_leaves_the_picture_is_not_shown_any_more(film: Path) -> None:
    boxes = predicted(film, task((0, True)))
    assert 25 < max(boxes) < FRAMES - 1


def test_a_hidden_key_frame_ends_the_search_and_the_next_one_begins_it_anew(film: Path) -> None:
    boxes = predicted(film, task((0, True), (5, False), (15, True)))
    assert not any(frame in boxes for frame in range(6, 15))
    assert is_near(boxes[20], 20)


def test_frames_are_counted_at_the_rate_of_the_tag(film: Path) -> None:
    half = predicted(film, task((0, True)), rate=RATE // 2)
    assert is_near(half[10], 20)
    double = predicted(film, task((0, True)), rate=RATE * 2)
    assert is_near(double[40], 20)


def test_at_the_end_of_its_time_it_keeps_what_it_has_and_what_was_drawn(film: Path) -> None:
    assert set(predicted(film, task((0, True), (12, True)), time_limit=1e-9)) == {0, 12}


def test_the_time_before_the_first_box_counts(film: Path) -> None:
    following = importlib.import_module("following")
    keys = [(30, (10.0, 10.0, 50.0, 50.0), True)]
    found = following.follow(film, RATE, lambda size: [keys], seconds=1e-9)
    assert found["stopped"] == 0
    assert found["tracks"][0]["frames"] == [30]


def test_the_limit_of_time_is_set_where_the_backend_runs(film: Path) -> None:
    with pytest.raises(ParamsError, match="time_limit can be set only where the backend runs"):
        resolve(model_class("video-tracker"), {"time_limit": 150}, {})


@pytest.mark.parametrize("rate", ["0", "-5", "nan", "$rate"])
def test_a_rate_that_is_none_is_that_of_label_studio(film: Path, rate: str) -> None:
    model = model_class("video-tracker")(label_config=CONFIG.format(rate))
    assert model.rate == 24


def test_a_picture_that_is_shown_long_is_the_one_of_the_first_frame(film: Path) -> None:
    following = importlib.import_module("following")

    class Slides:
        """A video of two pictures, of which the first one is shown for ten seconds."""

        def __init__(self) -> None:
            self.at = -1

        def grab(self) -> bool:
            self.at += 1
            return self.at < 2

        def get(self, which: int) -> float:
            return (0.0, 10_000.0)[self.at]

        def retrieve(self) -> tuple[bool, str]:
            return True, "ab"[self.at]

    shown = dict(following.pictures(Slides(), 10, 10, 50))
    assert (shown[50], shown[99], shown[100]) == ("a", "a", "b")


def test_without_a_box_there_is_no_prediction(film: Path) -> None:
    model = model_class("video-tracker")(label_config=CONFIG.format(RATE))
    assert model.predict([task()]) == []
    assert model.predict([{"id": 1, "data": {"video": None}, "annotations": []}]) == []


def test_a_file_that_is_no_video_is_an_error_of_the_task(film: Path) -> None:
    film.write_bytes(b"no video")
    with pytest.raises(ValueError, match="OpenCV cannot read the video"):
        predicted(film, task((0, True)))
