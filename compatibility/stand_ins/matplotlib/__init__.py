"""A stand-in for matplotlib: imported by examples, and not used when they predict."""
