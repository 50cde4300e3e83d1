"""A stand-in for the Presto client: imported by an example, and not used when it predicts."""
