"""A network of two layers. A training moves the biases towards the labels that it was given."""

import json
from types import SimpleNamespace

import numpy as np


class _Dense:
    def __init__(self, outputs):
        self.outputs, self.bias = outputs, np.zeros(outputs)

    def __call__(self, data):
        rows, columns = np.indices((data.shape[1], self.outputs))
        return data @ (((rows * 31 + columns * 17) % 7 - 3) / 10) + self.bias


class Sequential:
    def __init__(self, network):
        self.network = network

    def summary(self):
        """There is nothing to print."""

    def predict(self, data):
        for layer in self.network:
            data = layer(data)
        return data

    def compile(self, **kwargs):
        """Nothing is to be prepared."""

    def fit(self, dataset, epochs=1):
        for _ in range(epochs):
            for _, label in dataset.items:
                self.network[-1].bias[label] += 0.25

    def save_weights(self, file):
        with open(file, "w") as stream:
            json.dump(self.network[-1].bias.tolist(), stream)

    def load_weights(self, file):
        with open(file) as stream:
            self.network[-1].bias[:] = json.load(stream)


class _Unused:
    def __init__(self, **kwargs):
        pass


layers = SimpleNamespace(Dense=_Dense)
optimizers = SimpleNamespace(Adam=_Unused)
losses = SimpleNamespace(SparseCategoricalCrossentropy=_Unused)
