"""Box operations."""

import numpy as np


def nms(boxes, scores, threshold):
    """Keep every box, best first: the stand-ins for detectors give none that overlap."""
    return [int(index) for index in np.argsort(-np.asarray(scores))]
