# mypy: ignore-errors
"""A model that takes the same time for each task: the environment's STEADY_SECONDS."""

import os
import time

from label_studio_ml.model import LabelStudioMLBase


class SteadyModel(LabelStudioMLBase):
    max_batch_size = 32

    def predict(self, tasks, **kwargs):
        time.sleep(len(tasks) * float(os.environ.get("STEADY_SECONDS", "0.005")))
        value = {"choices": ["a"]}
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": value}
        return [{"result": [region], "score": 0.25} for _ in tasks]
