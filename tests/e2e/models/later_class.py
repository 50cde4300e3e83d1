# mypy: ignore-errors
"""A model of the second API generation: its state is in `self.set`, and every event goes through `fit`."""

import json

from label_studio_sdk.label_interface.objects import PredictionValue

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse


class MemoryModel(LabelStudioMLBase):
    def setup(self):
        self.set("model_version", "memory-0")

    def predict(self, tasks, context=None, **kwargs):
        from_name, to_name, value = self.label_interface.get_first_tag_occurence("Choices", "Text")
        labels = list(self.label_interface.get_control(from_name).labels)
        memory = json.loads(self.get("memory")) if self.has("memory") else {}
        predictions = []
        for task in tasks:
            known = [memory[word] for word in task["data"][value].split() if word in memory]
            label = known[0] if known else labels[0]
            if context and context.get("result"):
                label = context["result"][0]["value"]["choices"][0]
            region = {
                "from_name": from_name,
                "to_name": to_name,
                "type": "choices",
                "value": {"choices": [label]},
            }
            predictions.append(PredictionValue(result=[region], score=0.5 + len(known) / 10))
        return ModelResponse(predictions=predictions)

    def fit(self, event, data, **kwargs):
        if event not in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
            return
        memory = json.loads(self.get("memory")) if self.has("memory") else {}
        label = data["annotation"]["result"][0]["value"]["choices"][0]
        memory.update(dict.fromkeys(data["task"]["data"]["text"].split(), label))
        self.set("memory", json.dumps(memory))
        self.set("model_version", f"memory-{len(memory)}")
