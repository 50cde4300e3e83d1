# mypy: ignore-errors
"""A model whose training waits for a file `step-N` after each step; beside `broken` a second version does not load."""

import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

HERE = Path(__file__).resolve().parent
#: Parts of a training.
STEPS = 4


class Stepwise(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if (HERE / "broken").exists() and (self.train_output or {}).get("number", 0) > 1:
            raise RuntimeError((HERE / "broken").read_text())

    def predict(self, tasks, **kwargs):
        time.sleep(0.01)
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
        return [{"result": [region], "score": 0.5} for _ in tasks]

    def fit(self, annotations, job, **kwargs):
        for step in range(STEPS):
            job.progress(step / STEPS, f"step {step} of {STEPS}")
            while not (HERE / f"step-{step}").exists() and not (HERE / "all-steps").exists():
                time.sleep(0.05)
        return {"number": (self.train_output or {}).get("number", 0) + 1}
