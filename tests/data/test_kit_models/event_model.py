"""A right model of the later 2.x: learns from single events, and keeps what it has learnt with `self.set`."""

import json

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse


class EventModel(LabelStudioMLBase):
    def setup(self):
        self.set("model_version", "words-1")

    def predict(self, tasks, context=None, **kwargs):
        from_name, to_name, value = self.label_interface.get_first_tag_occurence("Choices", "Text")
        words = json.loads(self.get("words") or "{}")
        labels = list(self.label_interface.get_control(from_name).labels)
        predictions = []
        for task in tasks:
            text = task["data"].get(value) or ""
            label = words.get(text) if isinstance(text, str) else None
            region = {
                "from_name": from_name,
                "to_name": to_name,
                "type": "choices",
                "value": {"choices": [label if label in labels else labels[0]]},
            }
            predictions.append({"result": [region], "score": 0.5})
        return ModelResponse(predictions=predictions)

    def fit(self, event, data, **kwargs):
        annotation = data["annotation"]
        if annotation.get("was_cancelled"):
            return
        words = json.loads(self.get("words") or "{}")
        for region in annotation["result"]:
            if region["type"] == "choices":
                words[data["task"]["data"]["text"]] = region["value"]["choices"][0]
        self.set("words", json.dumps(words))
