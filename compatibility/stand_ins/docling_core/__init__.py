"""A stand-in for docling-core."""
