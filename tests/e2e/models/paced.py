# mypy: ignore-errors
"""A model that says how sure it is of a task's label, and takes the seconds per task that a file `seconds` says."""

import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

SECONDS = Path(__file__).with_name("seconds")


class PacedModel(LabelStudioMLBase):
    max_batch_size = 4

    def predict(self, tasks, **kwargs):
        time.sleep(len(tasks) * float(SECONDS.read_text()) if SECONDS.exists() else 0)
        return [self._prediction(task["data"].get("sure", 0.8)) for task in tasks]

    def _prediction(self, sure):
        value = {"choices": ["a"]}
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": value}
        return {"result": [region], "score": sure, "probabilities": {"a": sure, "b": 1 - sure}}

    def fit(self, annotations, **kwargs):
        self.set("model_version", "paced-2")
        return {}
