"""Prediction on images."""

from segment_anything import SamPredictor as SAM2ImagePredictor  # noqa: F401
