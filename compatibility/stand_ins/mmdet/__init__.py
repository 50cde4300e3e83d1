"""A stand-in for MMDetection."""
