# mypy: ignore-errors
"""Chooses a label by the length of the text, with the names of the label config of each request."""

from collections.abc import Iterable
from typing import Any

from label_studio_ml import LabelStudioMLBase


class ByLength(LabelStudioMLBase):
    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        control = self.controls.first("Choices", "Text")
        labels = [label.value for label in control.labels]
        predictions = []
        for task in tasks:
            text = str(control.object.value(task))
            value = {"choices": [labels[len(text) % len(labels)]]}
            region = {
                "from_name": control.name,
                "to_name": control.to_names[0],
                "type": "choices",
                "value": value,
            }
            predictions.append({"result": [region], "score": 0.5})
        return predictions

    def fit(self, annotations: Iterable[dict[str, Any]], **kwargs: Any) -> dict[str, Any]:
        return {"annotations": sum(1 for _ in annotations)}
