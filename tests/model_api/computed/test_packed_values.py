"""What packed values give back, and what is refused."""

import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from label_studio_ml.errors import ModelError
from label_studio_ml.model_api.computed.packed_values import (
    ALIGNMENT,
    MAGIC,
    DamagedValue,
    pack,
    unpack,
    verify,
)

_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda values: (
        st.lists(values, max_size=4) | st.dictionaries(st.text() | st.integers(0, 99), values, max_size=4)
    ),
    max_leaves=20,
)
_dtypes = (
    hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?")
    | hnp.complex_number_dtypes(endianness="?")
    | hnp.boolean_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
)
_arrays = _dtypes.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4))
)


@given(_plain)
@settings(max_examples=50)
def test_plain_values_come_back(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(st.lists(_arrays, max_size=3))
@settings(max_examples=50)
def test_arrays_come_back_bit_by_bit(arrays: list[Any]) -> None:
    for before, after in zip(arrays, unpack(pack({"arrays": arrays}))["arrays"], strict=True):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert after.tobytes() == before.tobytes()
        assert after.flags.writeable
        assert after.flags.aligned


def test_arrays_in_any_layout_come_back_in_rows() -> None:
    cube = np.arange(24).reshape(2, 3, 4)
    for view in (cube.T, cube[::-1, :, ::2], np.asfortranarray(cube)):
        after = unpack(pack(view))
        assert np.array_equal(after, view)
        assert after.flags.c_contiguous


def test_each_use_is_a_copy() -> None:
    packed = pack({"image": np.zeros(4)})
    unpack(packed)["image"][:] = 1
    assert not unpack(packed)["image"].any()


def test_contents_are_aligned() -> None:
    packed = pack([np.full(3, 7, "u1"), np.full(5, 9, "u1")])
    assert packed.index(b"\7\7\7") % ALIGNMENT == packed.index(b"\t\t\t\t\t") % ALIGNMENT == 0


def test_numbers_of_numpy_are_pythons() -> None:
    values = [np.float32(0.5), np.float64(0.25), np.int8(3), np.bool_(True), np.complex64(1).real]
    after = unpack(pack(values))
    assert after == [0.5, 0.25, 3, True, 1.0]
    assert [type(value) for value in after] == [float, float, int, bool, float]
    assert math.isnan(unpack(pack(math.nan)))


def test_texts_and_bytes_of_numpy_are_pythons() -> None:
    after = unpack(pack([np.array(["cat"])[0], np.array([b"dog"])[0]]))
    assert after == ["cat", b"dog"]
    assert [type(value) for value in after] == [str, bytes]


def test_tuples_become_lists() -> None:
    assert unpack(pack((1, (2, 3)))) == [1, [2, 3]]


class _Own:
    pass


class _Colour(Enum):
    RED = 1


@dataclass
class _Point:
    x: int


def _endless() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (_Own(), "it has a _Own"),
        ([{"model": _Own}], "it has a type"),
        (np.array([_Own()], dtype=object), "an array of the data type object"),
        (np.zeros(2, [("x", "f4"), ("y", "f4")]), "an array of the data type"),
        (np.zeros(2).view(np.ma.MaskedArray), "it has a MaskedArray"),
        (1 << 70, "can't serialize ints"),
        ("\ud800", "surrogates"),
        ({_Own(): 1}, "it has a _Own"),
        (_endless(), "contains itself"),
        ({1, 2}, "it has a set"),
        ([datetime(2026, 1, 2, tzinfo=UTC)], "it has a datetime"),
        ({"price": Decimal("1.10")}, "it has Decimal"),
        ([_Colour.RED], "it has a _Colour"),
        ((_Point(1),), "it has a _Point"),
        (np.longdouble(1) / 3, "it has np.longdouble"),
    ],
)
def test_what_cannot_be_kept_is_refused(value: Any, cause: str) -> None:
    with pytest.raises(ModelError, match=cause) as raised:
        pack(value)
    assert "Return numpy arrays" in raised.value.fix


@pytest.mark.parametrize("cut", [0, 7, 12, 30, 100, -40])
def test_damaged_values_are_noticed(cut: int) -> None:
    packed = pack({"embedding": np.arange(100.0), "size": [3, 4]})
    with pytest.raises(DamagedValue):
        unpack(packed[:cut])


def test_other_files_and_unknown_arrays_are_no_values() -> None:
    with pytest.raises(DamagedValue):
        unpack(b"\x80\x04\x95 a pickle, or any other file")
    packed = pack(np.zeros(3))
    for old, new in ((b"<f8", b"<q9"), (b"<f8", b"|O8"), (b"\xc7", b"\xc8")):
        assert old in packed
        with pytest.raises(DamagedValue):
            unpack(packed.replace(old, new, 1))


def test_a_pickle_in_a_value_stays_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pickle", None)
    assert unpack(pack(b"cos\nsystem\n(S'true'\ntR.")) == b"cos\nsystem\n(S'true'\ntR."


def test_a_changed_byte_does_not_match_the_checksum() -> None:
    packed = pack({"embedding": np.arange(100.0), "size": [3, 4]})
    verify(packed)
    for position in (8, 13, 40, len(packed) - 70, len(packed) - 1):
        changed = bytearray(packed)
        changed[position] ^= 1
        with pytest.raises(DamagedValue, match="checksum"):
            verify(bytes(changed))
    for other in (packed[:-1], packed + b"\0", b"", b"LSMLVAL1", b"LSMLVAL1" + bytes(12)):
        with pytest.raises(DamagedValue):
            verify(other)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("f4,(", [2]), ("<f4", [-1]), ("<f4", [2**63]), ("<f4", [1] * 100), ("<U99999999999", [1]), ("O", [1])],
)
def test_an_array_that_numpy_cannot_make_is_damaged(dtype: str, shape: list[int]) -> None:
    entry = msgspec.msgpack.encode([dtype, shape, 0, 8])
    with pytest.raises(DamagedValue):
        unpack(_packed(msgspec.msgpack.encode(msgspec.msgpack.Ext(1, entry))))


def test_a_structure_that_is_nested_too_deeply_is_damaged() -> None:
    with pytest.raises(DamagedValue):
        unpack(_packed(b"\x91" * 100_000 + b"\xc0"))


def _packed(structure: bytes) -> bytes:
    """Return a packed value with a structure that `pack` does not make, and 64 bytes of contents."""
    head = MAGIC + bytes(4) + len(structure).to_bytes(8, "little") + structure
    return head + bytes(-len(head) % ALIGNMENT) + bytes(64)


def test_tensors_come_back() -> None:
    torch = pytest.importorskip("torch")
    tensors = {
        "half": torch.arange(6).reshape(2, 3).to(torch.bfloat16),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "complex": torch.tensor([1 + 2j]).conj(),
        "bool": torch.tensor([True, False]),
        "view": torch.arange(12.0).reshape(3, 4).T,
        "grad": torch.ones(2, requires_grad=True),
    }
    for name, after in unpack(pack(tensors)).items():
        before = tensors[name].detach()
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert torch.equal(after, before.resolve_conj())
    with pytest.raises(ModelError, match="sparse"):
        pack(torch.eye(3).to_sparse())
