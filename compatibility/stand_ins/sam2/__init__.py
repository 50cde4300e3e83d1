"""A stand-in for Segment Anything 2."""
