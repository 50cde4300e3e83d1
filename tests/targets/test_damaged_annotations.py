"""Damaged tasks and annotations: left out and counted, or an error that names the task; never a wrong target."""

from typing import Any

import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.regions.videos.key_frames import MAX_FRAMES
from label_studio_ml.targets.annotation_choice import truth_of
from label_studio_ml.training.dataset import LabelledTasks

CONTROLS = Controls("""<View>
  <Image name="photo" value="$image"/>
  <RectangleLabels name="box" toName="photo"><Label value="A"/><Label value="B"/></RectangleLabels>
  <KeyPointLabels name="point" toName="photo"><Label value="A"/></KeyPointLabels>
  <PolygonLabels name="area" toName="photo"><Label value="A"/></PolygonLabels>
  <Audio name="sound" value="$sound"/>
  <Labels name="speech" toName="sound"><Label value="A"/></Labels>
  <Video name="film" value="$film"/>
  <VideoRectangle name="track" toName="film"/>
  <VideoVectorLabels name="lines" toName="film"><Label value="A"/></VideoVectorLabels>
  <TimelineLabels name="frames" toName="film"><Label value="A"/></TimelineLabels>
</View>""")
SIZE = (400, 200)
UNREADABLE = "regions that cannot be read"


def task(*results: Any, **fields: Any) -> dict[str, Any]:
    data = {"image": "/a.png", "sound": "/a.wav", "film": "/a.mp4"}
    annotations = [{"id": at, "result": result} for at, result in enumerate(results, 1)]
    return {"id": 7, "data": data, "annotations": annotations, **fields}


def targets(control: str, *tasks: Any, **options: Any) -> Any:
    return LabelledTasks.from_tasks(list(tasks)).targets(CONTROLS[control], files=False, **options)


def entry(control: str, **value: Any) -> dict[str, Any]:
    """A region as Label Studio stores it, on a picture or video of 400 x 200 pixels."""
    own = CONTROLS[control]
    if own.kind.labels_field:
        value = {own.kind.labels_field: ["A"], **value}
    size = {"original_width": SIZE[0], "original_height": SIZE[1]}
    return {
        "id": "r",
        "from_name": own.name,
        "to_name": own.to_name,
        "type": own.region_type,
        **size,
        "value": value,
    }


@pytest.mark.parametrize("annotations", [7, "x", {"a": 1}, [None], [[]], ["x"]])
def test_annotations_that_are_none_are_an_error_with_the_task(annotations: Any) -> None:
    with pytest.raises(ValueError, match="Task 7: its annotations must be a list of annotations"):
        list(targets("box", task(annotations=annotations)))


def test_a_task_that_is_none_is_an_error_with_its_place() -> None:
    with pytest.raises(ValueError, match="element 1 of the labelled tasks must be a task"):
        list(targets("box", task([]), None))


@pytest.mark.parametrize("data", [None, 7, True, "image", ["image"]])
def test_a_task_without_data_is_left_out(data: Any, caplog: pytest.LogCaptureFixture) -> None:
    damaged = targets("box", task([], data=data))
    assert list(damaged) == []
    assert damaged.left_out == {"tasks whose data cannot be read": 1}
    assert "Task 7: The task has no data with the field 'image'" in caplog.text


@pytest.mark.parametrize("identifier", ["x", None, [1], {"a": 1}, 1.5])
def test_the_annotation_changed_last_is_found_whatever_the_ids_are(identifier: Any) -> None:
    annotations = [{"id": identifier, "updated_at": "2026"}, {"id": 3, "updated_at": "2026"}]
    assert truth_of({"annotations": annotations}) == annotations[1]


@pytest.mark.parametrize(
    "value",
    [
        {"start": "x", "end": 2},
        {"start": [], "end": 2},
        {"start": 0, "end": 10**400},
        {"start": 0, "end": float("nan")},
        {"start": 3, "end": 2},
        {"start": 0, "end": 2, "channel": float("inf")},
        {"start": 0, "end": 2, "channel": -1},
    ],
)
def test_segments_of_audio_that_are_none_are_left_out(value: dict[str, Any]) -> None:
    damaged = targets("speech", task([entry("speech", **value)]), annotation="consensus")
    assert [example.segments for example in damaged] == [()]
    assert damaged.left_out == {UNREADABLE: 1}


@pytest.mark.parametrize("count", [float("inf"), 10**12, -1])
def test_a_track_in_more_frames_than_any_video_has_takes_no_memory(count: Any) -> None:
    key = {"frame": 1, "x": 1, "y": 1, "width": 1, "height": 1, "vertices": [{"x": 1, "y": 1}]}
    for control in ("track", "lines"):
        damaged = targets(control, task([entry(control, framesCount=count, sequence=[key])]))
        assert [example.tracks for example in damaged] == [()]
        assert damaged.left_out == {UNREADABLE: 1}
    for last in (10**12, 1e308, MAX_FRAMES + 1):
        far = {**key, "frame": last}
        for control in ("track", "lines"):
            damaged = targets(control, task([entry(control, sequence=[key, far])]))
            assert [example.tracks for example in damaged] == [()]


def test_timelines_of_any_length_are_compared() -> None:
    long, other = ({"ranges": [{"start": first, "end": 10**12}]} for first in (1, 2))
    results = [[entry("frames", **value)] for value in (long, other, long)]
    (example,) = targets("frames", task(*results), annotation="consensus")
    assert example.annotation_id == 3


def test_a_polygon_that_was_begun_agrees_with_none() -> None:
    empty, full = entry("area", points=[]), entry("area", points=[[1, 1], [9, 1], [9, 9]])
    (example,) = targets("area", task([empty], [full], [full]), annotation="consensus")
    assert example.annotation_id == 3


def test_key_points_with_numbers_as_texts_are_compared() -> None:
    results = [[entry("point", x=x, y="2")] for x in ("1", 1, "50")]
    (example,) = targets("point", task(*results), annotation="consensus")
    assert example.annotation_id == 2


@pytest.mark.parametrize("change", [{"x": 1e308}, {"height": 1e308}, {"x": float("nan")}])
def test_a_box_that_is_too_large_for_numbers_is_left_out(change: dict[str, float]) -> None:
    damaged = targets("box", task([entry("box", **{"x": 1, "y": 1, "width": 9, "height": 9, **change})]))
    assert [example.boxes for example in damaged] == [()]
    assert damaged.left_out == {UNREADABLE: 1}


def test_a_picture_larger_than_any_is_not_believed() -> None:
    box = {**entry("box", x=1, y=1, width=9, height=9), "original_width": 10**12}
    (example,) = targets("box", task([box]))
    assert (example.boxes, example.size) == ((), None)


@pytest.mark.parametrize("result", [7, "x", {"a": 1}])
def test_an_annotation_whose_result_is_no_list_is_no_example_without_regions(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = targets("box", task(result))
    assert list(damaged) == []
    assert damaged.left_out == {UNREADABLE: 1}
    assert "Task 7, annotation 1: its result is no list of regions" in caplog.text


BOX = entry("box", x=1, y=1, width=9, height=9)


@pytest.mark.parametrize(
    "damaged", [None, 7, {**BOX, "value": None}, {**BOX, "to_name": "other"}, {**BOX, "to_name": []}]
)
def test_entries_that_are_no_regions_are_counted(damaged: Any) -> None:
    of_both = targets("box", task([damaged, BOX]))
    assert [len(example.boxes) for example in of_both] == [1]
    assert of_both.left_out == {UNREADABLE: 1}


@pytest.mark.parametrize("index", [2, -1, float("inf"), "x"])
def test_regions_on_pages_that_the_task_does_not_have_are_counted(
    index: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = """<View><Image name="photo" valueList="$image"/>
      <RectangleLabels name="box" toName="photo"><Label value="A"/></RectangleLabels></View>"""
    labelled = task([{**BOX, "item_index": index}, {**BOX, "item_index": 1}], data={"image": ["a", "b"]})
    pages = LabelledTasks.from_tasks([labelled]).targets(Controls(config)["box"], files=False)
    assert [len(example.boxes) for example in pages] == [0, 1]
    assert pages.left_out == {UNREADABLE: 1}
    assert "but the task has 2 values" in caplog.text


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"type": "rectanglelabels", "value": BOX["value"]}, "point"),
        ({"type": "ellipselabels", "value": {"x": 5, "y": 5, "radiusX": 2, "radiusY": 1}}, "point"),
        ({"type": "ocrlabels", "value": BOX["value"]}, "box"),
    ],
)
def test_a_region_of_another_kind_than_its_control_is_not_read_as_one_of_that(
    before: dict[str, Any], now: str
) -> None:
    changed = targets(now, task([{**BOX, "from_name": now, **before}]))
    assert [example.regions for example in changed] == [()]
    assert changed.left_out == {UNREADABLE: 1}


def test_the_labels_of_a_tag_that_was_replaced_are_read() -> None:
    text = Controls("""<View><HyperText name="t" value="$t"/>
      <HyperTextLabels name="ner" toName="t"><Label value="PER"/></HyperTextLabels></View>""")
    span = {"start": 0, "end": 3, "globalOffsets": {"start": 0, "end": 3}, "labels": ["PER"]}
    region = {"id": "r", "from_name": "ner", "to_name": "t", "type": "labels", "value": span}
    labelled = LabelledTasks.from_tasks([task([region], data={"t": "<b>Ann</b>"})])
    ((found,),) = ([span.label for span in example.spans] for example in labelled.targets(text["ner"]))
    assert found == "PER"


def test_a_control_that_no_annotation_knows_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    renamed = {**BOX, "from_name": "boxes"}
    unused = targets("box", task([renamed]), task([renamed], [renamed]))
    assert len(list(unused)) == 2
    assert "None of the 3 annotations has anything of <RectangleLabels" in caplog.text.replace(
        "name=", "name="
    )
    assert "'boxes' (3)" in caplog.text
    caplog.clear()
    list(unused)
    list(targets("box", task([renamed]), task([BOX])))
    list(targets("box", task([])))
    assert not caplog.records
