"""Parts of regions: what a second control says of a region that another control has made."""

from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import control_tag
from label_studio_ml.regions.control_value import require_per_region, value_field, with_values
from label_studio_ml.regions.region import Region, require_control

#: Fields beside `value` that entries of one region share.
_SHARED_FIELDS = ("original_width", "original_height", "image_rotation", "item_index")


def attach(
    region: Region | None, control: Control, *values: Any, score: float | None = None
) -> Region | None:
    """Return the part of `region` that belongs to a second control: labels, choices, texts, a rating.

    Label Studio keeps what several controls say of one region as entries with the same id and place. For a `<Labels>`
    beside a `<Rectangle>`, or a `<TextArea perRegion="true">` with the text in a box, for example. `values` are what
    the control holds: labels of the model, where a list or tuple is one path of a `<Taxonomy>`; texts of a
    `<TextArea>`; one value of a `<Rating>`, `<Number>` or `<DateTime>`.

    None without labels or texts, if all labels are dropped, or if `region` is None, as of a box outside of the picture.
    Raises LabelConfigError if the control labels another object, has no `perRegion` or does not have the label, and
    ValueError for a value that the control cannot hold.
    """
    if region is None:
        return None
    require_control(control)
    if region["to_name"] not in (control.to_name, *(item.name for item in control.objects)):
        raise LabelConfigError(
            f"{control} does not label {region['to_name']!r}, which the region is on", field="label_config"
        )
    require_per_region(control)
    fields = {name: region[name] for name in _SHARED_FIELDS if name in region}
    return with_values(control, values, place=_place(region), score=score, id=region["id"], **fields)


def _place(region: Region) -> dict[str, Any]:
    """Return the value of a region without what its own control says: labels, or the text of a `<TextArea>`."""
    kind = control_tag(region["type"])
    own = value_field(kind) if kind is not None else ""
    return {
        name: part for name, part in region["value"].items() if name != own and not name.endswith("labels")
    }
