"""Each kind of targets: what the builders make of a model's output is read back as a target."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from label_studio_ml import regions, targets
from label_studio_ml.controls import Control, Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import task_value
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.targets.target_kinds import kind_of_control
from label_studio_ml.training.dataset import LabelledTasks

SIZES = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
SHARES = st.floats(0, 1)


def config(tag: str, target: str = "Image", attributes: str = "", labels_tag: str = "Label") -> Control:
    return Controls(
        f'<View><{target} name="o" value="$o" {attributes}/><{tag} name="c" toName="o">'
        f'<{labels_tag} value="A"/><{labels_tag} value="B"/></{tag}></View>'
    )[0]


def example_of(control: Control, *result: Any, data: Any = "/x", **options: Any) -> Any:
    """Return the example of a task with an annotation that has been stored as JSON."""
    return next(iter(examples_of(control, *result, data=data, **options)))


def examples_of(control: Control, *result: Any, data: Any = "/x", **options: Any) -> list[Any]:
    task = {"id": 1, "data": {"o": data}, "annotations": [{"id": 1, "result": list(result)}]}
    return list(LabelledTasks.from_tasks([task]).targets(control, **{"files": False, **options}))


BOX, ELLIPSE = config("RectangleLabels"), config("EllipseLabels")
POINT, POLYGON = config("KeyPointLabels"), config("PolygonLabels")
SPANS = {
    "Text": config("Labels", "Text"),
    "HyperText": config("HyperTextLabels", "HyperText"),
    "Paragraphs": config("ParagraphLabels", "Paragraphs"),
}


# Round trips


@given(SIZES, st.tuples(SHARES, SHARES, SHARES, SHARES), st.floats(-720, 720))
def test_boxes(size: tuple[int, int], shares: tuple[float, float, float, float], rotation: float) -> None:
    width, height = size
    given_box = (shares[0] * width, shares[1] * height, shares[2] * width, shares[3] * height)
    region = regions.box(BOX, cxcywh=given_box, rotation=rotation, size=size, label="B", clip=False)
    example = example_of(BOX, region)
    (target,) = example.boxes
    assert target.cxcywh == pytest.approx(given_box, abs=0.01)
    assert math.cos(math.radians(target.rotation - rotation)) == pytest.approx(1, abs=1e-6)
    assert (target.label, target.id, example.size) == ("B", (region or {})["id"], regions.PictureSize(*size))


@given(SIZES, SHARES, SHARES)
def test_key_points(size: tuple[int, int], x: float, y: float) -> None:
    region = regions.key_point(POINT, xy=(x * size[0], y * size[1]), size=size, label="A")
    (target,) = example_of(POINT, region).key_points
    assert (target.x, target.y) == pytest.approx((x * size[0], y * size[1]), abs=0.01)


@given(SIZES, SHARES, SHARES, SHARES, SHARES, st.floats(0, 359))
def test_ellipses(size: tuple[int, int], x: float, y: float, across: float, down: float, turn: float) -> None:
    center, radii = (x * size[0], y * size[1]), (across * size[0], down * size[1])
    region = regions.ellipse(ELLIPSE, center=center, radii=radii, rotation=turn, size=size, label="A")
    (target,) = example_of(ELLIPSE, region).ellipses
    ellipse = target.ellipse
    assert (ellipse.cx, ellipse.cy, ellipse.radius_x, ellipse.radius_y) == pytest.approx(
        (*center, *radii), abs=0.01
    )


def test_polygons_do_not_repeat_their_first_corner() -> None:
    points = [(10.0, 10.0), (60.0, 10.0), (60.0, 80.0)]
    region: Any = regions.polygon(POLYGON, points=points, size=(100, 100), label="A")
    region["value"]["points"].append(region["value"]["points"][0])
    (target,) = example_of(POLYGON, region).polygons
    assert target.points == tuple(pytest.approx(point) for point in points)


@pytest.mark.parametrize("tag", ["BrushLabels", "BitmaskLabels"])
def test_masks_are_decoded_when_asked_for(tag: str) -> None:
    control = config(tag)
    pixels = np.random.default_rng(0).random((30, 50)) > 0.5
    (target,) = example_of(control, regions.mask(control, pixels, label="A")).masks
    assert (target.pixels() == pixels).all()
    assert target.size == regions.PictureSize(50, 30)
    damaged = {**target.region, "value": {"rle": "x", "imageDataURL": "x", control.kind.labels_field: ["A"]}}
    (broken,) = example_of(control, damaged).masks
    with pytest.raises((ValueError, TypeError)):
        broken.pixels()


@given(st.data(), st.sampled_from(["Text", "HyperText"]), st.text(min_size=1))
def test_spans_of_texts(data: st.DataObject, tag: str, text: str) -> None:
    control = SPANS[tag]
    shown = text if tag == "Text" else text.replace("&", "&amp;").replace("<", "&lt;")
    content = regions.labelled_text(control, {"data": {"o": shown}})
    check_spans(data, control, content, shown)


@given(st.data(), st.lists(st.text(), min_size=1, max_size=4))
def test_spans_of_paragraphs(data: st.DataObject, texts: list[str]) -> None:
    control, shown = SPANS["Paragraphs"], [{"text": text} for text in texts]
    content = regions.labelled_text(control, {"data": {"o": shown}})
    check_spans(data, control, content, shown)


def check_spans(data: st.DataObject, control: Control, content: regions.LabelledText, shown: Any) -> None:
    start = data.draw(st.integers(0, len(content.text)))
    end = data.draw(st.integers(start, len(content.text)))
    region = content.span(start, end, "A")
    example = example_of(control, *([region] if region else []), data=shown)
    assert example.text == content.text
    expected = [(start, end, content.text[start:end], "A")] if region else []
    assert [(span.start, span.end, span.text, span.label) for span in example.spans] == expected


def test_segments_of_audio_and_time_series() -> None:
    audio, series = config("Labels", "Audio"), config("TimeSeriesLabels", "TimeSeries")
    example = example_of(audio, regions.segment(audio, 0.25, 1.5, "A", channel=1))
    assert [(each.start, each.end, each.channel, each.label) for each in example.segments] == [
        (0.25, 1.5, 1, "A")
    ]
    assert isinstance(example, targets.AudioExample)
    example = example_of(series, regions.segment(series, 110, 120, "B"))
    assert [(each.start, each.end, each.label) for each in example.segments] == [(110, 120, "B")]
    assert isinstance(example, targets.TimeSeriesExample)


def test_frames_of_a_video() -> None:
    control = config("TimelineLabels", "Video")
    (target,) = example_of(control, regions.frames(control, [(0, 9), (20, 20)], "A")).timelines
    assert (target.ranges, target.label) == (((0, 9), (20, 20)), "A")


VIDEO = Controls(
    '<View><Video name="v" value="$o"/><VideoRectangle name="box" toName="v"/>'
    '<Labels name="kind" toName="v"><Label value="Car"/></Labels></View>'
)


def a_track() -> Any:
    boxes = [(0, 0, 20, 20), (5, 0, 25, 20), (10, 0, 30, 20)]
    return regions.track(
        VIDEO["box"],
        frames=[2, 3, 4],
        xyxy=boxes,
        size=(200, 100),
        fps=25,
        frame_count=10,
        label="Car",
        labels_control=VIDEO["kind"],
    )


def without_size(region: Any) -> Any:
    """Return a region as Label Studio stores it of a video: without the size of it."""
    return {name: part for name, part in region.items() if not name.startswith(("original", "image"))}


def test_tracks_in_a_video() -> None:
    (target,) = example_of(VIDEO["box"], without_size(a_track()), size=(200, 100)).tracks
    assert (target.label, target.frame_count) == ("Car", 10)
    assert [(key.frame, key.shown) for key in target.key_frames] == [(2, True), (4, False)]
    assert {frame: box.xyxy for frame, box in target.boxes().items()} == {
        2: pytest.approx((0, 0, 20, 20)),
        3: pytest.approx((5, 0, 25, 20)),
        4: pytest.approx((10, 0, 30, 20)),
    }


def test_a_track_in_a_video_of_unknown_size_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"Task 1: .*opencv-python-headless, or pass size="):
        example_of(VIDEO["box"], without_size(a_track()))


def test_the_size_of_a_video_is_read_from_its_file(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (200, 100))
    for _ in range(3):
        writer.write(np.zeros((100, 200, 3), np.uint8))
    writer.release()
    tasks = LabelledTasks.from_tasks(
        [{"id": 1, "data": {"o": str(path)}, "annotations": [{"result": [without_size(a_track())]}]}]
    )
    tasks.use_files(FileAccess(cache_dir=tmp_path))
    (example,) = tasks.targets(VIDEO["box"])
    assert example.tracks[0].size == regions.PictureSize(200, 100)


def test_vectors() -> None:
    control = config("VectorLabels")
    region = regions.vector(
        control, points=[(0, 0), (10, 20), (30, 5)], parents=[None, 0, 0], size=(100, 50), label="B"
    )
    (target,) = example_of(control, region).vectors
    assert (target.label, target.vector.edges) == ("B", [(0, 1), (0, 2)])
    assert target.vector.points == tuple(pytest.approx(point) for point in [(0, 0), (10, 20), (30, 5)])


def test_vectors_that_move_in_a_video() -> None:
    control = config("VideoVectorLabels", "Video")
    points = [[(0, 0), (10, 10)], [(2, 0), (12, 10)]]
    region = regions.vector_track(
        control, frames=[3, 4], points=points, size=(100, 50), fps=25, frame_count=9, label="A"
    )
    (target,) = example_of(control, without_size(region), size=(100, 50)).tracks
    assert (target.label, target.frame_count) == ("A", 9)
    assert {frame: vector.points[1] for frame, vector in target.vectors().items()} == {
        3: pytest.approx((10, 10)),
        4: pytest.approx((12, 10)),
    }


def test_boxes_on_pages() -> None:
    control = config("OcrLabels", "Pdf")
    region = regions.page_box(
        control, page=2, xyxy=(10, 20, 110, 40), size=(200, 400), label="A", text="Hello", rotation=10
    )
    (target,) = example_of(control, region, size=(200, 400)).boxes
    assert (target.page, target.text, target.label) == (2, "Hello", "A")
    assert target.box.cxcywh == pytest.approx((60, 30, 100, 20), abs=0.01)


def test_messages_of_a_chat_with_what_is_said_of_each() -> None:
    controls = Controls(
        '<View><Chat name="chat" value="$o"/><Rating name="good" toName="chat" perRegion="true"/></View>'
    )
    messages = regions.chat_messages(
        controls["chat"], [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    )
    rated = regions.attach(messages[1], controls["good"], 4)
    example = example_of(controls["chat"], *messages, rated, data=[])
    assert [(each.role, each.content, dict(each.values)) for each in example.messages] == [
        ("user", "Hi", {}),
        ("assistant", "Hello", {"good": 4.0}),
    ]


def test_values_of_own_code() -> None:
    control = Controls('<View><ReactCode name="c" data="$o"/></View>')[0]
    example = example_of(control, regions.react_code(control, {"a": [1, 2]}), data={"x": 1})
    assert [dict(each.data) for each in example.regions] == [{"a": [1, 2]}]


# Whole tasks


def whole(tag: str, attributes: str = "") -> Control:
    return Controls(
        f'<View><Text name="o" value="$o"/><{tag} name="c" toName="o" {attributes}>'
        '<Choice value="A"><Choice value="A1"/></Choice><Choice value="B"/></' + tag + "></View>"
    )[0]


CHOICES, MULTIPLE, TAXONOMY = whole("Choices"), whole("Choices", 'choice="multiple"'), whole("Taxonomy")
NESTED = whole("Choices", 'allowNested="true"')
RATING, NUMBER, MOMENT, TEXTS = whole("Rating"), whole("Number"), whole("DateTime"), whole("TextArea")


@pytest.mark.parametrize(
    ("control", "region", "field", "value", "nothing"),
    [
        (CHOICES, regions.choices(CHOICES, "B"), "choice", "B", None),
        (MULTIPLE, regions.choices(MULTIPLE, "A", "B"), "choices", ("A", "B"), ()),
        (NESTED, regions.choices(NESTED, "A1"), "choice", "A1", None),
        (TAXONOMY, regions.choices(TAXONOMY, "A1"), "taxonomy", (("A", "A1"),), ()),
        (RATING, regions.rating(RATING, 4), "rating", 4.0, None),
        (NUMBER, regions.quantity(NUMBER, 2.5), "number", 2.5, None),
        (MOMENT, regions.date_time(MOMENT, "2026-01-02T03:04"), "moment", "2026-01-02T03:04", None),
        (TEXTS, task_value.texts(TEXTS, "one", "two"), "texts", ("one", "two"), ()),
    ],
)
def test_values_of_a_whole_task(control: Control, region: Any, field: str, value: Any, nothing: Any) -> None:
    example = example_of(control, region, data="a text")
    assert (getattr(example, field), example.text) == (value, "a text")
    assert getattr(example_of(control, data="a text"), field) == nothing
    assert examples_of(control, data="a text", empty=False) == []


@pytest.mark.parametrize(
    ("control", "kind"), [(CHOICES, "choices"), (TAXONOMY, "taxonomy"), (TEXTS, "textarea")]
)
def test_an_entry_with_nothing_left_is_no_annotation_of_the_control(control: Control, kind: str) -> None:
    field = "text" if kind == "textarea" else kind
    region = {"from_name": "c", "to_name": "o", "type": kind, "value": {field: []}}
    assert len(examples_of(control, region, data="a text")) == 1
    assert examples_of(control, region, data="a text", empty=False) == []


def test_a_single_text_is_read_as_one() -> None:
    region = {"from_name": "c", "to_name": "o", "type": "textarea", "value": {"text": "one"}}
    assert example_of(TEXTS, region, data="t").texts == ("one",)


def test_a_control_for_several_objects_has_the_targets_of_one() -> None:
    control = Controls(
        '<View><Text name="a" value="$first"/><Text name="b" value="$second"/>'
        '<Labels name="c" toName="a,b"><Label value="PER"/></Labels></View>'
    )[0]
    task: dict[str, Any] = {"id": 1, "data": {"first": "Ann", "second": "Bob and Eve"}}
    result = [
        regions.labelled_text(control.on(name), task).span(0, end, "PER")
        for name, end in (("a", 3), ("b", 2))
    ]
    tasks = LabelledTasks.from_tasks([{**task, "annotations": [{"id": 1, "result": result}]}])
    found = [[span.text for each in tasks.targets(control.on(name)) for span in each.spans] for name in "ab"]
    assert found == [["Ann"], ["Bo"]]


def test_several_entries_of_one_control_are_joined() -> None:
    several = [regions.choices(MULTIPLE, label) for label in ("A", "B", "A")]
    assert example_of(MULTIPLE, *several, data="t").choices == ("A", "B")


def test_a_value_that_cannot_be_read_is_no_example_without_one(caplog: pytest.LogCaptureFixture) -> None:
    region: Any = regions.rating(RATING, 4)
    region["value"]["rating"] = "many"
    assert examples_of(RATING, region, data="t") == []
    assert "Task 1, control 'c': rating must be a number" in caplog.text


@pytest.mark.parametrize(
    "value", [{"ranker": {"order": None}}, {"ranker": None}, {"ranker": {"order": 7}}, {}]
)
def test_a_damaged_ranking_is_left_out(value: Any) -> None:
    region = {"from_name": "order", "to_name": "o", "type": "ranker", "value": value}
    assert examples_of(RANKERS["order"], region, data=[{"id": "a"}]) == []


def test_a_relation_without_an_end_is_left_out() -> None:
    relations: list[Any] = [
        {"type": "relation", "from_id": "a"},
        {"type": "relation", "from_id": "a", "to_id": "b", "labels": 7},
    ]
    example = example_of(BOX, *relations)
    assert example.relations == (targets.RelationTarget("a", "b", "right", ()),)


def test_a_pair_has_both_values() -> None:
    control = Controls(
        '<View><Text name="l" value="$left"/><Text name="r" value="$right"/><Pairwise name="c" toName="l,r"/></View>'
    )[0]
    task = {
        "id": 1,
        "data": {"left": "one", "right": "two"},
        "annotations": [{"result": [regions.pair(control, "right")]}],
    }
    (example,) = LabelledTasks.from_tasks([task]).targets(control)
    assert (example.values, example.side, example.value) == (("one", "two"), "right", "one")


RANKERS = Controls(
    '<View><List name="o" value="$o"/><Ranker name="order" toName="o"/>'
    '<Ranker name="sorted" toName="o"><Bucket name="good"/></Ranker></View>'
)


def test_rankings_and_buckets() -> None:
    data = [{"id": name} for name in "abc"]
    task = {"data": {"o": data}}
    ranking = regions.ranking(RANKERS["order"], task, order=["c", "a"])
    example = example_of(RANKERS["order"], ranking, data=data)
    assert (example.ranking, dict(example.buckets)) == (("c", "a", "b"), {})
    sorted_ = regions.buckets(RANKERS["sorted"], task, {"good": ["b"]})
    example = example_of(RANKERS["sorted"], sorted_, data=data)
    assert (example.ranking, dict(example.buckets)) == ((), {"good": ("b",), "_": ("a", "c")})
    old = {**(ranking or {}), "value": {"ranker": ["a", "b"]}}
    assert example_of(RANKERS["order"], old, data=data).ranking == ("a", "b")


# Beside the regions


OCR = Controls(
    '<View><Image name="o" value="$o"/><Rectangle name="box" toName="o"/>'
    '<Labels name="kind" toName="o"><Label value="Title"/><Label value="Line"/></Labels>'
    '<Labels name="state" toName="o"><Label value="Torn"/></Labels>'
    '<TextArea name="words" toName="o" perRegion="true"/><Rating name="clear" toName="o" perRegion="true"/></View>'
)


def ocr_result() -> list[Any]:
    box: Any = regions.box(OCR["box"], xyxy=(10, 20, 110, 40), size=(200, 100))
    return [
        box,
        regions.attach(box, OCR["kind"], "Title"),
        regions.attach(box, OCR["words"], "Hello world"),
        regions.attach(box, OCR["clear"], 4),
    ]


def test_what_other_controls_say_of_a_region_is_with_it() -> None:
    (target,) = example_of(OCR["box"], *ocr_result()).boxes
    assert target.label == "Title"
    assert dict(target.values) == {"words": ("Hello world",), "clear": 4.0}


def test_of_several_controls_with_labels_one_can_be_chosen() -> None:
    result = ocr_result()
    result.insert(1, regions.attach(result[0], OCR["state"], "Torn"))
    (first,) = example_of(OCR["box"], *result).boxes
    assert (first.label, first.values["kind"]) == ("Torn", ("Title",))
    (chosen,) = example_of(OCR["box"], *result, labels_control=OCR["kind"]).boxes
    assert (chosen.label, chosen.values["state"]) == ("Title", ("Torn",))


def test_labels_of_the_chosen_control_are_checked() -> None:
    result = ocr_result()
    result[1]["value"]["labels"] = ["Gone"]
    with pytest.raises(LabelConfigError, match="'kind' has no label 'Gone'"):
        example_of(OCR["box"], *result, labels_control=OCR["kind"])


def test_relations_name_the_regions() -> None:
    first, second = (regions.box(BOX, xyxy=(x, 0, 50, 50), size=(100, 100), label="A") for x in (0, 10))
    assert first is not None
    assert second is not None
    example = example_of(BOX, first, second, regions.relation(first, second, "above"))
    (relation,) = example.relations
    assert (relation.from_id, relation.to_id) == (example.boxes[0].id, example.boxes[1].id)
    assert (relation.direction, relation.labels) == ("right", ("above",))


# Several pictures, and their sizes


PAGES = Controls(
    '<View><Image name="o" valueList="$o"/><RectangleLabels name="c" toName="o"><Label value="A"/></RectangleLabels>'
    '<Choices name="q" toName="o" perItem="true"><Choice value="A"/></Choices>'
    '<Choices name="w" toName="o"><Choice value="A"/></Choices></View>'
)


def test_each_picture_of_several_is_an_example() -> None:
    result = [
        regions.box(PAGES["c"], xyxy=(0, 0, 10, 10), size=(100, 100), label="A", item_index=1),
        regions.choices(PAGES["q"], "A", item_index=0),
        regions.choices(PAGES["w"], "A"),
    ]
    boxes = examples_of(PAGES["c"], *result, data=["/1", "/2"])
    assert [(each.item, each.value, len(each.boxes)) for each in boxes] == [(0, "/1", 0), (1, "/2", 1)]
    assert [each.choices for each in examples_of(PAGES["q"], *result, data=["/1", "/2"])] == [("A",), ()]
    assert [each.choices for each in examples_of(PAGES["w"], *result, data=["/1", "/2"])] == [("A",)]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of 60 x 40 pixels that its EXIF data turn, so that it is shown as 40 x 60."""
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (60, 40)).save(path, exif=exif)
    return path


def of_file(control: Control, path: Path, *result: Any, **options: Any) -> Any:
    task = {"id": 1, "data": {"o": str(path)}, "annotations": [{"id": 1, "result": list(result)}]}
    tasks = LabelledTasks.from_tasks([task])
    tasks.use_files(FileAccess(cache_dir=path.parent))
    return next(iter(tasks.targets(control, **options)))


def test_the_size_that_a_region_does_not_say_is_that_of_the_file(picture: Path) -> None:
    region = without_size(regions.box(BOX, xyxy=(0, 0, 0.5, 0.5), relative=True, label="A"))
    example = of_file(BOX, picture, region)
    assert example.boxes[0].xyxy == pytest.approx((0, 0, 20, 30))
    assert example.size == regions.PictureSize(40, 60)
    assert of_file(BOX, picture, region, size=(10, 10)).boxes[0].xyxy == pytest.approx((0, 0, 5, 5))
    assert of_file(BOX, picture, region, size=lambda task: (task["id"], 10)).size == regions.PictureSize(
        1, 10
    )


def test_the_size_that_a_region_says_counts_before_the_one_passed() -> None:
    region = regions.box(BOX, xyxy=(0, 0, 50, 50), size=(100, 100), label="A")
    example = example_of(BOX, region, size=(10, 10))
    assert example.boxes[0].xyxy == pytest.approx((0, 0, 50, 50))
    assert example.size == regions.PictureSize(100, 100)
    assert example_of(BOX, size=(10, 10)).size == regions.PictureSize(10, 10)


def test_an_example_without_regions_has_the_size_of_its_file(picture: Path) -> None:
    assert of_file(BOX, picture).size == regions.PictureSize(40, 60)
    picture.write_bytes(b"no picture")
    assert of_file(BOX, picture).size is None
    assert example_of(BOX).size is None


def test_without_a_size_and_a_file_an_error_says_what_to_do(picture: Path) -> None:
    region = without_size(regions.box(BOX, xyxy=(0, 0, 0.5, 0.5), relative=True, label="A"))
    with pytest.raises(ValueError, match=r"Task 1: .*Leave files=False out, or pass size="):
        example_of(BOX, region)
    picture.write_bytes(b"no picture")
    assert of_file(BOX, picture, region).boxes == ()


# The table


def test_every_example_type_is_exported() -> None:
    from label_studio_ml.targets import example_types, target_regions

    for module in (example_types, target_regions):
        names = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        assert {name for name in names if not name.startswith("_")} <= set(targets.__all__)


def test_the_control_of_one_repeated_entry_has_its_targets() -> None:
    control = Controls(
        '<View><Repeater on="$pages"><Image name="o_{{idx}}" value="$pages[{{idx}}]"/>'
        '<RectangleLabels name="c_{{idx}}" toName="o_{{idx}}"><Label value="A"/></RectangleLabels></Repeater></View>'
    )["c_1"]
    region = regions.box(control, xyxy=(0, 0, 10, 10), size=(100, 100), label="A")
    task = {"id": 1, "data": {"pages": ["/0", "/1"]}, "annotations": [{"result": [region]}]}
    (example,) = LabelledTasks.from_tasks([task]).targets(control, files=False)
    assert (example.value, len(example.boxes)) == ("/1", 1)


def test_a_control_of_a_newer_release_is_an_error() -> None:
    control = Control(name="c", tag="HologramLabels", objects=BOX.objects)
    with pytest.raises(LabelConfigError, match="It is not known how to read the values of <HologramLabels"):
        kind_of_control(control)


def test_a_control_without_an_object_is_an_error() -> None:
    with pytest.raises(LabelConfigError, match="which the label config does not have"):
        kind_of_control(Controls('<View><RectangleLabels name="c" toName="gone"/></View>')[0])
