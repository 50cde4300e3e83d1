"""A model for trainings on parts of tasks: it learns which label goes with the first word of a text."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from label_studio_ml.model import LabelStudioMLBase


class WordLearner(LabelStudioMLBase):
    """The file `do` in its folder tells it what to do in fit."""

    max_batch_size = 100

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words: dict[str, dict[str, int]] = {}
        if self.train_output:
            self.words = json.loads(Path(self.train_output["words"]).read_text())

    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        return [self.answer(task["data"]["text"]) for task in tasks]

    def answer(self, text: str) -> dict[str, Any]:
        counts = self.words.get(text.split()[0])
        if not counts:
            return {"result": [], "score": 0.0}
        total = sum(counts.values())
        shares = {label: count / total for label, count in counts.items()}
        label = max(shares, key=lambda name: shares[name])
        region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
        return {"result": [region], "score": shares[label], "probabilities": shares}

    def fit(self, annotations: Any, workdir: str = "", **kwargs: Any) -> dict[str, Any]:
        folder = Path(__file__).parent
        do = (folder / "do").read_text() if (folder / "do").exists() else ""
        if self.get("fits") or self.train_output:
            raise AssertionError("the model is not untrained")
        self.set("fits", "1")
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "ignore":
            return {"words": self.write(workdir, {})}
        if do == "interrupt" and len(list(folder.glob("trained-*"))) == 3:
            (folder / "interrupt-now").touch()
            time.sleep(600)
        words: dict[str, Counter[str]] = {}
        ids = []
        for task in annotations:
            ids.append(task["id"])
            (region,) = task["annotations"][-1]["result"]
            words.setdefault(task["data"]["text"].split()[0], Counter()).update(region["value"]["choices"])
        if do == "fail":
            raise ValueError(f"told to fail with {len(ids)} tasks")
        number = len(list(folder.glob("trained-*")))
        (folder / f"trained-{number}").write_text(json.dumps(sorted(ids)))
        return {"words": self.write(workdir, words)}

    @staticmethod
    def write(workdir: str, words: Any) -> str:
        path = Path(workdir) / "words.json"
        path.write_text(json.dumps(words))
        return str(path)
