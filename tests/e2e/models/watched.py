# mypy: ignore-errors
"""A model whose training can be watched: it takes a step whenever the number in the file `steps` allows it.

It prints and reports metrics with each of its 10 steps. With the word `fail` in `steps`, it raises an error; with the
word `crash`, its process ends.
"""

import os
import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

STEPS = Path(__file__).resolve().parent / "steps"
NUMBER = 10


class Watched(LabelStudioMLBase):
    train_every = 0

    def predict(self, tasks, **kwargs):
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, annotations, job, **kwargs):
        texts = [task["data"]["text"] for task in annotations]
        print("\x1b[32mbegins\x1b[0m <img src=x onerror=alert(1)> \x00 end")
        print("W" * 100_000)
        for step in range(1, NUMBER + 1):
            self._wait(step, job)
            job.log(step=step, train_loss=1 / step, val_loss=1.2 / step, accuracy=step / NUMBER)
            job.progress(step / NUMBER, f"epoch {step} of {NUMBER}")
            print(f"epoch {step}: loss {1 / step:.3f}")
        return {"texts": len(texts)}

    def _wait(self, step, job):
        while True:
            allowed = STEPS.read_text().strip() if STEPS.exists() else str(NUMBER)
            if allowed == "fail":
                raise ModuleNotFoundError("No module named 'missing_package'")
            if allowed == "crash":
                os._exit(9)
            if job.cancelled or (allowed and int(allowed) >= step):
                return
            time.sleep(0.05)
