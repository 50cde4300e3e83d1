"""A stand-in for TensorFlow: data sets that are lists, tensors that are arrays or texts."""

import io as _io
from types import SimpleNamespace

import numpy as np

from tensorflow import keras  # noqa: F401 - `tf.keras` is used without being imported


class _Text:
    """A tensor of one text."""

    def __init__(self, text):
        self.text = text

    def numpy(self):
        return self.text.encode()

    def __eq__(self, other):
        return np.array([self.text == one.text for one in other])

    __hash__ = None


def convert_to_tensor(texts):
    return [_Text(text) for text in texts]


def argmax(values):
    return int(np.argmax(values))


class _Dataset:
    def __init__(self, items):
        self.items = items

    @classmethod
    def from_tensor_slices(cls, rows):
        if not rows:
            raise ValueError("slice index 1 of dimension 0 out of bounds.")
        return cls([convert_to_tensor(row) for row in rows])

    def map(self, function, **kwargs):
        return _Dataset([function(item) for item in self.items])

    def cache(self, *args, **kwargs):
        return self

    shuffle = batch = prefetch = cache


def _read_file(path):
    with open(path.text, "rb") as file:
        return file.read()


def _decode(content, channels=3):
    from PIL import Image

    return np.array(Image.open(_io.BytesIO(content)).convert("RGB"))


def _resize(image, size):
    from PIL import Image

    return np.array(Image.fromarray(image).resize((size[1], size[0])))


data = SimpleNamespace(Dataset=_Dataset, AUTOTUNE=-1)
io = SimpleNamespace(read_file=_read_file)
image = SimpleNamespace(decode_jpeg=_decode, resize=_resize)
