"""A network that looks at the mean colour."""

import numpy as np
import torch
from torch import nn


class _ResNet(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(3, 3)
        self.fc.in_features = 3

    def forward(self, images):
        return self.fc(torch.as_tensor(np.asarray(images).mean(axis=(2, 3))))


def resnet18(**kwargs):
    return _ResNet()
