"""Metrics of polygons, ellipses and masks, against values worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions
from label_studio_ml.controls import controls_of
from label_studio_ml.evaluation.measurement import Observations

Json = dict[str, Any]

CONFIG = """<View><Image name="photo" value="$image"/>
  <PolygonLabels name="polygon" toName="photo"><Label value="A"/><Label value="B"/></PolygonLabels>
  <EllipseLabels name="ellipse" toName="photo"><Label value="A"/></EllipseLabels>
  <BrushLabels name="brush" toName="photo"><Label value="A"/></BrushLabels>
  <BitmaskLabels name="bitmask" toName="photo"><Label value="A"/></BitmaskLabels>
</View>"""

CONTROLS = controls_of(CONFIG)
SIZE = (200, 100)


def rectangle(x: float, y: float, width: float, height: float, label: str = "A", **fields: Any) -> Json:
    points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    region = regions.polygon(CONTROLS["polygon"], points=points, size=SIZE, label=label, **fields)
    assert region is not None
    return region


def filled(name: str, x: int, y: int, width: int, height: int) -> Json:
    pixels = np.zeros((SIZE[1], SIZE[0]), bool)
    pixels[y : y + height, x : x + width] = True
    region = regions.mask(CONTROLS[name], pixels, label="A")
    assert region is not None
    return region


def measured(annotated: list[Json], predicted: list[Json]) -> Any:
    observations = Observations(CONFIG)
    observations.add(annotated, predicted)
    (result,) = observations.measure().values()
    return result


def test_a_polygon_that_covers_six_tenths() -> None:
    # 60 % are right at the thresholds 0.50, 0.55 and 0.60 of ten.
    result = measured([rectangle(10, 10, 100, 50)], [rectangle(10, 10, 60, 50, score=0.9)])
    assert result.kind == "areas"
    assert result.labels["A"] == pytest.approx(
        {"precision": 1, "recall": 1, "f1": 1, "support": 1, "ap_50": 1, "ap_50_95": 0.3, "iou": 0.6},
        abs=0.01,
    )


def test_a_polygon_with_less_than_half_is_wrong_but_its_pixels_count() -> None:
    metrics = measured([rectangle(0, 0, 100, 50)], [rectangle(0, 0, 40, 50)]).metrics
    assert (metrics["f1"], metrics["map_50"]) == (0.0, 0.0)
    assert metrics["iou"] == pytest.approx(0.4, abs=0.01)


def test_labels_are_measured_apart() -> None:
    result = measured([rectangle(0, 0, 50, 50)], [rectangle(0, 0, 50, 50, "B")])
    assert (result.metrics["precision"], result.metrics["recall"]) == (0.0, 0.0)
    assert result.labels["B"]["ap_50"] is None, "it was never annotated"
    assert result.labels["A"]["iou"] == 0.0


def test_an_area_is_matched_once() -> None:
    area = rectangle(0, 0, 50, 50)
    assert measured([area], [area, area]).metrics["precision"] == 0.5
    assert measured([area, area], [area]).metrics["recall"] == 0.5


@pytest.mark.parametrize("name", ["brush", "bitmask"])
def test_masks_are_compared_pixel_by_pixel(name: str) -> None:
    result = measured([filled(name, 10, 10, 80, 50)], [filled(name, 10, 10, 100, 50)])
    assert result.metrics["iou"] == pytest.approx(0.8)
    assert result.metrics["f1"] == 1.0


def test_a_circle_is_round() -> None:
    def circle(radius: float) -> Json:
        region = regions.ellipse(
            CONTROLS["ellipse"], center=(50, 50), radii=(radius, radius), size=SIZE, label="A", rotation=30
        )
        assert region is not None
        return region

    assert measured([circle(40)], [circle(30)]).metrics["iou"] == pytest.approx(9 / 16, abs=0.02)


def test_an_ellipse_turns_clockwise_about_its_center() -> None:
    def ellipse(radii: tuple[float, float], rotation: float) -> Json:
        region = regions.ellipse(
            CONTROLS["ellipse"], center=(100, 50), radii=radii, size=SIZE, label="A", rotation=rotation
        )
        assert region is not None
        return region

    assert measured([ellipse((40, 20), 90)], [ellipse((20, 40), 0)]).metrics["iou"] == pytest.approx(
        1, abs=0.05
    )


def test_a_damaged_mask_is_empty() -> None:
    damaged = filled("brush", 0, 0, 10, 10)
    damaged["value"] = {**damaged["value"], "rle": damaged["value"]["rle"][:5]}
    result = measured([filled("brush", 0, 0, 10, 10)], [damaged])
    assert (result.metrics["recall"], result.metrics["iou"]) == (0.0, 0.0)


def test_polygons_without_a_size_are_compared_in_percent() -> None:
    area = rectangle(20, 20, 100, 50)
    for name in ("original_width", "original_height"):
        del area[name]
    assert measured([area], [area]).metrics["iou"] == 1.0


def test_areas_that_cannot_be_read_do_not_stop_it() -> None:
    broken = [
        {**rectangle(0, 0, 9, 9), "value": {"points": points}}
        for points in (
            None,
            [[1, 2]],
            [["x", 1]] * 3,
            [[math.nan, 1]] * 3,
            [[math.inf, 1]] * 3,
            [[10**400, 1]] * 3,
        )
    ]
    assert measured([rectangle(0, 0, 50, 50), *broken], [rectangle(0, 0, 50, 50)]).metrics["f1"] == 1.0


def test_a_damaged_mask_of_an_absurd_size_costs_no_memory() -> None:
    """The sizes are what an annotation says: a million by a million pixels would be 1 TB."""
    brush = filled("brush", 0, 0, 10, 10)
    damaged = {**brush, "original_width": 1_000_000, "original_height": 1_000_000}
    assert measured([damaged], [damaged]).metrics["iou"] is None


def test_a_corner_far_outside_of_the_picture_takes_no_more_time() -> None:
    """Percentages of 1e9 would be an outline of 1e9 pixels, which takes minutes to fill."""
    far = rectangle(0, 0, 100, 50)
    far["value"]["points"][2] = [1e9, 1e9]
    assert measured([far], [far]).metrics["iou"] == 1.0


def test_a_score_that_is_no_number_is_that_of_the_prediction() -> None:
    area = rectangle(0, 0, 100, 50)
    assert measured([area], [{**area, "score": "nan"}]).metrics["map_50"] == 1.0
