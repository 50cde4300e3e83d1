# mypy: ignore-errors
"""A model that is as sure of a task, and puts it into the place, as the task says. Below 0 it only has a score."""

from label_studio_ml.model import LabelStudioMLBase


class SureModel(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        value = {"choices": ["a"]}
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": value}
        predictions = []
        for task in tasks:
            sure, place = task["data"]["sure"], task["data"]["place"]
            known = {"embedding": [place, 0.0]}
            if sure > 0:
                known["probabilities"] = {"a": sure, "b": 1 - sure}
            predictions.append({"result": [region], "score": abs(sure), **known})
        return predictions
