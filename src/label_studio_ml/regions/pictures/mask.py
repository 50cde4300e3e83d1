"""Masks on pictures: `<BrushLabels>`, `<Brush>` and `<MagicWand>` with a run-length code, `<BitmaskLabels>` and
`<Bitmask>` with a PNG. In both, only the alpha channel counts.
"""

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures import brush_rle
from label_studio_ml.regions.pictures.mask_outline import filled
from label_studio_ml.regions.pictures.picture_size import size_of, size_of_region
from label_studio_ml.regions.pictures.polygon import polygon_of
from label_studio_ml.regions.region import Region, chosen_rows, fields_in, make, number, require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PNG = "data:image/png;base64,"
#: Alpha values from which on a pixel is inside: soft edges of a brush are cut in their middle.
INSIDE = 128


def mask(
    control: Control,
    pixels: Any,
    *,
    threshold: float | None = None,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    item_index: int | None = None,
) -> Region | None:
    """Return a mask as a region of `control`; None if its label is dropped, or no pixel is inside.

    `pixels` is an array, or what numpy makes one of, of shape (height, width) or (1, height, width), of the picture's
    size: pixels that are not 0 are inside; with `threshold`, those above it. Raises ValueError for another shape, for
    NaN and for numbers between 0 and 1 without a `threshold`, and LabelConfigError if the control takes no masks or
    does not have the label.
    """
    require(control, Geometry.BRUSH, Geometry.BITMASK)
    inside = inside_of(pixels, threshold)
    if not inside.any():
        return None
    fields = size_of((inside.shape[1], inside.shape[0])).fields
    if control.kind.geometry is Geometry.BRUSH:
        value = {"format": "rle", "rle": brush_rle.encode(inside)}
    else:
        value = {"imageDataURL": _png(inside)}
    return make(control, value, label=label, score=score, id=id, item_index=item_index, **fields)


def masks(
    control: Control,
    arrays: Any,
    *,
    threshold: float | None = None,
    labels: Any = None,
    scores: Any = None,
    min_score: float = 0.0,
    item_index: int | None = None,
) -> list[Region]:
    """Return several masks of one picture as regions: `mask` for each entry of an array (count, height, width).

    `labels` and `scores` have an entry for each mask; `labels` may also be one label for all. Masks with a score below
    `min_score`, with a dropped label or without a pixel inside are left out. Raises as `mask` does.
    """
    several = list(arrays)
    made = (
        mask(control, several[at], threshold=threshold, label=label, score=score, item_index=item_index)
        for at, label, score in chosen_rows(len(several), labels, scores, min_score, "mask")
    )
    return [region for region in made if region is not None]


def inside_of(pixels: Any, threshold: float | None = None) -> "NDArray[np.bool_]":
    """Return which pixels of a model's mask are inside, as an array of shape (height, width).

    Raises ValueError for another shape, for NaN, and for numbers other than 0 and 1 without a `threshold`, unless they
    are whole and all the same beside 0 (such as 0 and 255).
    """
    import numpy as np

    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or not array.size:
        raise ValueError(f"A mask must be an array of shape (height, width), not {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"A mask must be an array of numbers or booleans, not of {array.dtype}")
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            raise ValueError("A mask must be an array of numbers, but it has NaN")
        if threshold is None and ((array != 0) & (array != 1)).any():
            raise ValueError(
                "A mask of numbers other than 0 and 1 needs a threshold: pass threshold=0.5 for probabilities, "
                "threshold=0 for logits, or array == number for one class of an array of class numbers"
            )
    whole = threshold is None and array.dtype.kind in "iu"
    if whole and (most := array.max()) > 1 and ((array != 0) & (array != most)).any():
        raise ValueError(
            "A mask of whole numbers must have one number beside 0: pass array == number for one class of an array "
            "of class numbers, or threshold=127 for grey values"
        )
    inside: NDArray[np.bool_] = array != 0 if threshold is None else array > number(threshold, "threshold")
    return inside


def mask_of(region: Mapping[str, Any], size: Any = None) -> "NDArray[np.bool_]":
    """Return a region's mask as an array of shape (height, width): True inside. Of a polygon, the pixels inside of it.

    The size is that of the picture in the region unless `size` is given. A bitmask of another size is scaled to it, as
    Label Studio does. Raises ValueError if the region has no mask, its code is damaged, or the size is not known or
    larger than that of any mask.
    """
    picture, value = size_of_region(region, size), region["value"]
    width, height = int(picture.width), int(picture.height)
    if (
        width * height > brush_rle.MAX_PIXELS
    ):  # the size is what an annotation says: it must not take all memory
        raise ValueError(f"A mask has {brush_rle.MAX_PIXELS:,} pixels at most, not {width:,} x {height:,}")
    if "rle" in value:
        inside: NDArray[np.bool_] = brush_rle.decode(value["rle"], height, width) >= INSIDE
        return inside
    if "imageDataURL" in value:
        return _of_png(str(value["imageDataURL"]), width, height)
    if "points" in value:
        return filled([polygon_of(region, size)], height, width)
    raise ValueError(f"The region has no mask: its value has {fields_in(region)}")


def _png(inside: "NDArray[np.bool_]") -> str:
    """Return a PNG as data URL: white where the mask is, and transparent elsewhere."""
    import numpy as np
    from PIL import Image

    alpha = np.where(inside, 255, 0).astype(np.uint8)
    image = Image.merge("LA", (Image.new("L", (alpha.shape[1], alpha.shape[0]), 255), Image.fromarray(alpha)))
    data = io.BytesIO()
    image.save(data, "PNG")
    return _PNG + base64.b64encode(data.getvalue()).decode()


def _of_png(url: str, width: int, height: int) -> "NDArray[np.bool_]":
    import numpy as np
    from PIL import Image

    if not url.startswith(_PNG):
        raise ValueError(f"imageDataURL must begin with {_PNG!r}, not {url[:30]!r}")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(url[len(_PNG) :], validate=True)))
        alpha = image.convert("RGBA").getchannel("A")
    except (ValueError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"imageDataURL is no PNG that can be read: {error}") from None
    if alpha.size != (width, height):
        alpha = alpha.resize((width, height), Image.Resampling.NEAREST)
    inside: NDArray[np.bool_] = np.asarray(alpha) >= INSIDE
    return inside
