"""A model with parameters: its predictions and its trained versions tell the values that it has."""

import os
from typing import Any, ClassVar

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param


class Tunable(LabelStudioMLBase):
    params: ClassVar[Any] = {
        "threshold": Param(0.5, "keep what is surer than this", ge=0, le=1),
        "labels": Param(["good"], "labels to keep"),
        "rate": Param(0.1, "how fast it learns", gt=0),
    }

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        values = {**self.params, "pid": os.getpid(), "trained_with": self.train_output.get("trained_with")}
        return [{"result": [], "score": self.params.threshold, "values": values} for _ in tasks]

    def fit(self, annotations: Any, **kwargs: Any) -> dict[str, Any]:
        return {"trained_with": {**self.params, "tasks": len(list(annotations))}}
