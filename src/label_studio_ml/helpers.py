"""Re-export of `legacy.helpers` under its older import path."""

from label_studio_ml.legacy.helpers import LabelStudioMLBaseHelper, LabelStudioMLChoices

__all__ = ["LabelStudioMLBaseHelper", "LabelStudioMLChoices"]
