# mypy: ignore-errors
"""A model that takes the same time for each task: what a file `seconds` beside it says, else STEADY_SECONDS."""

import os
import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

SECONDS = Path(__file__).with_name("seconds")


class SteadyModel(LabelStudioMLBase):
    max_batch_size = 32

    def predict(self, tasks, **kwargs):
        told = SECONDS.read_text() if SECONDS.exists() else os.environ.get("STEADY_SECONDS", "0.005")
        time.sleep(len(tasks) * float(told))
        value = {"choices": ["a"]}
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": value}
        return [{"result": [region], "score": 0.25} for _ in tasks]
