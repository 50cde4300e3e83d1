"""Boxes on the pages of PDF files: `<OcrLabels>`, with the text in each box.

Label Studio's documentation of `<Pdf>` has the format: shares of the page from 0 to 1, not percent as in boxes on
pictures, a rotation around the top left corner, and pages counted from 1. The editor of Label Studio's free edition has
no `<OcrLabels>`; there, pages are made into pictures: see `regions.box` and its `item_index`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.box import Box, box_in_pixels
from label_studio_ml.regions.pictures.picture_size import UNIT, frame_of, size_of
from label_studio_ml.regions.region import Region, fields_in, make, number, one_form, position, require

#: Decimal places of shares: a millionth of a page.
_DIGITS = 8

_FIELDS = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class PageBox:
    """A box on a page, counted from 0 as in Python, and the text in it; None if Label Studio read none."""

    page: int
    box: Box
    text: str | None = None


def page_box(
    control: Control,
    *,
    page: int,
    xyxy: Any = None,
    xywh: Any = None,
    cxcywh: Any = None,
    corners: Any = None,
    rotation: float = 0.0,
    size: Any = None,
    relative: bool = False,
    label: Any = None,
    text: str | None = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    clip: bool = True,
) -> Region | None:
    """Return a box on a page of a PDF file as a region of `<OcrLabels>`; None if its label is dropped, or it is
    outside of the page.

    `page` counts from 0, as Python's PDF libraries do. The box and `size`, the page's width and height, are in any one
    unit, such as points, from the page's top left corner; see `box`, also for `clip`. `text` is the text in the box.

    Raises ValueError for numbers that are no box, and LabelConfigError for a label that the control does not have.
    """
    require(control, Geometry.PAGE_BOX)
    form, values = one_form({"xyxy": xyxy, "xywh": xywh, "cxcywh": cxcywh, "corners": corners})
    frame = frame_of(size, relative=relative)
    made = box_in_pixels(frame, form, values, number(rotation, "rotation"))
    shown = made.clipped(frame.size) if clip else made
    if shown is None:
        return None
    value: dict[str, Any] = shown.value(frame.size)
    value |= {name: round(value[name] / 100, _DIGITS) for name in _FIELDS}
    value["pageIndex"] = position(page, "page") + 1
    if text is not None:
        value["ocrtext"] = str(text)
    return make(control, value, label=label, score=score, id=id)


def page_box_of(region: Mapping[str, Any], size: Any = None) -> PageBox:
    """Return a box on a page in the unit of `size`, the page's width and height; in shares of it without a size.

    Raises ValueError if the region has no such box, or one that is turned and no size.
    """
    value = region["value"]
    if any(value.get(name) is None for name in _FIELDS):
        raise ValueError(f"The region has no box on a page: its value has {fields_in(region)}")
    if size is None and number(value.get("rotation") or 0, "rotation") % 360:
        raise ValueError("A box that is turned needs size=(width, height) of its page")
    picture = UNIT if size is None else size_of(size)
    percent = {**value, **{name: number(value[name], name) * 100 for name in _FIELDS}}
    text = value.get("ocrtext")
    page = position(number(value.get("pageIndex") or 1, "pageIndex") - 1, "pageIndex")
    return PageBox(page, Box.of_value(percent, picture), None if text is None else str(text))
