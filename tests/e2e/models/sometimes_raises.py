# mypy: ignore-errors
"""A model that cannot cope with one of its tasks."""

from label_studio_ml.model import LabelStudioMLBase


class FragileModel(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        predictions = []
        for task in tasks:
            if "poison" in task["data"]["text"]:
                raise ValueError("this text is poison")
            region = {
                "from_name": "choice",
                "to_name": "text",
                "type": "choices",
                "value": {"choices": ["Airbus"]},
            }
            predictions.append({"result": [region], "score": 0.5})
        return predictions
