"""Masks as run lengths."""

from label_studio_sdk.converter.brush import *  # noqa: F403
