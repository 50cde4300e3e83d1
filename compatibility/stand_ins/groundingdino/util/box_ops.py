"""Boxes."""

import numpy as np
import torch


def box_cxcywh_to_xyxy(boxes):
    x, y, width, height = np.asarray(boxes).T
    return torch.as_tensor(np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1))
