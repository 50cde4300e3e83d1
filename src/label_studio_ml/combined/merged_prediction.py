"""Merge the predictions of several parts for one task into one prediction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from label_studio_ml.protocol.prediction_json import InvalidPrediction, encode
from label_studio_ml.regions.region import new_id

#: Fields of a region that name other regions.
_REFERENCES = ("from_id", "to_id", "parentID", "parent_id")


#: Fields of a value that may be alone in it, but are no value for the whole task.
_POSITIONS = frozenset({"sequence", "points", "vertices", "rle", "imageDataURL", "ranges"})


@dataclass(slots=True)
class MergedPrediction:
    """The merged prediction of one task.

    Its score is the mean of the scores of those parts that have one, in the prediction or its regions. Other fields,
    such as `probabilities`, are those of the first part that has them. If two parts use the same region id, the later
    one's regions get new ids, except for `shared_ids`: those of regions that the parts did not make. A control that
    holds one value for the whole task keeps the value of the first part.
    """

    shared_ids: Collection[Any] = ()
    result: list[dict[str, Any]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, prediction: Any) -> set[str]:
        """Add a part's prediction of the task; of several, the first.

        Returns the controls whose value was dropped, since a part before has one. Raises InvalidPrediction if
        `prediction` is none.
        """
        encoded = msgspec.json.decode(encode(prediction, ""))
        first = next(iter(encoded), {}) if isinstance(encoded, list) else encoded
        regions = first.get("result", [])
        if not all(isinstance(region, dict) for region in regions):
            raise InvalidPrediction("'result' has an entry that is no region: a region is a dict")
        self._renew_ids(regions)
        taken = {_target(region) for region in self.result}
        dropped = {_target(region) for region in regions if _is_task_value(region)} & taken
        self.result += [
            region for region in regions if not (_is_task_value(region) and _target(region) in dropped)
        ]
        if _has_score(prediction, first):
            self.scores.append(first["score"])
        for name, value in first.items():
            if name not in ("result", "score", "model_version"):
                self.fields.setdefault(name, value)
        return {name for name, *_ in dropped}

    def value(self) -> dict[str, Any]:
        """Return the prediction, for `predict` to return."""
        score = {"score": sum(self.scores) / len(self.scores)} if self.scores else {}
        return {"result": self.result, **score, **self.fields}

    def _renew_ids(self, regions: Sequence[dict[str, Any]]) -> None:
        """Replace ids that regions of other parts have, also where regions refer to each other."""
        used = {region["id"] for region in self.result if isinstance(region.get("id"), str | int)}
        used.difference_update(self.shared_ids)
        renewed = {
            region["id"]: new_id()
            for region in regions
            if isinstance(region.get("id"), str | int) and region["id"] in used
        }
        for region in regions:
            for name in ("id", *_REFERENCES):
                if isinstance(region.get(name), str | int) and region[name] in renewed:
                    region[name] = renewed[region[name]]


def _target(region: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what a region marks: control, object and item, as texts."""
    return str(region.get("from_name")), str(region.get("to_name")), str(region.get("item_index") or 0)


def _is_task_value(region: Mapping[str, Any]) -> bool:
    """Tell whether a region is a value for the whole task: its value has one field, and no position."""
    value = region.get("value")
    return isinstance(value, Mapping) and len(value) == 1 and not value.keys() & _POSITIONS


def _has_score(prediction: Any, encoded: Mapping[str, Any]) -> bool:
    """Tell whether a prediction has a score that is not the 0 that `encode` gives to those without any.

    `prediction` is the object that the part returned, or a list of such.
    """
    if encoded.get("score"):
        return True
    if isinstance(prediction, list | tuple):
        prediction = next(iter(prediction), None)
    has_own = (
        prediction.get("score") is not None
        if isinstance(prediction, Mapping)
        else "score" in getattr(prediction, "model_fields_set", ())
    )
    return has_own or any(region.get("score") is not None for region in encoded.get("result", []))
