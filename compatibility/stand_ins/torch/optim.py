"""Optimizers that add a little to each bias, more to later ones."""

from types import SimpleNamespace

import numpy as np


class _Optimizer:
    def __init__(self, parameters, **kwargs):
        self.parameters = list(parameters)

    def step(self):
        for bias in self.parameters:
            bias += 0.01 * np.arange(len(bias))

    def zero_grad(self):
        """There are no gradients."""


class _Scheduler:
    def __init__(self, optimizer, **kwargs):
        pass

    def step(self, *args):
        """The rate stays."""


lr_scheduler = SimpleNamespace(StepLR=_Scheduler)
Adam = AdamW = SGD = _Optimizer
