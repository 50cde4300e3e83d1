"""Boxes on the pages of PDF files."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import box, box_of, page_box, page_box_of
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Pdf name="pdf" value="$pdf"/>
<OcrLabels name="ocr" toName="pdf"><Label value="Total"/><Label value="Name"/></OcrLabels></View>"""
CONTROL = Controls(CONFIG)["ocr"]

sizes = st.tuples(st.floats(10, 20_000), st.floats(10, 20_000))
spans = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 0.001)


@given(sizes, spans, spans, st.sampled_from([0, 30, 90, 271.5]), st.integers(0, 99), st.none() | st.text())
@settings(max_examples=200, deadline=None)
def test_boxes_come_back(size: Any, xs: Any, ys: Any, rotation: float, page: int, text: str | None) -> None:
    xyxy = (xs[0] * size[0], ys[0] * size[1], xs[1] * size[0], ys[1] * size[1])
    region = page_box(
        CONTROL, page=page, xyxy=xyxy, rotation=rotation, size=size, label="Total", text=text, score=0.5
    )
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    back = page_box_of(region, size)
    assert (back.page, back.text) == (page, text)
    assert back.box.rotation == pytest.approx(rotation)
    shape = ((xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2, xyxy[2] - xyxy[0], xyxy[3] - xyxy[1])
    assert np.allclose(back.box.cxcywh, shape, rtol=0, atol=0.01)


def test_the_value_of_a_region() -> None:
    region = page_box(
        CONTROL, page=1, xywh=(61.2, 79.2, 306, 198), size=(612, 792), label="Name", text="Ann", id="r"
    )
    assert region == {
        "id": "r",
        "from_name": "ocr",
        "to_name": "pdf",
        "type": "ocrlabels",
        "value": {
            "x": 0.1,
            "y": 0.1,
            "width": 0.5,
            "height": 0.25,
            "rotation": 0.0,
            "pageIndex": 2,
            "ocrtext": "Ann",
            "ocrlabels": ["Name"],
        },
    }
    assert page_box_of(region).box.xyxy == pytest.approx((0.1, 0.1, 0.6, 0.35))


def test_boxes_that_are_no_boxes_on_a_page() -> None:
    with pytest.raises(ValueError, match="page must be a whole number of 0 or more, not -1"):
        page_box(CONTROL, page=-1, xyxy=(0, 0, 1, 1), size=(10, 10), label="Name")
    assert page_box(CONTROL, page=0, xyxy=(20, 0, 30, 1), size=(10, 10), label="Name") is None
    kept = page_box(CONTROL, page=0, xyxy=(20, 0, 30, 1), size=(10, 10), label="Name", clip=False)
    assert kept is not None
    assert page_box_of(kept, (10, 10)).box.xyxy == pytest.approx((20, 0, 30, 1))
    turned = page_box(CONTROL, page=0, xyxy=(2, 2, 6, 6), rotation=5, size=(10, 10), label="Name")
    assert turned is not None
    with pytest.raises(ValueError, match="A box that is turned needs size"):
        page_box_of(turned)
    with pytest.raises(ValueError, match="The region has no box on a page: its value has start"):
        page_box_of({"value": {"start": 1}})


def test_pages_and_pictures_are_not_mixed_up() -> None:
    with pytest.raises(LabelConfigError, match="holds no box"):
        box(CONTROL, xyxy=(0, 0, 1, 1), size=(10, 10), label="Name")
    region = page_box(CONTROL, page=0, xyxy=(0, 0, 1, 1), size=(10, 10), label="Name")
    assert region is not None
    with pytest.raises(ValueError, match=r"use regions\.page_box_of"):
        box_of(region, (10, 10))
    boxes = Controls('<View><Image name="i" value="$i"/><Rectangle name="b" toName="i"/></View>')["b"]
    with pytest.raises(LabelConfigError, match="holds no box on a page"):
        page_box(boxes, page=0, xyxy=(0, 0, 1, 1), size=(10, 10))
