"""Layers with fixed weights. All that a training changes are the biases, by a little in each step."""

import numpy as np

from torch.nn import functional, utils  # noqa: F401


class Module:
    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def forward(self, data):
        return data

    def to(self, *args):
        return self

    def eval(self):
        return self

    def train(self, mode=True):
        return self

    def parameters(self):
        return list(self.state_dict().values())

    def state_dict(self):
        """Return the biases below this module by name."""
        found = {"bias": self.bias} if hasattr(self, "bias") else {}
        for name, layer in self.__dict__.items():
            if isinstance(layer, Module):
                found.update({f"{name}.{key}": value for key, value in layer.state_dict().items()})
        return found

    def load_state_dict(self, state, strict=True):
        for name, bias in self.state_dict().items():
            bias[:] = state[name]


class Linear(Module):
    def __init__(self, inputs, outputs, **kwargs):
        rows, columns = np.indices((inputs, outputs))
        self.weight = ((rows * 31 + columns * 17) % 7 - 3).astype(np.float32) / 10
        self.bias = np.zeros(outputs, np.float32)

    def forward(self, data):
        return data @ self.weight + self.bias


class LSTM(Module):
    """Looks at each step alone."""

    def __init__(self, inputs, hidden, layers=1, bidirectional=False, **kwargs):
        self.projection = Linear(inputs, hidden * (2 if bidirectional else 1))

    def forward(self, data):
        return np.tanh(self.projection(data)), (None, None)


class _Loss(Module):
    def forward(self, outputs, targets):
        return self

    def backward(self):
        """There are no gradients."""

    def item(self):
        return 0.5


Dropout = LayerNorm = Sigmoid = ReLU = Module
CrossEntropyLoss = BCEWithLogitsLoss = BCELoss = _Loss
