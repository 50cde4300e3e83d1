"""Masks as brush regions and bitmasks: bit by bit, and back."""

import base64
import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.pictures.mask import mask, mask_of, masks
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="brush" toName="image"><Label value="Road"/></BrushLabels>
<BitmaskLabels name="bits" toName="image"><Label value="Road"/></BitmaskLabels>
<Rectangle name="box" toName="image"/></View>"""
CONTROLS = Controls(CONFIG)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0.01, 1),
    st.integers(0, 1 << 32),
    st.sampled_from(["brush", "bits"]),
)
@settings(max_examples=200, deadline=None)
def test_masks_come_back_bit_by_bit(height: int, width: int, density: float, seed: int, name: str) -> None:
    pixels = np.random.default_rng(seed).random((height, width)) < density
    region = mask(CONTROLS[name], pixels, label="road")
    if not pixels.any():
        assert region is None
        return
    assert region is not None
    assert (region["original_width"], region["original_height"]) == (width, height)
    assert np.array_equal(mask_of(region), pixels)
    assert RegionChecks(CONFIG).refusal([region]) is None


def test_probabilities_and_extra_dimensions() -> None:
    probabilities = np.array([[[0.2, 0.8], [0.5, 0.51]]], dtype=np.float32)
    region = mask(CONTROLS["brush"], probabilities, threshold=0.5, label="Road", score=0.7)
    assert region is not None
    assert mask_of(region).tolist() == [[False, True], [False, True]]
    assert region["value"]["brushlabels"] == ["Road"]
    nested = mask(CONTROLS["brush"], [[0, 1], [0, 1]], label="Road")
    assert nested is not None
    assert nested["value"]["rle"] == region["value"]["rle"]


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (0, 5)])
def test_what_is_no_mask_is_an_error(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"must be an array of shape \(height, width\)"):
        mask(CONTROLS["brush"], np.ones(shape), label="Road")


def test_controls_without_masks_are_errors() -> None:
    with pytest.raises(
        LabelConfigError, match='<Rectangle name="box"> for <Image> holds no brush mask or bitmask'
    ):
        mask(CONTROLS["box"], np.ones((2, 2)))


def test_a_bitmask_of_another_size_is_scaled() -> None:
    region = mask(CONTROLS["bits"], np.array([[1, 0], [0, 1]]), label="Road")
    assert region is not None
    large = mask_of(region, size=(4, 2))
    assert large.tolist() == [[True, True, False, False], [False, False, True, True]]


def test_a_bitmask_without_alpha_covers_the_whole_picture() -> None:
    data = io.BytesIO()
    Image.new("L", (3, 2), 0).save(data, "PNG")
    url = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    assert mask_of({"value": {"imageDataURL": url}}, size=(3, 2)).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": 1}, "has no mask: its value has x"),
        ({"imageDataURL": "http://host/a.png"}, "imageDataURL must begin with"),
        ({"imageDataURL": "data:image/png;base64,AAAA"}, "is no PNG that can be read"),
        ({"imageDataURL": "data:image/png;base64,!"}, "is no PNG that can be read"),
        ({"rle": [1, 2]}, "shorter than its header"),
    ],
)
def test_damaged_masks_are_errors(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_of({"value": value}, size=(3, 2))


@pytest.mark.parametrize("name", ["brush", "bits"])
def test_a_region_that_says_it_is_huge_takes_no_memory(name: str) -> None:
    region = mask(CONTROLS[name], np.ones((2, 2)), label="Road")
    assert region is not None
    with pytest.raises(ValueError, match="has 100,000,000 pixels at most, not 20,000 x 10,000"):
        mask_of({**region, "original_width": 20_000, "original_height": 10_000})


def test_a_png_that_unpacks_to_too_many_pixels_is_an_error() -> None:
    header = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (header, b"IDAT" + zlib.compress(b"")):
        data += (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    region = {"original_width": 2, "original_height": 2, "value": {"imageDataURL": url}}
    with pytest.raises(ValueError, match="imageDataURL is no PNG that can be read"):
        mask_of(region)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ([[0.2, 0.9]], "needs a threshold: pass threshold=0.5 for probabilities, threshold=0 for logits"),
        ([[-3.0, 2.0]], "needs a threshold"),
        (
            [[0, 1, 2]],
            "must have one number beside 0: pass array == number for one class of an array of class",
        ),
        ([[0.0, float("nan")]], "must be an array of numbers, but it has NaN"),
        ([["a", "b"]], "must be an array of numbers or booleans, not of <U1"),
        ([[None, 1]], "must be an array of numbers or booleans, not of object"),
    ],
)
def test_numbers_that_say_no_mask_are_errors(pixels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask(CONTROLS["brush"], pixels, label="Road")


def test_masks_of_numbers_without_a_threshold() -> None:
    for pixels in ([[0.0, 1.0]], [[0, 255]], [[False, True]], np.array([[0, 1]], dtype=np.uint8)):
        region = mask(CONTROLS["brush"], pixels, label="Road")
        assert region is not None
        assert mask_of(region).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="threshold must be a finite number"):
        mask(CONTROLS["brush"], [[0.5]], label="Road", threshold=float("nan"))


def test_the_masks_of_a_picture() -> None:
    arrays = np.zeros((3, 1, 4, 5))
    arrays[0, 0, 1, 1] = arrays[1, 0, 2, 2] = 1
    made = masks(CONTROLS["brush"], arrays, labels="Road", scores=[0.9, 0.2, 0.8], min_score=0.5)
    assert [region["score"] for region in made] == [0.9]  # the last one is empty
    assert np.argwhere(mask_of(made[0])).tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="scores must have an entry for each of the 3 masks, not 1"):
        masks(CONTROLS["brush"], arrays, labels="Road", scores=[0.9])
