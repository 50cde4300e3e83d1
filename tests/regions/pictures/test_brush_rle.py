"""The code of brush regions, beside that of the SDK, which is a port of the frontend's package."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk.converter import brush

from label_studio_ml.regions.pictures import brush_rle


@st.composite
def masks(draw: st.DrawFn) -> Any:
    """Return masks of any shape, from one colour to noise."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    density, seed = draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9, 1.0])), draw(st.integers(0, 1 << 32))
    return np.random.default_rng(seed).random((height, width)) < density


@given(masks())
@settings(max_examples=300, deadline=None)
def test_a_mask_comes_back_bit_by_bit(mask: Any) -> None:
    code = brush_rle.encode(mask)
    assert np.array_equal(brush_rle.decode(code, *mask.shape), np.where(mask, 255, 0))


@given(masks())
@settings(max_examples=100, deadline=None)
def test_the_code_is_the_one_of_the_sdk(mask: Any) -> None:
    code = brush_rle.encode(mask)
    by_sdk = brush.mask2rle(np.where(mask, 255, 0).astype(np.uint8))
    assert by_sdk in (code, [*code, 0])  # the SDK adds a byte to a code that fills its last one


@given(st.lists(st.integers(0, 255), min_size=4, max_size=400), st.integers(0, 1 << 32))
@settings(max_examples=200, deadline=None)
def test_codes_with_values_that_are_not_repeated(values: list[int], seed: int) -> None:
    """The frontend writes the pixels of its canvas, whose edges are soft and whose colours differ."""
    random = np.random.default_rng(seed)
    values = [value for value in values for _ in range(int(random.choice([1, 1, 2, 20])))]
    code = brush.encode_rle(np.array(values, dtype=np.uint8))
    assert brush_rle.decode_values(code).tolist() == values
    assert brush_rle.decode_values(bytes(code)).tolist() == brush.decode_rle(code).tolist()
    if len(values) % 4 == 0:
        assert brush_rle.decode(code, 1, len(values) // 4)[0].tolist() == values[3::4]


@pytest.mark.parametrize("pixels", [16_383, 16_384, 16_385, 32_768, 70_000])
def test_runs_longer_than_a_chunk(pixels: int) -> None:
    mask = np.ones((1, pixels), dtype=bool)
    mask[0, -1] = False
    code = brush_rle.encode(mask)
    assert brush.mask2rle(np.where(mask, 255, 0).astype(np.uint8))[: len(code)] == code
    assert np.array_equal(brush_rle.decode(code, 1, pixels) > 0, mask)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_masks_of_any_type_and_memory_layout(dtype: type) -> None:
    mask = (np.arange(35).reshape(5, 7) % 3 == 0).astype(dtype)
    expected = brush_rle.encode(mask != 0)
    assert brush_rle.encode(mask) == expected
    assert brush_rle.encode(np.asfortranarray(mask)) == expected
    assert brush_rle.encode(np.repeat(mask, 2, axis=1)[:, ::2]) == expected


@pytest.mark.parametrize("shape", [(0, 5), (5,), (2, 3, 4)])
def test_what_is_no_mask_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be an array of shape \(height, width\)"):
        brush_rle.encode(np.zeros(shape))


def test_a_code_for_a_picture_of_another_size_is_an_error() -> None:
    code = brush_rle.encode(np.ones((4, 5)))
    with pytest.raises(ValueError, match=r"is for 20 pixels, not for 6 x 4 = 24"):
        brush_rle.decode(code, 4, 6)


@given(st.lists(st.integers(-1, 256), max_size=60) | st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_damaged_code_is_an_error_or_some_values(code: Any) -> None:
    header = bytes([0, 0, 0, 40, 59, 0x92, 0x7F, 0x80])
    _decode_or_refuse(code)
    _decode_or_refuse([*header, *code])


def _decode_or_refuse(code: Any) -> None:
    try:
        values = brush_rle.decode_values(code)
    except ValueError as error:
        assert "brush region's code" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert values.dtype == np.uint8


def test_a_code_that_is_cut_off_is_an_error() -> None:
    code = brush_rle.encode(np.random.default_rng(1).random((20, 20)) < 0.5)
    for length in range(len(code)):
        with pytest.raises(ValueError, match="brush region's code"):
            brush_rle.decode_values(code[:length])
        with pytest.raises(ValueError, match="brush region's code"):
            brush_rle.decode(code[:length], 20, 20)


def test_numpy_is_imported_by_the_first_call_only() -> None:
    program = "import sys, json, label_studio_ml.regions.pictures.brush_rle; print(json.dumps('numpy' in sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert json.loads(run.stdout) is False


def test_codes_and_masks_of_other_types() -> None:
    code = brush_rle.encode(np.array([[0, 1], [1, 0]]))
    assert brush_rle.encode([[0, 1], [1, 0]]) == code  # type: ignore[arg-type]
    for rle in (np.array(code), np.array(code, dtype=np.uint8), bytearray(code), tuple(code)):
        assert brush_rle.decode(rle, 2, 2).tolist() == [[0, 255], [255, 0]]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is not a list of numbers"):
        brush_rle.decode(10**9, 2, 2)  # type: ignore[arg-type]
