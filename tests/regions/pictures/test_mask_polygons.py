"""From masks to polygons and back: bit by bit without a tolerance, within it otherwise."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.pictures.mask import mask_of
from label_studio_ml.regions.pictures.mask_outline import areas_of, filled, simplified
from label_studio_ml.regions.pictures.mask_polygons import polygons
from label_studio_ml.regions.pictures.polygon import area_of, polygon, polygon_of
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Image name="image" value="$image"/><Polygon name="plain" toName="image"/>
<PolygonLabels name="field" toName="image"><Label value="Field"/></PolygonLabels>
<BrushLabels name="brush" toName="image"><Label value="Road"/></BrushLabels></View>"""
CONTROLS = Controls(CONFIG)


@st.composite
def noise(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Return a mask of random pixels, with areas that touch at corners, holes, and areas within holes."""
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    pixels: NDArray[np.bool_] = random.random((height, width)) < draw(st.floats(0, 1))
    return pixels


@st.composite
def blobs(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Return a mask of overlapping discs, some of them cut out."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    ys, xs = np.mgrid[:120, :160]
    pixels = np.zeros((120, 160), dtype=bool)
    for number in range(draw(st.integers(1, 6))):
        x, y, radius = random.uniform(0, 160), random.uniform(0, 120), random.uniform(3, 40)
        pixels[(xs - x) ** 2 + (ys - y) ** 2 < radius**2] = number % 3 != 2
    return pixels


def union(regions: list[Any], shape: Any) -> NDArray[np.bool_]:
    covered = np.zeros(shape, dtype=np.int64)
    for region in regions:
        covered += mask_of(region)
    assert covered.max(initial=0) <= 1
    return np.asarray(covered == 1, dtype=np.bool_)


@given(st.one_of(noise(), blobs()))
@settings(max_examples=150, deadline=None)
def test_without_a_tolerance_masks_come_back_bit_by_bit(pixels: NDArray[np.bool_]) -> None:
    regions = polygons(CONTROLS["plain"], pixels, tolerance=0)
    assert np.array_equal(union(regions, pixels.shape), pixels)
    assert RegionChecks(CONFIG).refusal(regions) is None


@given(noise())
@settings(max_examples=100, deadline=None)
def test_areas_have_the_pixels_that_their_rings_enclose(pixels: NDArray[np.bool_]) -> None:
    areas = areas_of(pixels)
    assert sum(area.pixels for area in areas) == pixels.sum()
    for area in areas:
        holes = [area_of(hole.tolist()) for hole in area.holes]
        assert all(size < 0 for size in holes)
        assert area_of(area.outer.tolist()) + sum(holes) == area.pixels


@given(blobs(), st.floats(0.1, 5))
@settings(max_examples=100, deadline=None)
def test_simplified_rings_stay_within_the_tolerance(pixels: NDArray[np.bool_], tolerance: float) -> None:
    for area in areas_of(pixels):
        for ring in (area.outer, *area.holes):
            short = simplified(ring, tolerance)
            assert 3 <= len(short) <= len(ring)
            ends = np.roll(short, -1, axis=0)
            for point in ring:
                line, offsets = ends - short, point - short
                along = np.clip((offsets * line).sum(axis=1) / (line**2).sum(axis=1), 0, 1)
                assert np.hypot(*(offsets - along[:, None] * line).T).min() <= tolerance + 1e-9


@given(blobs())
@settings(max_examples=50, deadline=None)
def test_outlines_with_a_tolerance_are_short_and_close(pixels: NDArray[np.bool_]) -> None:
    regions = polygons(CONTROLS["plain"], pixels, min_area=30)
    exact = polygons(CONTROLS["plain"], pixels, min_area=30, tolerance=0)
    corners, all_corners = (sum(len(polygon_of(region)) for region in made) for made in (regions, exact))
    assert len(regions) == len(exact)
    assert corners <= all_corners
    covered = np.zeros(pixels.shape, dtype=bool)
    for region in regions:
        covered |= mask_of(region)
    # A tolerance of one pixel changes pixels along the outline alone.
    assert (covered ^ union(exact, pixels.shape)).sum() <= all_corners + 8


def test_a_hole_is_cut_or_filled() -> None:
    pixels = np.zeros((10, 20), dtype=np.uint8)
    pixels[2:8, 3:17] = 255
    pixels[4:6, 5:9] = 0
    (region,) = polygons(CONTROLS["field"], pixels, label="field", score=0.5, item_index=1)
    assert region["value"]["polygonlabels"] == ["Field"]
    assert (region["score"], region["item_index"], region["original_width"]) == (0.5, 1, 20)
    assert len(region["value"]["points"]) == 4 + 4 + 2  # the cut's ends are there twice
    assert area_of(polygon_of(region)) == 6 * 14 - 2 * 4
    assert np.array_equal(mask_of(region), pixels > 0)
    for arguments in ({"holes": "fill"}, {"min_area": 9}):
        (full,) = polygons(CONTROLS["plain"], pixels, **arguments)
        assert polygon_of(full) == [(3, 2), (17, 2), (17, 8), (3, 8)]
    assert polygons(CONTROLS["plain"], pixels, min_area=100) == []


def test_probabilities_scores_and_labels_are_those_of_masks() -> None:
    probabilities = np.array([[0.2, 0.8], [0.1, 0.9]])
    (region,) = polygons(CONTROLS["plain"], probabilities, threshold=0.5)
    assert polygon_of(region) == [(1, 0), (2, 0), (2, 2), (1, 2)]
    with pytest.raises(ValueError, match="needs a threshold"):
        polygons(CONTROLS["plain"], probabilities)
    assert polygons(CONTROLS["plain"], probabilities, threshold=0.5, score=0.4, min_score=0.5) == []
    assert polygons(CONTROLS["plain"], np.zeros((3, 3))) == []
    assert polygons(CONTROLS["field"].map_labels(unknown="drop"), np.ones((3, 3)), label="x") == []
    with pytest.raises(LabelConfigError, match="holds no polygon"):
        polygons(CONTROLS["brush"], np.ones((3, 3)), label="Road")
    with pytest.raises(ValueError, match="tolerance must be 0 pixels or more, not -1"):
        polygons(CONTROLS["plain"], np.ones((3, 3)), tolerance=-1)
    with pytest.raises(ValueError, match='holes must be "cut" or "fill", not None'):
        polygons(CONTROLS["plain"], np.ones((3, 3)), holes=None)  # type: ignore[arg-type]


def test_the_pixels_of_polygons() -> None:
    triangle = polygon(CONTROLS["plain"], points=[(0, 0), (4, 0), (0, 4)], size=(5, 4))
    assert triangle is not None
    assert mask_of(triangle).astype(int).tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0] * 5,
    ]
    outside = polygon(CONTROLS["plain"], points=[(-9, -9), (-1, -9), (-1, -1)], size=(5, 4), clip=False)
    assert outside is not None
    assert not mask_of(outside).any()
    around = polygon(
        CONTROLS["plain"], points=[(-9, -9), (50, -9), (50, 50), (-9, 50)], size=(5, 4), clip=False
    )
    assert around is not None
    assert mask_of(around).all()


def test_a_ring_that_overlaps_itself_is_filled_where_it_does() -> None:
    twice = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (4, 0), (4, 4), (0, 4)]
    assert filled([twice], 4, 4).all()
