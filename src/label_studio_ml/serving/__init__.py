"""Predictions: the service that answers requests, and models loaded outside of it."""
