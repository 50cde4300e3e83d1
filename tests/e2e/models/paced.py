# mypy: ignore-errors
"""A model that says how sure it is of a task's label, and answers nothing while there is a file `waits`."""

import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

WAITS = Path(__file__).with_name("waits")


class PacedModel(LabelStudioMLBase):
    max_batch_size = 4

    def predict(self, tasks, **kwargs):
        while WAITS.exists():
            time.sleep(0.05)
        return [self._prediction(task["data"].get("sure", 0.8)) for task in tasks]

    def _prediction(self, sure):
        value = {"choices": ["a"]}
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": value}
        return {"result": [region], "score": sure, "probabilities": {"a": sure, "b": 1 - sure}}

    def fit(self, annotations, **kwargs):
        self.set("model_version", "paced-2")
        return {}
