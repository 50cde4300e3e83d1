"""Metrics of regions on pictures: one module for each kind."""
