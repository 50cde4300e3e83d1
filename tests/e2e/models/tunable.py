# mypy: ignore-errors
"""A model that chooses "a" for tasks that are surer than its parameter says, and has no region for the others."""

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param


class TunableModel(LabelStudioMLBase):
    params = {"threshold": Param(0.5, "keep what is surer than this", ge=0, le=1)}  # noqa: RUF012

    def predict(self, tasks, **kwargs):
        region = {"from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
        sure = [task["data"]["sure"] for task in tasks]
        return [
            {"result": [region] if one > self.params.threshold else [], "score": self.params.threshold}
            for one in sure
        ]
