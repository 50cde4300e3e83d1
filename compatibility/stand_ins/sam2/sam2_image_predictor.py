"""Prediction on images."""

import numpy as np
from segment_anything import SamPredictor


class SAM2ImagePredictor(SamPredictor):
    """Keeps an image's embedding where one example takes it from, and puts it back."""

    def __init__(self, model, **kwargs):
        super().__init__(model, **kwargs)
        self._features, self._orig_hw, self._is_image_set = None, [], False

    def set_image(self, image):
        super().set_image(image)
        self._features, self._orig_hw = {"image_embed": np.zeros((1, 4), np.float32)}, [self.shape]
        self._is_image_set = True

    def predict(self, *args, **kwargs):
        if not self._is_image_set:
            raise RuntimeError("An image must be set with .set_image(...) before mask prediction.")
        self.shape = self._orig_hw[-1]
        return super().predict(*args, **kwargs)
