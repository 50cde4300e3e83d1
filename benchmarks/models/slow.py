"""A model that is slow where it is told to be: constructor, fit and predict."""

import ctypes
import time

from label_studio_ml.model import LabelStudioMLBase


class Slow(LabelStudioMLBase):
    """`train_output["load_seconds"]`: computing in the constructor. A task with `data.hold`: the lock for 5 s."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        end = time.monotonic() + self.train_output.get("load_seconds", 0)
        while time.monotonic() < end:
            sum(range(1000))

    def predict(self, tasks, **kwargs):
        if any("hold" in task["data"] for task in tasks):
            ctypes.PyDLL(None).sleep(5)  # PyDLL keeps the interpreter lock
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, annotations, workdir=None, **kwargs):
        time.sleep(12)
        return {"labelled": len(annotations)}
