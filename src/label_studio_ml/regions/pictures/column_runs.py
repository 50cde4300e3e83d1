"""The runs of pixels of a mask, column by column: the numbers of COCO's uncompressed run-length code."""

from typing import Any


def column_runs(inside: Any) -> list[int]:
    """Return the lengths of the runs of pixels outside and inside, in turn, column by column.

    Only the columns with pixels inside are read: COCO's own encoder reads all pixels, in a copy with another order.
    """
    import numpy as np

    height, width = inside.shape
    columns = np.flatnonzero(inside.any(axis=0))
    if not columns.size:
        return [height * width]
    first, end = int(columns[0]), int(columns[-1]) + 1
    pixels = inside[:, first:end].T.ravel()
    changes = [np.flatnonzero(pixels[1:] != pixels[:-1]) + 1 + first * height]
    if pixels[0]:
        changes.insert(0, np.array([first * height]))
    if pixels[-1] and end < width:
        changes.append(np.array([end * height]))
    lengths: list[int] = np.diff(np.concatenate(changes), prepend=0, append=height * width).tolist()
    return lengths
