"""Padding of sequences."""

import numpy as np


def pad_sequence(sequences, batch_first=False, padding_value=0.0):
    from torch import as_tensor

    longest = max(len(item) for item in sequences)
    rows = [
        np.pad(np.asarray(item), [(0, longest - len(item))] + [(0, 0)] * (np.ndim(item) - 1))
        for item in sequences
    ]
    return as_tensor(np.stack(rows, 0 if batch_first else 1))
