"""A model of the event generation: it counts the annotations that it was given, one by one."""

from typing import Any

from behave import behave, control

from label_studio_ml.model import LabelStudioMLBase


class Listener(LabelStudioMLBase):
    def setup(self) -> None:
        self.set("model_version", "0.0.1")

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        return [{"result": [], "score": 0.5, "seen": self.get("count")} for _ in tasks]

    def fit(self, event: str, data: dict[str, Any], **kwargs: Any) -> None:
        order = control(self.project_id) / "do"
        if order.exists() and order.read_text() == "nothing":
            return
        count = int(self.get("count") or 0) + 1
        self.set("count", str(count))
        self.set("model_version", f"1.0.{count}")
        annotation = data.get("annotation") or {}
        behave(self.project_id, event=event, annotation=annotation.get("id"), task=data.get("task"))
