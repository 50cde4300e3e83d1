"""A stand-in for Docling."""

__version__ = "2.0-stand-in"
