"""A model of the event generation that lets three annotations gather before it learns from them, one by one."""

from typing import Any

from behave import behave

from label_studio_ml.model import LabelStudioMLBase


class Gatherer(LabelStudioMLBase):
    train_every = 3

    def fit(self, event: str, data: dict[str, Any], **kwargs: Any) -> None:
        count = int(self.get("count") or 0) + 1
        self.set("count", str(count))
        self.set("model_version", f"1.0.{count}")
        annotation = data.get("annotation") or {}
        behave(self.project_id, event=event, annotation=annotation.get("id"), job=kwargs["job_id"])
