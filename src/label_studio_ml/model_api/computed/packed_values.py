"""Pack values of a model into bytes, and back, without pickle: unpacking runs no code that the bytes name.

A packed value is `MAGIC`, the CRC-32 of all that follows as four bytes, the length of the structure as eight bytes, the
structure as MessagePack, and the contents of its arrays, each at a multiple of `ALIGNMENT` bytes. In the structure, an
array stands as an extension with its kind, data type, shape, position and size.
"""

import importlib
import struct
import sys
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from label_studio_ml.errors import ModelError
from label_studio_ml.support.arguments import described

MAGIC = b"LSMLVAL1"
ALIGNMENT = 64

_CHECKSUM, _LENGTH = struct.Struct("<I"), struct.Struct("<Q")
_CHECKED_FROM = len(MAGIC) + _CHECKSUM.size
_START = _CHECKED_FROM + _LENGTH.size
_NUMPY, _TORCH = 1, 2

#: Types of plain values. The encoder also takes sets, dates, enums, dataclasses and others, which would come back as
#: lists, texts, numbers and dicts.
_PLAIN = (type(None), bool, int, float, str, bytes, bytearray, memoryview)


class DamagedValue(Exception):
    """The bytes are not a packed value, or not all of it."""


class _Array(msgspec.Struct, array_like=True):
    """An array in the structure: its `size` bytes begin at `position` of the contents. `shape` is in elements."""

    dtype: str
    shape: list[int]
    position: int
    size: int


def pack(value: Any) -> bytes:
    """Return `value` as bytes.

    It may consist of numpy arrays and numbers, torch tensors, None, bool, int of at most 64 bits, float, str, bytes,
    and lists, tuples and dicts of these, nested. Raises ModelError for anything else.
    """
    contents: list[bytes] = []
    position = 0

    def extension(item: Any) -> Any:
        nonlocal position
        simple = _simple(item)
        if simple is not item:
            return simple
        code, dtype, shape, content = _array_content(item)
        entry = _Array(dtype, shape, position, len(content))
        padding = -len(content) % ALIGNMENT
        contents.extend((content, bytes(padding)))
        position += len(content) + padding
        return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(entry))

    try:
        structure = msgspec.msgpack.encode(value, enc_hook=extension)
        _refuse_converted(value)  # after the encoder, which has refused values that contain themselves
        msgspec.msgpack.decode(structure)  # keys of a dict may be packed that cannot be keys of a dict again
    except RecursionError:
        raise _refused("it is nested too deeply, or contains itself") from None
    except (OverflowError, UnicodeError, msgspec.MsgspecError) as error:
        raise _refused(str(error)) from None
    padding = bytes(-(_START + len(structure)) % ALIGNMENT)
    parts = (_LENGTH.pack(len(structure)), structure, padding, *contents)
    return b"".join((MAGIC, _CHECKSUM.pack(_checksum(parts)), *parts))


def verify(packed: bytes) -> None:
    """Compare a packed value with its checksum. Raises DamagedValue if it is not what `pack` has returned."""
    if len(packed) < _START or packed[: len(MAGIC)] != MAGIC:
        raise DamagedValue("It is no packed value")
    (checksum,) = _CHECKSUM.unpack_from(packed, len(MAGIC))
    if checksum != _checksum((memoryview(packed)[_CHECKED_FROM:],)):
        raise DamagedValue("Its content does not match its checksum")


def unpack(packed: bytes) -> Any:
    """Return the value that `pack` has packed. Its arrays are writable copies; tensors are in main memory (CPU).

    Tuples become lists. Does not compare the checksum, which `verify` does once for each file. Raises DamagedValue, and
    ImportError if the library of an array is not installed.
    """
    view = memoryview(packed)
    if len(view) < _START or view[: len(MAGIC)] != MAGIC:
        raise DamagedValue("It is no packed value")
    (length,) = _LENGTH.unpack_from(view, _CHECKED_FROM)
    structure = view[_START : _START + length]
    start = _START + length + -(_START + length) % ALIGNMENT

    def array(code: int, data: memoryview) -> Any:
        entry = msgspec.msgpack.decode(data, type=_Array)
        content = bytearray(view[start + entry.position : start + entry.position + entry.size])
        if len(content) != entry.size:
            raise DamagedValue("The end of the value is missing")
        if code == _NUMPY:
            return _numpy_array(entry, content)
        if code == _TORCH:
            return _torch_tensor(entry, content)
        raise DamagedValue("It has an array of an unknown kind")

    try:
        return msgspec.msgpack.decode(structure, ext_hook=array)
    except (DamagedValue, ImportError, MemoryError):
        raise
    except Exception as error:  # numpy alone raises five types, SyntaxError among them
        raise DamagedValue(str(error)) from error


def _checksum(parts: Iterable[bytes | memoryview]) -> int:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return checksum


def _simple(item: Any) -> Any:
    """Return a number, text or bytes of numpy or of a subclass as Python's own, any other `item` as it is."""
    if isinstance(item, str):
        return str.__str__(item)
    if isinstance(item, bytes):
        return bytes(item)
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(item, numpy.bool_ | numpy.number):
        return item
    number = item.item()
    return item if isinstance(number, numpy.generic) else number  # a longdouble has no number of Python


def _refuse_converted(value: Any) -> None:
    """Raise ModelError if a value has a part of another type than those that `pack` names."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
        elif not isinstance(item, _PLAIN) and not _is_of_array_library(item):
            raise _refused(f"it has {described(item)}")


def _is_of_array_library(item: Any) -> bool:
    """Tell whether a value is an array, a tensor or a number of numpy."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and isinstance(item, numpy.ndarray | numpy.generic):
        return True
    return torch is not None and isinstance(item, torch.Tensor)


def _array_content(item: Any) -> tuple[int, str, list[int], bytes]:
    """Return the kind, data type, shape and bytes of an array. Raises ModelError if `item` is none that can be kept."""
    # A value that belongs to numpy or torch exists only where they have been imported.
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(item, torch.Tensor):
        if item.layout != torch.strided or item.is_quantized:
            raise _refused(f"it has a {item.layout} tensor of the data type {item.dtype}")
        tensor = item.detach().cpu().resolve_conj().resolve_neg().contiguous()
        content = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        return _TORCH, str(tensor.dtype).removeprefix("torch."), list(tensor.shape), content
    if numpy is not None and isinstance(item, numpy.ndarray) and not isinstance(item, numpy.ma.MaskedArray):
        if item.dtype.hasobject or numpy.dtype(item.dtype.str) != item.dtype:
            raise _refused(f"it has an array of the data type {item.dtype}")
        return _NUMPY, item.dtype.str, list(item.shape), item.tobytes()
    raise _refused(f"it has {described(item)}")


def _numpy_array(entry: _Array, content: bytearray) -> Any:
    import numpy

    dtype = numpy.dtype(entry.dtype)
    if dtype.hasobject:  # its elements would be addresses
        raise DamagedValue(f"{entry.dtype} is no data type of values")
    if any(length < 0 for length in entry.shape):
        raise DamagedValue(f"{entry.shape} is no shape")
    return numpy.ndarray(shape=tuple(entry.shape), dtype=dtype, buffer=content)


def _torch_tensor(entry: _Array, content: bytearray) -> Any:
    torch: Any = importlib.import_module("torch")
    dtype = getattr(torch, entry.dtype)
    if not isinstance(dtype, torch.dtype):
        raise DamagedValue(f"{entry.dtype} is no data type")
    if not content:
        return torch.empty(entry.shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(entry.shape)


def _refused(cause: str) -> ModelError:
    return ModelError(
        f"The value cannot be kept: {cause}",
        fix="Return numpy arrays, torch tensors, numbers, texts, bytes, or lists and dicts of these",
    )
