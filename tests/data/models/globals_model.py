"""A model of the event generation that keeps its weights in a module global, as the older examples do."""

import os
import threading
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

WEIGHTS: str | None = None
_inside = 0
_most = 0
_lock = threading.Lock()


class Globals(LabelStudioMLBase):
    def __init__(self, *args: Any, size: str = "small", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.size = size

    def setup(self) -> None:
        global WEIGHTS
        if WEIGHTS is None:
            WEIGHTS = self.get("weights") or "untrained"

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        seen = {"weights": WEIGHTS, "size": self.size, "pid": os.getpid()}
        return [{"result": [], "score": 0.5, "seen": seen} for _ in tasks]

    def fit(self, event: str, data: dict[str, Any], **kwargs: Any) -> None:
        global WEIGHTS
        number = int(self.get("number") or 0) + 1
        WEIGHTS = f"weights {number} of {self.size}"
        self.set("number", str(number))
        self.set("weights", WEIGHTS)
        self.set("model_version", f"2.0.{number}")


class Meeting(LabelStudioMLBase):
    """Each call waits in `predict` until as many others are there as the task says, 30 s at most."""

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        global _inside, _most
        with _lock:
            _inside += 1
            _most = max(_most, _inside)
        met = self.wait_for(int(tasks[0]["data"]["meet"]))
        with _lock:
            _inside -= 1
        return [{"result": [], "score": 0.5, "seen": {"met": met, "most": _most}} for _ in tasks]

    def wait_for(self, number: int) -> bool:
        for _ in range(3000):
            if _most >= number:
                return True
            threading.Event().wait(0.01)
        return False


class Alone(Meeting):
    """Says that one call may run at a time."""

    concurrency = 1
