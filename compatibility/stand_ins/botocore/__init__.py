"""A stand-in for botocore."""
