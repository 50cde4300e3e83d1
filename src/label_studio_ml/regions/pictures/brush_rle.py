"""The run-length code of Label Studio's brush regions, to and from masks, without a loop over pixels.

The code is that of the npm package `@thi.ng/rle-pack`, which Label Studio's frontend uses: a bit stream of

    32 bits      number of values
     5 bits      bits of a value, less 1
     4 x 4 bits  the four widths of lengths, each less 1
    then chunks: 1 bit: whether one value is repeated; 2 bits: which width; that many bits: the length, less 1;
                 the value, or as many values as the length says

The values are the bytes of the picture's pixels, row by row: red, green, blue, alpha of each. A mask is its alpha
channel: 0 outside, 255 inside. The masks that are encoded here have the same value in all four channels.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Channels of a pixel, and the index of the one that is the mask.
_CHANNELS, _ALPHA = 4, 3
#: The bits of a value, and the widths in bits of lengths that the encoder uses: those of Label Studio's frontend.
_VALUE_BITS, _WIDTHS = 8, (3, 4, 8, 16)
#: Start and end of some values, and the values: an array, or an int that is repeated.
_Chunk = tuple[int, int, Any]
#: Bits of the header.
_HEADER = 32 + 5 + 4 * 4
#: The most pixels of a mask, and values of a code.
MAX_PIXELS = 100_000_000
MAX_VALUES = MAX_PIXELS * _CHANNELS


def encode(mask: "NDArray[Any]") -> list[int]:
    """Return the code of a mask of shape (height, width) as bytes: pixels that are not 0 are inside.

    Raises ValueError if the mask has another shape, no pixels or too many.
    """
    import numpy as np

    mask = np.asarray(mask)
    if mask.ndim != 2 or not 0 < mask.size <= MAX_PIXELS:
        raise ValueError(
            f"A mask must be an array of shape (height, width) with 1 to {MAX_PIXELS:,} pixels, "
            f"not of shape {mask.shape}"
        )
    pixels = (mask if mask.dtype == np.bool_ else mask != 0).ravel()
    starts = np.concatenate(([0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1))
    lengths = np.diff(starts, append=pixels.size) * _CHANNELS
    inside = pixels[starts]
    longest = 1 << _WIDTHS[-1]
    pieces = -(-lengths // longest)  # a chunk repeats a value at most `longest` times
    last = np.cumsum(pieces) - 1
    chunks = np.full(int(pieces.sum()), longest, dtype=np.int64)
    chunks[last] = lengths - (pieces - 1) * longest
    values = np.where(np.repeat(inside, pieces), 255, 0).astype(np.int64)
    widths = np.array(_WIDTHS, dtype=np.int64)
    which = np.searchsorted(1 << widths, chunks)
    width = widths[which]
    codes = ((((1 << 2 | which) << width) | (chunks - 1)) << _VALUE_BITS) | values
    header = [(pixels.size * _CHANNELS, 32), (_VALUE_BITS - 1, 5), *((size - 1, 4) for size in _WIDTHS)]
    return _packed(
        np.concatenate([np.array([code for code, _ in header], dtype=np.int64), codes]),
        np.concatenate([np.array([bits for _, bits in header], dtype=np.int64), 3 + width + _VALUE_BITS]),
    )


def _packed(codes: "NDArray[np.int64]", bits: "NDArray[np.int64]") -> list[int]:
    """Return numbers of so many bits (32 at most), one after the other, as bytes; the last one is filled with zeros."""
    import numpy as np

    ends = np.cumsum(bits)
    first = (ends - bits) // 8
    # Each number is moved to its place in the five bytes that it may touch; no two numbers share a bit.
    placed = codes << (40 - bits - (ends - bits) % 8)
    data = np.zeros(int(ends[-1] + 7) // 8 + 5, dtype=np.int64)
    for position in range(5):
        byte = (placed >> (8 * (4 - position))) & 255
        data += np.bincount(first + position, weights=byte, minlength=data.size).astype(np.int64)
    return list(data[: int(ends[-1] + 7) // 8].astype(np.uint8).tobytes())


def decode(rle: "bytes | list[int]", height: int, width: int) -> "NDArray[np.uint8]":
    """Return the alpha channel of a brush region's code as an array of shape (height, width).

    Raises ValueError if the code is damaged, or belongs to a picture of another size.
    """
    import numpy as np

    count, chunks = _chunks(rle)
    if count != height * width * _CHANNELS:
        raise ValueError(
            f"The brush region's code is for {count // _CHANNELS:,} pixels, "
            f"not for {width} x {height} = {width * height:,}"
        )
    alpha = np.zeros(height * width, dtype=np.uint8)
    for start, end, values in chunks:
        if isinstance(values, int):
            if values:
                alpha[start // _CHANNELS : end // _CHANNELS] = values
        else:
            alpha[start // _CHANNELS : end // _CHANNELS] = values[_ALPHA - start % _CHANNELS :: _CHANNELS]
    return alpha.reshape(height, width)


def decode_values(rle: "bytes | list[int]") -> "NDArray[np.uint8]":
    """Return the values of a code, those of all channels. Raises ValueError if it is damaged."""
    import numpy as np

    count, chunks = _chunks(rle)
    out = np.zeros(count, dtype=np.uint8)
    for start, end, values in chunks:
        out[start:end] = values
    return out


def _chunks(rle: "bytes | list[int]") -> tuple[int, Iterator[_Chunk]]:
    """Return the number of values of a code, and its chunks.

    Raises ValueError if the code is damaged, and so does the iteration.
    """
    try:
        data = rle if isinstance(rle, bytes) else bytes(list(rle))  # a list: bytes(5) are five zeros
    except (TypeError, ValueError):
        raise ValueError("The brush region's code is not a list of numbers from 0 to 255") from None
    bits = len(data) * 8
    if bits < _HEADER:
        raise ValueError(f"The brush region's code is shorter than its header: {bits} of {_HEADER} bits")
    header = int.from_bytes(data[:7], "big") >> (56 - _HEADER)
    count, value_bits = header >> 21, (header >> 16 & 31) + 1
    widths = [(header >> shift & 15) + 1 for shift in (12, 8, 4, 0)]
    if count > MAX_VALUES or value_bits > _VALUE_BITS:
        raise ValueError(
            f"The brush region's code has {count:,} values of {value_bits} bits each; it is damaged"
        )
    return count, _read(data, count, value_bits, widths)


def _read(data: bytes, count: int, value_bits: int, widths: Sequence[int]) -> Iterator[_Chunk]:
    """Yield the chunks after the header. Raises ValueError if they are damaged."""
    bits, padded = len(data) * 8, data + bytes(8)
    position, index = _HEADER, 0
    while index < count:
        window = int.from_bytes(padded[position >> 3 : (position >> 3) + 8], "big") << (position & 7)
        repeated, which = window >> 63 & 1, window >> 61 & 3
        size = widths[which]
        end = index + 1 + (window >> (61 - size) & ((1 << size) - 1))
        position += 3 + size
        if end > count:
            raise ValueError(f"The brush region's code has more values than the {count:,} that it says")
        if repeated:
            yield index, end, window >> (61 - size - value_bits) & ((1 << value_bits) - 1)
            position += value_bits
        else:
            yield index, end, _literals(data, position, end - index, value_bits)
            position += value_bits * (end - index)
        if position > bits:
            raise ValueError(f"The brush region's code ends after {index:,} of {count:,} values")
        index = end


def _literals(data: bytes, position: int, count: int, value_bits: int) -> "NDArray[np.uint8]":
    """Return `count` values from a bit position on. Raises ValueError if the data end before."""
    import numpy as np

    first, last = position >> 3, (position + count * value_bits + 7) >> 3
    if last > len(data):
        raise ValueError("The brush region's code ends within its values")
    bits = np.unpackbits(np.frombuffer(data, np.uint8, last - first, first))
    start = position & 7
    columns = bits[start : start + count * value_bits].reshape(count, value_bits)
    powers = (1 << np.arange(value_bits - 1, -1, -1)).astype(np.uint8)
    values: NDArray[np.uint8] = (columns * powers).sum(axis=1).astype(np.uint8)
    return values
