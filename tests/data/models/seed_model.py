"""A model of the seed generation: it learns how many labelled tasks there are."""

import logging
import os
from pathlib import Path
from typing import Any

from behave import behave, control

from label_studio_ml.model import LabelStudioMLBase

logger = logging.getLogger(__name__)


class Counter(LabelStudioMLBase):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights = ""
        if self.train_output:
            self.weights = Path(self.train_output["weights"]).read_text()
        bad = control(self.project_id) / "bad"
        if bad.exists() and bad.read_text() == self.weights:
            raise RuntimeError("told not to load")

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        if any(task["data"].get("log") for task in tasks):
            logger.warning("logged by predict")
        seen = {"weights": self.weights, "output": self.train_output}
        return [{"result": [], "score": 0.5, "seen": seen} for _ in tasks]

    def fit(self, annotations: Any, workdir: str = "", **kwargs: Any) -> dict[str, Any]:
        ids = [task["id"] for task in annotations]
        print("printed by fit")
        logger.warning("logged by fit")
        behave(self.project_id, tasks=ids, event=kwargs.get("event"))
        path = os.path.join(workdir, "weights.txt")
        Path(path).write_text(f"{len(ids)} tasks")
        return {"weights": path, "tasks": len(ids)}
