"""A stand-in for Segment Anything: a mask of ten pixels around the first point, or the box itself."""

import numpy as np
import torch

from segment_anything.utils.transforms import ResizeLongestSide


class _Sam:
    mask_threshold = 0.0

    def to(self, *args, **kwargs):
        return self


def _build(checkpoint=None):
    return _Sam()


sam_model_registry = {"vit_h": _build, "vit_b": _build, "vit_t": _build}


class SamPredictor:
    def __init__(self, model, **kwargs):
        self.model, self.transform, self.shape = model, ResizeLongestSide(1024), (0, 0)

    def set_image(self, image):
        self.shape = image.shape[:2]

    def get_image_embedding(self):
        return torch.zeros(1, 4)

    def predict(self, point_coords=None, point_labels=None, box=None, multimask_output=True, **kwargs):
        mask = np.zeros(self.shape, bool)
        if box is not None:
            left, top, right, bottom = (int(value) for value in np.asarray(box).reshape(-1)[:4])
        else:
            x, y = (int(value) for value in point_coords[0])
            left, top, right, bottom = max(0, x - 10), max(0, y - 10), x + 10, y + 10
        mask[top:bottom, left:right] = True
        count = 3 if multimask_output else 1
        return np.stack([mask] * count), np.array([0.75, 0.5, 0.25][:count]), np.zeros((count, 4, 4))

    def predict_torch(self, point_coords, point_labels, boxes=None, multimask_output=True, **kwargs):
        masks = np.stack([self.predict(box=box, multimask_output=False)[0] for box in boxes])
        return torch.as_tensor(masks), torch.as_tensor([[0.75]] * len(masks)), None
