"""Checks of a region's value: a module for each kind of values."""
