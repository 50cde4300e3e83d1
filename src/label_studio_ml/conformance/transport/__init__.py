"""Requests to the backend: limits where the library that Label Studio uses has none."""
