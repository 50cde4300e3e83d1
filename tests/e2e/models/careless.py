# mypy: ignore-errors
"""A model whose prediction of a text that starts with "bad" has the fault that the text names."""

from label_studio_ml.model import LabelStudioMLBase


class Careless(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return [{"result": [self._region(task["data"]["text"])], "score": 0.5} for task in tasks]

    def _region(self, text):
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
        if text == "bad label":
            region["value"] = {"choices": ["unknown"]}
        elif text == "bad name":
            region["from_name"] = "another"
        elif text == "bad value":
            del region["value"]
        return region
