"""Vectors: lines, curves, closed shapes and skeletons, from a model's numbers to a region and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import vector, vector_of
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Image name="photo" value="$image"/><Vector name="line" toName="photo"/>
<VectorLabels name="road" toName="photo" closable="true"><Label value="Road"/></VectorLabels>
<Rectangle name="box" toName="photo"/></View>"""
CONTROLS = Controls(CONFIG)

sizes = st.tuples(st.integers(1, 30_000), st.integers(1, 30_000))
points = st.tuples(st.floats(0, 1), st.floats(0, 1))


def near(first: Any, second: Any) -> bool:
    """Tell whether numbers differ by less than a hundredth of a pixel."""
    return bool(np.allclose(np.asarray(first, float), np.asarray(second, float), rtol=0, atol=0.01))


def in_pixels(size: tuple[int, int], *shares: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * size[0], y * size[1]) for x, y in shares]


@given(sizes, st.lists(points, min_size=2, max_size=12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_lines_and_closed_shapes_come_back(size: Any, shares: Any, closed: bool) -> None:
    region = vector(CONTROLS["road"], points=in_pixels(size, *shares), size=size, closed=closed, label="Road")
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    back = vector_of(region)
    assert near(back.points, in_pixels(size, *shares))
    assert back.closed is closed
    chain = [(at, at + 1) for at in range(len(shares) - 1)]
    assert back.edges == ([*chain, (len(shares) - 1, 0)] if closed else chain)
    assert back.handles == (None,) * len(shares)


@st.composite
def trees(draw: st.DrawFn) -> list[int | None]:
    """Parents of points in any order, whose root is the first one."""
    count = draw(st.integers(2, 10))
    order = [0, *draw(st.permutations(range(1, count)))]
    parents: list[int | None] = [None] * count
    for at in range(1, count):
        parents[order[at]] = order[draw(st.integers(0, at - 1))]
    return parents


@given(trees())
@settings(max_examples=100, deadline=None)
def test_skeletons_come_back(parents: list[int | None]) -> None:
    places = [(at, 2 * at) for at in range(len(parents))]
    region = vector(CONTROLS["line"], points=np.array(places), size=(100, 100), parents=parents)
    assert region is not None
    back = vector_of(region)
    assert list(back.parents) == parents
    assert set(back.edges) == {(parent, at) for at, parent in enumerate(parents) if parent is not None}


@given(sizes, st.lists(st.tuples(points, st.none() | st.tuples(points, points)), min_size=2, max_size=8))
@settings(max_examples=200, deadline=None)
def test_curves_come_back(size: Any, rows: Any) -> None:
    places = in_pixels(size, *(point for point, _ in rows))
    handles = [pair and in_pixels(size, *pair) for _, pair in rows]
    region = vector(CONTROLS["line"], points=places, size=size, handles=handles)
    assert region is not None
    back = vector_of(region)
    for place, handle, found in zip(places, handles, back.handles, strict=True):
        assert near(found or (place, place), handle or (place, place))


def test_the_vertices_of_a_region() -> None:
    curve = [None, ((30, 10), (50, 10))]
    region = vector(CONTROLS["line"], points=[10, 10, 40, 10], size=(100, 50), handles=curve, id="v")
    assert region is not None
    assert region["value"] == {
        "vertices": [
            {"id": "p0", "x": 10, "y": 20, "prevPointId": None, "isBezier": True}
            | {"controlPoint1": {"x": 10, "y": 20}, "controlPoint2": {"x": 10, "y": 20}},
            {"id": "p1", "x": 40, "y": 20, "prevPointId": "p0", "isBezier": True}
            | {"controlPoint1": {"x": 30, "y": 20}, "controlPoint2": {"x": 50, "y": 20}},
        ],
        "closed": False,
    }
    assert (region["original_width"], region["original_height"]) == (100, 50)


def test_what_annotators_draw_is_read() -> None:
    vertices = [{"id": "x", "x": 10, "y": 10}, {"x": 20, "y": 10}, {"x": 30, "y": 40, "prevPointId": "x"}]
    region = {"value": {"vertices": vertices}, "original_width": 200, "original_height": 100}
    back = vector_of(region)
    assert back.points == ((20, 10), (40, 10), (60, 40))
    assert back.parents == (None, 0, 0)
    assert not back.closed


def test_a_size_is_needed() -> None:
    with pytest.raises(ValueError, match="A vector needs size"):
        vector(CONTROLS["line"], points=[(0, 0), (1, 1)], size=None, relative=True)
    region = vector(CONTROLS["line"], points=[(0, 0), (1, 0.5)], size=(200, 100), relative=True)
    assert region is not None
    assert vector_of(region).points == ((0, 0), (200, 50))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": [(0, 0)]}, "at least 2 points, not 1"),
        ({"points": [0, 0, 1]}, "an odd number of them: 3"),
        ({"points": [(0, 0), (1, float("nan"))]}, "points must be a finite number"),
        (
            {"points": [(0, 0), (1, 1)], "parents": [None]},
            "parents must have an entry for each of the 2 points",
        ),
        ({"points": [(0, 0), (1, 1)], "parents": [0, 0]}, "parents must have None for the first point"),
        ({"points": [(0, 0), (1, 1), (2, 2)], "parents": [None, 2, 1]}, "lead to it from all others"),
        ({"points": [(0, 0), (1, 1)], "parents": [None, 0], "closed": True}, "with parents cannot be closed"),
        ({"points": [(0, 0), (1, 1)], "handles": [None]}, "handles must have an entry for each"),
        ({"points": [(0, 0), (1, 1)], "handles": [None, [(1, 1)]]}, "two points or None"),
    ],
)
def test_numbers_that_are_no_vector(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vector(CONTROLS["road"], size=(10, 10), label="Road", **arguments)


def test_controls_that_do_not_take_a_vector() -> None:
    with pytest.raises(LabelConfigError, match="takes no closed vectors"):
        vector(CONTROLS["line"], points=[(0, 0), (1, 1), (0, 1)], size=(10, 10), closed=True)
    with pytest.raises(LabelConfigError, match="holds no vector"):
        vector(CONTROLS["box"], points=[(0, 0), (1, 1)], size=(10, 10))
    with pytest.raises(ValueError, match="The region is no vector: its value has x"):
        vector_of({"value": {"x": 1}, "original_width": 10, "original_height": 10})


def test_vectors_outside_of_the_picture() -> None:
    outside, reaching = [(-9, 5), (-1, 5)], [(-9, 5), (2, 5)]
    assert vector(CONTROLS["line"], points=outside, size=(10, 10)) is None
    for points, clip in ((outside, False), (reaching, True)):
        region = vector(CONTROLS["line"], points=points, size=(10, 10), clip=clip)
        assert region is not None
        assert near(vector_of(region).points, points)
