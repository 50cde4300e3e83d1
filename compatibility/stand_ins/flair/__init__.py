"""A stand-in for flair."""
