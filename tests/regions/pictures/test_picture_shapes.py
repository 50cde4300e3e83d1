"""Ellipses, key points and polygons: from a model's numbers to a region and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import (
    ellipse,
    ellipse_of,
    key_point,
    key_point_of,
    key_points,
    polygon,
    polygon_of,
)
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.regions.pictures.polygon import clipped
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Image name="photo" value="$image"/>
<Ellipse name="ellipse" toName="photo"/><KeyPoint name="point" toName="photo"/><Polygon name="polygon" toName="photo"/>
<KeyPointLabels name="pose" toName="photo"><Label value="Nose"/><Label value="Eye"/></KeyPointLabels>
<EllipseLabels name="cell" toName="photo"><Label value="Cell"/></EllipseLabels>
<PolygonLabels name="field" toName="photo"><Label value="Field"/></PolygonLabels></View>"""
CONTROLS = Controls(CONFIG)

sizes = st.tuples(st.integers(1, 30_000), st.integers(1, 30_000))
shares = st.floats(0, 1)


def near(first: Any, second: Any) -> bool:
    """Tell whether numbers differ by less than a hundredth of a pixel."""
    return bool(np.allclose(np.asarray(first, float), np.asarray(second, float), rtol=0, atol=0.01))


@given(sizes, st.tuples(shares, shares), st.tuples(shares, shares), st.floats(0, 359))
@settings(max_examples=200, deadline=None)
def test_ellipses_come_back(size: Any, center: Any, radii: Any, rotation: float) -> None:
    pixels = [share * side for share, side in zip(center, size, strict=True)]
    lengths = [share * side / 2 for share, side in zip(radii, size, strict=True)]
    region = ellipse(
        CONTROLS["cell"], center=pixels, radii=lengths, rotation=rotation, size=size, label="Cell"
    )
    assert region is not None
    back = ellipse_of(region)
    assert near((back.cx, back.cy, back.radius_x, back.radius_y), (*pixels, *lengths))
    assert back.rotation == pytest.approx(rotation, abs=1e-5)
    assert RegionChecks(CONFIG).refusal([region]) is None


@given(sizes, shares, shares)
@settings(max_examples=200, deadline=None)
def test_key_points_come_back(size: Any, x: float, y: float) -> None:
    place = (x * size[0], y * size[1])
    region = key_point(CONTROLS["point"], xy=place, size=size)
    assert region is not None
    assert near(key_point_of(region), place)
    assert RegionChecks(CONFIG).refusal([region]) is None


@given(sizes, st.lists(st.tuples(shares, shares), min_size=3, max_size=20, unique=True))
@settings(max_examples=200, deadline=None)
def test_polygons_come_back(size: Any, points: Any) -> None:
    pixels = [(x * size[0], y * size[1]) for x, y in points]
    region = polygon(CONTROLS["polygon"], points=pixels, size=size)
    assert region is not None
    assert near(polygon_of(region), pixels)
    assert region["value"]["closed"] is True
    assert RegionChecks(CONFIG).refusal([region]) is None


def test_relative_numbers_need_no_size_unless_turned() -> None:
    region = ellipse(CONTROLS["ellipse"], center=(0.5, 0.25), radii=(0.1, 0.2), relative=True)
    assert region is not None
    assert region["value"] == {"x": 50.0, "y": 25.0, "radiusX": 10.0, "radiusY": 20.0, "rotation": 0.0}
    with pytest.raises(ValueError, match="An ellipse that is turned needs size"):
        ellipse(CONTROLS["ellipse"], center=(0.5, 0.25), radii=(0.1, 0.2), rotation=5, relative=True)
    point = key_point(CONTROLS["point"], xy=(0.5, 0.1), relative=True, size=(200, 100))
    assert point is not None
    assert near(key_point_of(point), (100, 10))


def test_points_of_a_pose() -> None:
    pose = CONTROLS["pose"]
    array = np.array([[10, 20, 0.9], [30, 40, 0.2]])
    made = key_points(
        pose, points=array, third="score", labels=["nose", "eye"], size=(100, 100), min_score=0.5
    )
    assert [(region["value"]["keypointlabels"], region["score"]) for region in made] == [(["Nose"], 0.9)]
    coco = key_points(
        pose, points=[[1, 2, 0], [3, 4, 1]], third="visibility", labels=["nose", "eye"], size=(10, 10)
    )
    assert [region["value"]["keypointlabels"] for region in coco] == [["Eye"]]
    plain = key_points(
        pose, points=[[1, 2], [3, 4]], scores=[0.1, 0.2], labels=["nose", "eye"], size=(10, 10)
    )
    assert [region["score"] for region in plain] == [0.1, 0.2]
    with pytest.raises(ValueError, match='for three numbers, pass third="score"'):
        key_points(pose, points=[[1, 2, 0]], labels=["nose"], size=(10, 10))
    with pytest.raises(ValueError, match='third must be "score" or "visibility", not \'conf\''):
        key_points(pose, points=[[1, 2, 0]], third="conf", labels=["nose"], size=(10, 10))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="points must be three numbers each: x, y and the visibility"):
        key_points(pose, points=[[1, 2]], third="visibility", labels=["nose"], size=(10, 10))
    with pytest.raises(ValueError, match="Pass the scores once"):
        key_points(pose, points=[[1, 2, 0.5]], third="score", scores=[0.5], labels=["nose"], size=(10, 10))
    with pytest.raises(ValueError, match="points must have a row for each point, not 1"):
        key_points(pose, points=[1, 2], labels=["nose", "eye"], size=(10, 10))
    with pytest.raises(ValueError, match="labels must have an entry for each of the 2 points, not 1"):
        key_points(pose, points=[[1, 2], [3, 4]], labels=["nose"], size=(10, 10))


@pytest.mark.parametrize(
    "skeleton", [[(0, 1), (1, 2)], [("nose", "eye"), ("eye", "ear")], np.array([[0, 1], [1, 2]])]
)
def test_the_lines_of_a_skeleton_are_relations(skeleton: Any) -> None:
    def lines(points: Any) -> Any:
        made = key_points(
            CONTROLS["pose"].map_labels({"ear": "Eye"}),
            points=points,
            third="visibility",
            labels=["nose", "eye", "ear"],
            size=(10, 10),
            skeleton=skeleton,
        )
        ids = {region["id"]: at for at, region in enumerate(made) if "value" in region}
        relations = [region for region in made if region.get("type") == "relation"]
        assert made[-len(relations) :] == relations
        assert RegionChecks(CONFIG).refusal(made) is None
        return [(ids[each["from_id"]], ids[each["to_id"]]) for each in relations]

    assert lines([(1, 2, 2), (3, 4, 2), (5, 6, 1)]) == [(0, 1), (1, 2)]
    assert lines([(1, 2, 0), (3, 4, 2), (5, 6, 1)]) == [(0, 1)]  # of the eye and the ear, which are shown


def test_lines_between_points_that_are_none_are_errors() -> None:
    for skeleton in ([(1, 2)], [("nose", "tail")], [(0, 1, 1)], [(-1, 0)]):
        with pytest.raises(ValueError, match="skeleton must be pairs of labels or of indices from 0 to 1 of"):
            key_points(
                CONTROLS["pose"],
                points=[(1, 2), (3, 4)],
                labels=["nose", "eye"],
                size=(10, 10),
                skeleton=skeleton,
            )


def test_clicks_are_inside_or_outside() -> None:
    inside = key_point(CONTROLS["point"], xy=(1, 2), size=(10, 10), positive=False)
    assert inside is not None
    assert inside["is_positive"] is False


@pytest.mark.parametrize(
    "points",
    [[0, 0, 50, 0, 50, 50], [(0, 0), (50, 0), (50, 50), (0, 0)], np.array([[0, 0], [50, 0], [50, 50]])],
)
def test_polygons_of_flat_lists_closed_lists_and_arrays(points: Any) -> None:
    region = polygon(CONTROLS["field"], points=points, size=(100, 200), label="Field")
    assert region is not None
    assert region["value"] == {
        "points": [[0.0, 0.0], [50.0, 0.0], [50.0, 25.0]],
        "closed": True,
        "polygonlabels": ["Field"],
    }


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 0), (1, 1)], "at least 3 different corners, not 2"),
        ([(0, 0), (1, 1), (0, 0)], "at least 3 different corners, not 2"),
        ([1, 2, 3], "there is an odd number of them: 3"),
        ([(0, 0), (1, float("nan")), (2, 2)], "points must be a finite number"),
    ],
)
def test_what_is_no_polygon_is_an_error(points: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        polygon(CONTROLS["polygon"], points=points, size=(10, 10))


def test_points_outside_of_the_picture_are_left_out() -> None:
    size = (100, 50)
    assert key_point(CONTROLS["point"], xy=(100, 50), size=size) is not None
    for place in ((-1, 10), (101, 10), (10, 51)):
        assert key_point(CONTROLS["point"], xy=place, size=size) is None
        kept = key_point(CONTROLS["point"], xy=place, size=size, clip=False)
        assert kept is not None
        assert near(key_point_of(kept), place)
    rows = [(10, 10), (-5, 10)]
    pose = CONTROLS["pose"]
    assert len(key_points(pose, points=rows, labels=["nose", "eye"], size=size)) == 1
    assert len(key_points(pose, points=rows, labels=["nose", "eye"], size=size, clip=False)) == 2


def test_ellipses_outside_of_the_picture_are_left_out() -> None:
    size = (100, 50)

    def made(center: Any, **arguments: Any) -> Any:
        return ellipse(CONTROLS["ellipse"], center=center, radii=(20, 5), size=size, **arguments)

    over_the_edge = made((-15, 25))
    assert over_the_edge is not None
    assert near(ellipse_of(over_the_edge).cx, -15)
    assert made((-15, 25), rotation=90) is None
    assert made((50, 65), rotation=90) is not None
    assert made((50, 65)) is None
    assert made((50, 65), clip=False) is not None


def test_polygons_are_clipped_to_the_picture() -> None:
    size = (100, 50)

    def made(points: Any, **arguments: Any) -> Any:
        return polygon(CONTROLS["polygon"], points=points, size=size, **arguments)

    assert near(
        polygon_of(made([(-50, 10), (50, 10), (50, 20), (-50, 20)])), [(0, 10), (50, 10), (50, 20), (0, 20)]
    )
    around = made([(-10, -10), (200, -10), (200, 200), (-10, 200)])
    assert sorted(polygon_of(around)) == [(0, 0), (0, 50), (100, 0), (100, 50)]
    for outside in (
        [(-5, 0), (-5, 50), (-9, 20)],
        [(0, 0), (0, 50), (-9, 20)],
    ):  # the second one touches the edge
        assert made(outside) is None
        assert near(polygon_of(made(outside, clip=False)), outside)


@given(
    st.lists(st.tuples(st.floats(-200, 300), st.floats(-200, 300)), min_size=3, max_size=12, unique=True),
    st.lists(st.tuples(shares, shares), min_size=1, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_a_clipped_polygon_has_the_same_points_of_the_picture(points: Any, probes: Any) -> None:
    size = PictureSize(100, 80)
    kept = clipped(points, size)
    assert all(0 <= x <= 100 and 0 <= y <= 80 for x, y in kept)
    for across, down in probes:
        place = (across * 100, down * 80)
        if (
            min(_distance(place, edge) for ring in (points, [*kept, *kept[:1]]) for edge in _edges(ring))
            > 1e-6
        ):
            assert _winding(points, place) == _winding(kept, place)


def _edges(ring: Any) -> Any:
    return list(zip(ring, [*ring[1:], *ring[:1]], strict=True)) or [((1e9, 1e9), (1e9, 1e9))]


def _distance(place: Any, edge: Any) -> float:
    (x, y), (dx, dy) = edge[0], (edge[1][0] - edge[0][0], edge[1][1] - edge[0][1])
    length = dx * dx + dy * dy
    along = max(0.0, min(1.0, ((place[0] - x) * dx + (place[1] - y) * dy) / length)) if length else 0.0
    return float(np.hypot(x + along * dx - place[0], y + along * dy - place[1]))


def _winding(ring: Any, place: Any) -> int:
    """Return how often a ring turns around a place."""
    turns = 0
    for (x, y), (next_x, next_y) in _edges(ring) if ring else []:
        if (y <= place[1]) != (next_y <= place[1]):
            crossing = x + (place[1] - y) / (next_y - y) * (next_x - x)
            turns += (1 if next_y > y else -1) * (crossing > place[0])
    return turns


def test_regions_without_the_shape_are_errors() -> None:
    region = key_point(CONTROLS["point"], xy=(1, 2), size=(10, 10))
    assert region is not None
    with pytest.raises(ValueError, match="The region has no points: its value has x, y, width"):
        polygon_of(region)
    with pytest.raises(ValueError, match="radiusX must be a number, not None"):
        ellipse_of(region)
    drawn = ellipse(CONTROLS["ellipse"], center=(1, 2), radii=(1, 2), size=(10, 10))
    for value in ({"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0}, drawn["value"] if drawn else {}):
        with pytest.raises(ValueError, match="The region is no point: its value has x, y, "):
            key_point_of({**region, "value": value})
    with pytest.raises(ValueError, match="points must have a row for each corner, not None"):
        polygon(CONTROLS["polygon"], points=None, size=(10, 10))
    with pytest.raises(LabelConfigError, match="holds no polygon"):
        polygon(CONTROLS["ellipse"], points=[(0, 0), (5, 0), (5, 5)], size=(10, 10))
    with pytest.raises(LabelConfigError, match="holds no ellipse"):
        ellipse(CONTROLS["polygon"], center=(1, 2), radii=(1, 2), size=(10, 10))
    with pytest.raises(LabelConfigError, match="holds no key point"):
        key_point(CONTROLS["polygon"], xy=(1, 2), size=(10, 10))
    with pytest.raises(ValueError, match="radii must be 0 or more"):
        ellipse(CONTROLS["ellipse"], center=(1, 2), radii=(-1, 2), size=(10, 10))
