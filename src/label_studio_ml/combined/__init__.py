"""Several models in one backend: each answers and trains for its own controls of the label config.

from label_studio_ml.combined import Combined

class Both(Combined):
    parts = (Ner, Sentiment)
"""

from label_studio_ml.combined.combined_model import Combined
from label_studio_ml.combined.part import Part

__all__ = ["Combined", "Part"]
