"""Requests for predictions on their way to a model: batches, parts of large requests, deadlines."""
