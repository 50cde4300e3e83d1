"""The distance of two annotations, by which a consensus is found."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.targets import agreement
from label_studio_ml.targets.agreement import regions_distance, values_distance
from label_studio_ml.targets.target_regions import SpanTarget, TargetRegion
from label_studio_ml.training.dataset import LabelledTasks

SIZE = (200, 100)


def control_of(tag: str, target: str = "Image", labels_tag: str = "Label") -> Control:
    return Controls(
        f'<View><{target} name="o" value="$o"/><{tag} name="c" toName="o">'
        f'<{labels_tag} value="A"/><{labels_tag} value="B"/></{tag}></View>'
    )[0]


def targets(control: Control, *result: Any, data: Any = "text of a task") -> tuple[TargetRegion, ...]:
    task = {"id": 1, "data": {"o": data}, "annotations": [{"id": 1, "result": list(result)}]}
    (example,) = LabelledTasks.from_tasks([task]).targets(control, files=False, size=SIZE)
    return tuple(example.regions)


def distance(control: Control, first: Any, second: Any) -> float:
    return regions_distance(targets(control, first), targets(control, second))


BOX = control_of("RectangleLabels")


def box(*xyxy: float, label: str = "A", rotation: float = 0.0) -> Any:
    return regions.box(BOX, xyxy=xyxy, size=SIZE, label=label, rotation=rotation)


def test_boxes_agree_by_their_overlap() -> None:
    assert distance(BOX, box(0, 0, 20, 20), box(0, 0, 20, 20)) == pytest.approx(0)
    assert distance(BOX, box(0, 0, 20, 20), box(10, 0, 30, 20)) == pytest.approx(1 - 1 / 3)
    assert distance(BOX, box(0, 0, 20, 20), box(30, 0, 40, 20)) == 1
    assert distance(BOX, box(0, 0, 20, 20), box(0, 0, 20, 20, label="B")) == 1


def test_turned_boxes_agree_by_the_overlap_of_their_outlines() -> None:
    assert distance(BOX, box(50, 40, 90, 60, rotation=30), box(50, 40, 90, 60, rotation=30)) == pytest.approx(
        0
    )
    crossed = distance(BOX, box(50, 40, 90, 60), box(50, 40, 90, 60, rotation=90))
    assert crossed == pytest.approx(1 - 400 / 1200, abs=0.02)


def test_each_region_is_compared_with_one_other() -> None:
    one, two = targets(BOX, box(0, 0, 20, 20)), targets(BOX, box(0, 0, 20, 20), box(0, 0, 20, 20))
    assert regions_distance(one, two) == pytest.approx(1 - 2 / 3)
    assert regions_distance(one, ()) == 1
    assert regions_distance((), ()) == 0


def test_pairs_with_the_largest_overlap_come_first() -> None:
    near, far = box(2, 0, 22, 20), box(10, 0, 30, 20)
    one = targets(BOX, box(0, 0, 20, 20))
    assert regions_distance(one, targets(BOX, far, near)) == pytest.approx(1 - 2 * (18 / 22) / 3, abs=1e-4)


def test_ellipses_polygons_and_masks_agree_by_their_areas() -> None:
    ellipse, polygon, mask = (control_of(f"{tag}Labels") for tag in ("Ellipse", "Polygon", "Brush"))
    round_, other = (
        regions.ellipse(ellipse, center=(50, 50), radii=(20, radius), size=SIZE, label="A")
        for radius in (20, 10)
    )
    assert distance(ellipse, round_, other) == pytest.approx(0.5, abs=0.02)
    square, half = (
        regions.polygon(polygon, points=[(0, 0), (20, 0), (20, down), (0, down)], size=SIZE, label="A")
        for down in (20, 10)
    )
    assert distance(polygon, square, half) == pytest.approx(0.5, abs=0.02)
    pixels = np.zeros((100, 200), dtype=bool)
    pixels[:10] = True
    more = pixels | (np.arange(100)[:, None] < 20)
    first, second = (regions.mask(mask, each, label="A") for each in (pixels, more))
    assert distance(mask, first, second) == pytest.approx(0.5)


def test_key_points_agree_by_their_distance() -> None:
    control = control_of("KeyPointLabels")
    first, near, far = (regions.key_point(control, xy=(x, 50), size=SIZE, label="A") for x in (100, 110, 130))
    assert distance(control, first, near) == pytest.approx(0.5)  # 5 of 10 percent
    assert distance(control, first, far) == 1


def test_spans_and_segments_agree_by_their_lengths() -> None:
    text = control_of("Labels", "Text")
    content = regions.labelled_text(text, {"data": {"o": "text of a task"}})
    assert distance(text, content.span(0, 4, "A"), content.span(2, 6, "A")) == pytest.approx(1 - 2 / 6)
    audio = control_of("Labels", "Audio")
    first, second = regions.segment(audio, 0, 2, "A"), regions.segment(audio, 1, 3, "A")
    assert distance(audio, first, second) == pytest.approx(1 - 1 / 3)
    assert distance(audio, first, regions.segment(audio, 0, 2, "A", channel=1)) == 1


def test_frames_and_tracks_agree_by_their_frames() -> None:
    line = control_of("TimelineLabels", "Video")
    first, second = regions.frames(line, [(0, 9)], "A"), regions.frames(line, [(5, 14)], "A")
    assert distance(line, first, second) == pytest.approx(1 - 5 / 15)
    video = control_of("VideoRectangle", "Video")

    def track(frames: range) -> Any:
        boxes = [(0, 0, 20, 20)] * len(frames)
        return regions.track(video, frames=frames, xyxy=boxes, size=SIZE, fps=25, frame_count=20)

    assert distance(video, track(range(10)), track(range(5, 15))) == pytest.approx(1 - 5 / 15)


def test_boxes_of_different_pages_have_nothing_in_common() -> None:
    control = control_of("OcrLabels", "Pdf")
    first, same, other = (
        regions.page_box(control, page=page, xyxy=(0, 0, 0.5, 0.5), relative=True, label="A")
        for page in (0, 0, 1)
    )
    assert distance(control, first, same) == pytest.approx(0)
    assert distance(control, first, other) == 1


def test_vectors_agree_by_their_points() -> None:
    control = control_of("VectorLabels")
    first, near = (regions.vector(control, points=[(0, 0), (x, 0)], size=SIZE, label="A") for x in (100, 110))
    assert distance(control, first, near) == pytest.approx(1 - (1 + 0.5) / 2)
    video = control_of("VideoVector", "Video")
    moving, other = (
        regions.vector_track(
            video, frames=range(10), points=[[(0, 0), (x, 0)]] * 10, size=SIZE, fps=25, frame_count=10
        )
        for x in (100, 110)
    )
    assert distance(video, moving, other) == pytest.approx(1 - (1 + 0.5) / 2)


@pytest.mark.parametrize(
    ("geometry", "first", "second", "expected"),
    [
        (Geometry.CHOICES, {"choices": ("a", "b")}, {"choices": ("b", "a")}, 0),
        (Geometry.CHOICES, {"choices": ("a", "b")}, {"choices": ("b", "c")}, 1 - 1 / 3),
        (Geometry.CHOICES, {}, {}, 0),
        (Geometry.CHOICES, {"choices": ("a",)}, {}, 1),
        (Geometry.TAXONOMY, {"taxonomy": (("a", "b"),)}, {"taxonomy": (("a", "c"),)}, 1),
        (Geometry.RATING, {"rating": 2.0}, {"rating": 5.0}, 3),
        (Geometry.NUMBER, {"number": 2.0}, {"number": -1.0}, 3),
        (Geometry.NUMBER, {"number": 2.0}, {}, 1e12),
        (Geometry.TEXT, {"texts": ("abcd",)}, {"texts": ("abxd",)}, 0.25),
        (Geometry.PAIR, {"side": "left"}, {"side": "right"}, 1),
        (Geometry.DATE_TIME, {"moment": "2026-01-01"}, {"moment": "2026-01-02"}, 1),
        (Geometry.RANKING, {"ranking": ("a", "b")}, {"ranking": ("b", "a")}, 0.5),
        (
            Geometry.RANKING,
            {"buckets": {"x": ("a", "b"), "_": ()}},
            {"buckets": {"x": ("a",), "_": ("b",)}},
            1 - 1 / 3,
        ),
    ],
)
def test_values_of_a_task(geometry: Geometry, first: Any, second: Any, expected: float) -> None:
    assert values_distance(geometry, first, second) == pytest.approx(expected, abs=1e-9)
    assert values_distance(geometry, second, first) == pytest.approx(expected, abs=1e-9)


def test_the_consensus_of_numbers_is_their_median() -> None:
    control = Controls('<View><Text name="o" value="$o"/><Number name="n" toName="o"/></View>')[0]
    values = [3, 100, 1, 4, None]
    annotations = [
        {"id": at, "result": [] if value is None else [regions.quantity(control, value)]}
        for at, value in enumerate(values)
    ]
    tasks = LabelledTasks.from_tasks([{"id": 1, "data": {"o": "x"}, "annotations": annotations}])
    (example,) = tasks.targets(control, annotation="consensus")
    assert example.number in (3, 4)


def a_span(start: int, length: int, label: str = "A") -> SpanTarget:
    return SpanTarget(region={}, labels=(label,), start=start, end=start + length, text="")


SPANS = st.lists(st.builds(a_span, st.integers(0, 20), st.integers(0, 8), st.sampled_from("AB")), max_size=8)


@given(SPANS, SPANS)
def test_regions_that_are_far_apart_need_not_be_compared(
    first: list[SpanTarget], second: list[SpanTarget]
) -> None:
    compared = set()
    index = agreement._RegionIndex(second)
    for at, region in enumerate(first):
        compared |= {(at, other) for other in index.near(region)}
    overlapping = {
        (at, other)
        for at, region in enumerate(first)
        for other, candidate in enumerate(second)
        if region.labels == candidate.labels and agreement._overlap(region, candidate) > 0
    }
    assert overlapping <= compared


def test_thousands_of_regions_are_compared_with_those_near_them(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    overlap = agreement._overlap

    def counted(first: TargetRegion, second: TargetRegion) -> float:
        nonlocal compared
        compared += 1
        return overlap(first, second)

    monkeypatch.setattr(agreement, "_overlap", counted)
    spans = [a_span(10 * number, 8) for number in range(2000)]
    assert regions_distance(spans, [*spans, a_span(30_000, 8)]) == pytest.approx(1 - 4000 / 4001)
    assert compared <= 3 * len(spans)
