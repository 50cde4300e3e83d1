"""A stand-in for PyTorch: tensors that are NumPy arrays, no devices, layers without learning."""

import builtins
import contextlib
from types import SimpleNamespace

import numpy as np

from torch import nn  # noqa: F401 - `torch.nn` is used without being imported

float16, float32, float64 = np.float16, np.float32, np.float64
bfloat16 = np.float32
int32, int64, int, long, uint8, bool = np.int32, np.int64, np.int32, np.int64, np.uint8, np.bool_
__version__ = "0.stand-in"


class Tensor(np.ndarray):
    """An array with the methods of a tensor that examples call."""

    def __new__(cls, data=()):
        return np.asarray(data, dtype=np.float32).view(cls)

    def to(self, *args, **kwargs):
        return self

    cpu = cuda = detach = contiguous = float = to

    def numpy(self, *args, **kwargs):
        return np.asarray(self)

    def permute(self, *axes):
        return self.transpose(axes)

    def dim(self):
        return self.ndim

    def unsqueeze(self, axis):
        return np.expand_dims(self, axis)

    def item(self, *args):
        return np.asarray(self).item(*args)

    def size(self, axis=None):
        return self.shape if axis is None else self.shape[axis]

    def type(self, dtype):
        return self.astype(dtype)

    def view(self, *shape):
        return (
            self.reshape(shape)
            if shape and isinstance(shape[0], (tuple, np.integer, builtins.int))
            else super().view(*shape)
        )

    def double(self):
        return self.astype(np.float64)

    @property
    def data(self):
        return self

    def flip(self, axis):
        return np.flip(self, axis)

    def repeat(self, *times):
        return np.tile(self, times)


def as_tensor(data, dtype=None, device=None):
    return np.asarray(data, dtype=dtype).view(Tensor)


def tensor(data, dtype=None, device=None):
    return np.array(data, dtype=dtype).view(Tensor)


def from_numpy(data):
    return np.asarray(data).view(Tensor)


def stack(tensors, dim=0):
    return np.stack([np.asarray(item) for item in tensors], dim).view(Tensor)


def cat(tensors, dim=0):
    return np.concatenate([np.asarray(item) for item in tensors], dim).view(Tensor)


def full(shape, value, dtype=np.float32, device=None):
    return np.full(shape, value, dtype).view(Tensor)


def zeros(*shape, dtype=np.float32, device=None):
    return np.zeros(shape, dtype).view(Tensor)


def flatten(data):
    return as_tensor(np.asarray(data).reshape(-1))


def argmax(data, dim=None):
    return as_tensor(np.argmax(np.asarray(data), dim))


def sigmoid(data):
    return as_tensor(1 / (1 + np.exp(-np.asarray(data))))


def softmax(data, dim=-1):
    powers = np.exp(data - np.max(data, axis=dim, keepdims=True))
    return as_tensor(powers / powers.sum(axis=dim, keepdims=True))


def relu(data):
    return np.maximum(data, 0)


def max(data, dim=None):
    data = np.asarray(data)
    return as_tensor(data.max()) if dim is None else (as_tensor(data.max(dim)), as_tensor(data.argmax(dim)))


def unique(data, return_counts=False):
    found = np.unique(np.asarray(data), return_counts=return_counts)
    return tuple(map(as_tensor, found)) if return_counts else as_tensor(found)


def nan_to_num(data, nan=0.0):
    return as_tensor(np.nan_to_num(np.asarray(data), nan=nan))


def sum(data):
    return as_tensor(np.asarray(data).sum())


def isnan(data):
    return np.isnan(data)


def save(value, file):
    import pickle

    with open(file, "wb") as stream:
        pickle.dump(value, stream)


def load(file, *args, **kwargs):
    import pickle

    with open(file, "rb") as stream:
        return pickle.load(stream)


class device(str):
    @property
    def type(self):
        return str(self)


def manual_seed(seed):
    """Nothing is random here."""


def inference_mode(*args):
    return contextlib.nullcontext()


no_grad = inference_mode


def autocast(*args, **kwargs):
    return contextlib.nullcontext()


cuda = SimpleNamespace(
    is_available=lambda: False,
    device_count=lambda: 0,
    empty_cache=lambda: None,
    get_device_properties=lambda number: SimpleNamespace(major=0),
)
backends = SimpleNamespace(
    mps=SimpleNamespace(is_available=lambda: False),
    cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False)),
    cudnn=SimpleNamespace(allow_tf32=False),
)

from torch import utils  # noqa: E402, F401 - `torch.utils.data` is used without being imported
