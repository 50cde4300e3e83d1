"""A model whose fit reports metrics and parameters, and does what a file says before it returns."""

from pathlib import Path
from typing import Any, ClassVar

from behave import behave

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param


class Tracked(LabelStudioMLBase):
    params: ClassVar[Any] = {
        "rate": Param(0.5, "how fast it learns", gt=0),
        "api_key": Param("CANARY-param-key", "a secret", env=None),
        "source": Param("http://me:CANARY-param/login@host/data", "where data is", env=None),
        "max_tokens": Param(5, "no secret", env=None),
    }

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, annotations: Any, job: Any, **kwargs: Any) -> dict[str, Any]:
        count = sum(1 for _ in annotations)
        job.log_params(epochs=3)
        for step in range(3):
            job.log(step=step, loss=1 / (step + 1))
            job.progress(step / 3, f"epoch {step}")
        behave(self.project_id)
        (Path(kwargs["workdir"]) / "weights.txt").write_text("w")
        return {"accuracy": 0.75, "seen": count}
