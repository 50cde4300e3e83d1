"""Responses: their head, bodies sent piece by piece, files, and server-sent events."""
