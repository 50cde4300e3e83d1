"""Tracks of boxes and vectors in videos."""
