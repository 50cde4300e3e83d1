"""A model with weights big enough that a fault hits their way; it says what it read, and what was written."""

import hashlib
import os
from pathlib import Path
from typing import Any

from behave import behave

from label_studio_ml.model import LabelStudioMLBase

#: Files of weights, and the size of each in bytes.
FILES, SIZE = 4, 4 << 20


class Weighty(LabelStudioMLBase):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seen = {"read": "", "written": self.train_output.get("digest", "")}
        if self.train_output:
            digest = hashlib.sha256()
            for path in self.train_output["weights"]:
                digest.update(Path(path).read_bytes())
            self.seen["read"] = digest.hexdigest()

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        return [{"result": [], "score": 0.5, "seen": self.seen} for _ in tasks]

    def fit(self, annotations: Any, workdir: str = "", **kwargs: Any) -> dict[str, Any]:
        ids = [task["id"] for task in annotations]
        behave(self.project_id, tasks=ids, event=kwargs.get("event"))
        digest, paths = hashlib.sha256(), []
        for number in range(FILES):
            weights = os.urandom(SIZE)
            digest.update(weights)
            paths.append(os.path.join(workdir, f"weights-{number}.bin"))
            Path(paths[-1]).write_bytes(weights)
        return {"weights": paths, "digest": digest.hexdigest()}
