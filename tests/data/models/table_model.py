"""A model for comparisons: it knows the words that its fit has seen, and measures itself on what it held out."""

import time
from pathlib import Path
from typing import Any

from label_studio_ml.model import LabelStudioMLBase


class Table(LabelStudioMLBase):
    promote_if = "accuracy >= current"
    slept = False

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        table = self.train_output.get("table", {})
        if table.get("seconds") and not self.slept:
            self.slept = True
            time.sleep(float(table["seconds"]))
        return [self.answer(task, table) for task in tasks]

    def answer(self, task: dict[str, Any], table: dict[str, str]) -> dict[str, Any]:
        if table.get("hang"):
            Path(table["hang"]).touch()
            time.sleep(600)
        if table.get("broken"):
            raise ValueError("this table is broken")
        label = table.get(task["data"]["text"].split()[0], "unknown")
        region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
        return {"result": [region], "score": 0.5}

    def fit(self, annotations: Any, job: Any = None, data: Any = None, **kwargs: Any) -> dict[str, Any]:
        asked = data or {}
        train, test = annotations.split(asked.get("share", 0.5))
        table = {task["data"]["text"].split()[0]: label_of(task) for task in train}
        table = asked.get("table", table)
        right = [self.answer(task, table) for task in test if not table.keys() & {"broken", "hang"}]
        same = [
            label_of({"annotations": [one]}) == label_of(task) for one, task in zip(right, test, strict=False)
        ]
        accuracy = sum(same) / max(len(same), 1)
        for name, value in asked.get("previous", {}).items():
            job.log_previous(**{name: value})
        return {"table": table, "accuracy": asked.get("accuracy", accuracy), **asked.get("metrics", {})}


def label_of(task: dict[str, Any]) -> str:
    return str(task["annotations"][0]["result"][0]["value"]["choices"][0])
