"""Annotations that cross-validated predictions contradict."""
