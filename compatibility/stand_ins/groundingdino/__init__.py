"""A stand-in for GroundingDINO."""
