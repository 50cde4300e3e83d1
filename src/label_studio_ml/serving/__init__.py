"""Serve predictions: batching of requests, the pool of loaded models, and the processes that run the models."""
