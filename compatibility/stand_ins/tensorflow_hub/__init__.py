"""A stand-in for TensorFlow Hub: the features of an image are the means of its colours."""

import numpy as np


class KerasLayer:
    def __init__(self, address, **kwargs):
        self.outputs = 3

    def __call__(self, images):
        return np.asarray(images, np.float32).mean(axis=(1, 2))
