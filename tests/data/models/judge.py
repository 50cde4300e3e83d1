"""A model for evaluations: it answers with the word that a task's text begins with, and does what texts tell it."""

import os
import signal
from pathlib import Path
from typing import Any

from label_studio_ml.model import LabelStudioMLBase


class Judge(LabelStudioMLBase):
    max_batch_size = 10

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.get("broken"):
            raise RuntimeError("these weights are broken")
        print("built by Judge")

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        with (Path(__file__).parent / "batches").open("a") as file:
            file.write(f"{len(tasks)}\n")
        return [self.judge(task) for task in tasks]

    def judge(self, task: dict[str, Any]) -> dict[str, Any]:
        text = task["data"]["text"]
        if task["annotations"] or task["predictions"] or "completions" in task:
            raise AssertionError("the model was shown the annotations")
        if text == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "fail":
            raise ValueError("no idea")
        label = self.get("answer") or text.split()[0]
        region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
        return {"result": [region], "score": 0.5}

    def fit(self, annotations: Any, **kwargs: Any) -> dict[str, Any]:
        self.set("answer", "bad")
        return {"tasks": len(list(annotations))}
