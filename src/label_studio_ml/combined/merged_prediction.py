"""Merge the predictions of several parts for one task into one prediction."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from label_studio_ml.protocol.prediction_json import encode
from label_studio_ml.regions.region import new_id

logger = logging.getLogger(__name__)

#: Fields of a region that name other regions.
_REFERENCES = ("from_id", "to_id", "parentID", "parent_id")


@dataclass(slots=True)
class MergedPrediction:
    """The merged prediction of one task.

    Its score is the mean of the parts' scores. Other fields, such as `probabilities`, are those of the first part that
    has them. If two parts use the same region id, the later one's regions get new ids. A control that holds one value
    for the whole task keeps the value of the first part.
    """

    task_id: Any = None
    result: list[dict[str, Any]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, part: str, prediction: Any) -> None:
        """Add a part's prediction of the task; of several, the first. Raises InvalidPrediction if it is none."""
        encoded = msgspec.json.decode(encode(prediction, ""))
        first = next(iter(encoded), {}) if isinstance(encoded, list) else encoded
        regions = [region for region in first.get("result", []) if isinstance(region, dict)]
        self._renew_ids(regions)
        taken = {(region.get("from_name"), region.get("to_name")) for region in self.result}
        for region in regions:
            if (region.get("from_name"), region.get("to_name")) in taken and _is_task_value(region):
                logger.warning(
                    "Task %s: %s answers %r, too: the value of the part before it is kept. Give each part its "
                    "controls: Part(%s, controls=[…])",
                    self.task_id,
                    part,
                    region.get("from_name"),
                    part,
                )
                continue
            self.result.append(region)
        if "score" in first:
            self.scores.append(first["score"])
        for name, value in first.items():
            if name not in ("result", "score", "model_version"):
                self.fields.setdefault(name, value)

    def value(self) -> dict[str, Any]:
        """Return the prediction, for `predict` to return."""
        score = {"score": sum(self.scores) / len(self.scores)} if self.scores else {}
        return {"result": self.result, **score, **self.fields}

    def _renew_ids(self, regions: Sequence[dict[str, Any]]) -> None:
        """Replace ids that regions of other parts have, also where regions refer to each other."""
        used = {region["id"] for region in self.result if region.get("id") is not None}
        renewed = {
            region["id"]: new_id()
            for region in regions
            if isinstance(region.get("id"), str | int) and region["id"] in used
        }
        for region in regions:
            for name in ("id", *_REFERENCES):
                if isinstance(region.get(name), str | int) and region[name] in renewed:
                    region[name] = renewed[region[name]]


def _is_task_value(region: Mapping[str, Any]) -> bool:
    """Tell whether a region is a value for the whole task: its value has one field, and no position."""
    value = region.get("value")
    return isinstance(value, Mapping) and len(value) == 1 and "sequence" not in value
