"""A stand-in for torchvision."""

from torchvision import models, ops, transforms  # noqa: F401
