"""Tests of label_studio_ml.gallery."""
