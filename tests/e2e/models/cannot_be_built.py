# mypy: ignore-errors
"""A model whose weights are not where it looks for them."""

from label_studio_ml.model import LabelStudioMLBase


class WeightlessModel(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        raise FileNotFoundError("weights-7.bin is not in the model folder")

    def predict(self, tasks, **kwargs):
        return []
