"""The outlines of a mask as polygons, for controls and models that need them instead of masks.

A polygon of Label Studio is a single ring: it cannot have a hole. A hole is joined to the ring around it by a cut.
"""

from typing import Any, Literal

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.mask import inside_of
from label_studio_ml.regions.pictures.mask_outline import areas_of, joined, simplified
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.regions.pictures.polygon import area_of
from label_studio_ml.regions.region import Region, make, number, require_shape


def polygons(
    control: Control,
    pixels: Any,
    *,
    threshold: float | None = None,
    tolerance: float = 1.0,
    holes: Literal["cut", "fill"] = "cut",
    min_area: float = 0.0,
    label: Any = None,
    score: float | None = None,
    min_score: float = 0.0,
    item_index: int | None = None,
) -> list[Region]:
    """Return the outlines of a mask as regions of `control`: a polygon for each of its connected areas.

    `pixels` and `threshold` are those of `mask`. Corners are left out as long as none of them is farther than
    `tolerance` pixels from the outline; with 0, the polygons cover exactly the pixels of the mask. `holes="cut"` joins
    each hole to the outline by a cut without width, `"fill"` fills holes. Areas and holes of less than `min_area`
    pixels are left out. All regions have the same `label` and `score`; none is returned if the score is below
    `min_score`, or the label is dropped.

    Raises ValueError as `mask` does, and for a `tolerance` below 0 or another word for `holes`; LabelConfigError if the
    control holds no polygons or does not have the label.
    """
    require_shape(control, Geometry.POLYGON)
    if number(tolerance, "tolerance") < 0:
        raise ValueError(f"tolerance must be 0 pixels or more, not {tolerance!r}")
    if holes not in ("cut", "fill"):
        raise ValueError(f'holes must be "cut" or "fill", not {holes!r}')
    inside = inside_of(pixels, threshold)
    if score is not None and number(score, "score") < min_score:
        return []
    size = PictureSize(float(inside.shape[1]), float(inside.shape[0]))
    regions = []
    for area in areas_of(inside):
        if area.pixels < min_area:
            continue
        rings = [ring for ring in area.holes if holes == "cut" and abs(area_of(ring.tolist())) >= min_area]
        ring = joined(simplified(area.outer, tolerance), [simplified(hole, tolerance) for hole in rings])
        points = [[size.percent_x(x), size.percent_y(y)] for x, y in ring.tolist()]
        value = {"points": points, "closed": True}
        region = make(control, value, label=label, score=score, item_index=item_index, **size.fields)
        if region is not None:
            regions.append(region)
    return regions
