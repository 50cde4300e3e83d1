"""A stand-in for NeMo."""
