"""A model of the event generation that writes a file for each version, so that a disk fills up."""

import secrets
from pathlib import Path
from typing import Any

from behave import behave

from label_studio_ml.model import LabelStudioMLBase

SIZE = 40_000


class Weighty(LabelStudioMLBase):
    def setup(self) -> None:
        self.count = 0
        if self.train_output:
            self.count = len(Path(self.train_output["weights"]).read_bytes()) - SIZE

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        return [{"result": [], "score": 0.5, "seen": self.count} for _ in tasks]

    def fit(self, event: str, data: dict[str, Any], workdir: Any = "", **kwargs: Any) -> dict[str, Any]:
        annotation = data.get("annotation") or {}
        behave(self.project_id, event=event, annotation=annotation.get("id"))
        self.set("model_version", secrets.token_hex(6))  # none comes twice, also where manifests are lost
        self.count += 1
        path = Path(workdir) / "weights.bin"
        path.write_bytes(b"w" * (SIZE + self.count))
        return {"weights": str(path)}
