"""A stand-in for MobileSAM."""

from segment_anything import SamPredictor, sam_model_registry  # noqa: F401
