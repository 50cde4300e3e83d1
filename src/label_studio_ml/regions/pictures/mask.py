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
from label_studio_ml.regions.pictures.picture_size import size_of, size_of_region
from label_studio_ml.regions.region import Region, fields_in, make, require

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
    size: pixels that are not 0 are inside; with `threshold`, those above it. Raises ValueError for another shape, and
    LabelConfigError if the control takes no masks or does not have the label.
    """
    import numpy as np

    require(control, Geometry.BRUSH, Geometry.BITMASK)
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or not array.size:
        raise ValueError(f"A mask must be an array of shape (height, width), not {array.shape}")
    inside = array > threshold if threshold is not None else array != 0
    if not inside.any():
        return None
    fields = size_of((array.shape[1], array.shape[0])).fields
    if control.kind.geometry is Geometry.BRUSH:
        value = {"format": "rle", "rle": brush_rle.encode(inside)}
    else:
        value = {"imageDataURL": _png(inside)}
    return make(control, value, label=label, score=score, id=id, item_index=item_index, **fields)


def mask_of(region: Mapping[str, Any], size: Any = None) -> "NDArray[np.bool_]":
    """Return a region's mask as an array of shape (height, width): True inside.

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
