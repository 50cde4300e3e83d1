"""Functions on tensors."""

import numpy as np


def cosine_similarity(left, right, dim=1):
    from torch import as_tensor

    left, right = np.atleast_2d(np.asarray(left)), np.atleast_2d(np.asarray(right))
    norms = np.linalg.norm(left, axis=dim) * np.linalg.norm(right, axis=dim)
    return as_tensor((left * right).sum(axis=dim) / np.maximum(norms, 1e-8))
