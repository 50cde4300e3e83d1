"""A running backend: server, broker, workers."""
