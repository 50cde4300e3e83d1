"""Prediction jobs that idle training workers run."""
