"""Evaluation of a version: compare its predictions with annotations."""
