"""Collect annotations and predictions task by task, by control, and compute their metrics at the end."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

import msgspec

from label_studio_ml.evaluation.metrics import relations
from label_studio_ml.evaluation.metrics.choices import Pair
from label_studio_ml.evaluation.metrics.region_kinds import (
    CHOICES,
    MULTIPLE_CHOICES,
    RegionKind,
    kind_of,
    kind_of_tag,
)
from label_studio_ml.evaluation.metrics.region_place import by_place
from label_studio_ml.evaluation.metrics.regions import Region
from label_studio_ml.evaluation.metrics.results import Measured, ratio
from label_studio_ml.protocol.label_config import parse_label_config

#: Reasons in a report why a control, or some of its regions (`_PARTLY`), have no metrics.
_REASONS = {
    "per region": "it labels single regions (perRegion), for which there is no metric",
    "other": "there is no metric for this kind of region",
    "silent": "there is no annotation and no prediction",
}

#: Name in a report of the relations between regions, which belong to no control.
RELATIONS = "(relations)"

_PARTLY = "as there is no metric for them: {} of its regions"


class Observations:
    """Annotated and predicted regions, reduced to what the metrics need.

    `label_config` gives the order of labels and tells which choices are exclusive; without it, the data decide.
    Raises LabelConfigError when it is not well-formed.
    """

    def __init__(self, label_config: str = "") -> None:
        self._controls = parse_label_config(label_config)
        self._attributes = _attributes(label_config) if self._controls else {}
        self._pairs: dict[str, list[Any]] = {}
        self._kinds: dict[str, RegionKind] = {}
        #: By control: the tasks with something to measure, and the number of regions without a metric.
        self._tasks: Counter[str] = Counter()
        self._unmeasured: Counter[str] = Counter()
        self._relations: list[relations.Pair] = []
        self.tasks = 0

    def add(
        self, annotated: Iterable[Region], predicted: Iterable[Region], score: float = 1.0
    ) -> dict[str, tuple[str, list[Any]]]:
        """Add the regions of one task; `score` is the prediction's score.

        Return, by control, the name of the kind of its regions and the pairs of this task that its metric compares.

        Regions of different places (object, item, channel, page, frame) are compared separately: a prediction in the
        wrong place counts as wrong there and as missing in the right one.
        """
        self.tasks += 1
        annotated, predicted = list(annotated), list(predicted)
        related = relations.relations_in(annotated), relations.relations_in(predicted)
        if any(related):
            self._relations.append(related)
        sides = (_by_control(annotated), _by_control(predicted))
        compared: dict[str, tuple[str, list[Any]]] = {}
        for name in {*sides[0], *sides[1]}:
            truth, prediction = (side.get(name, []) for side in sides)
            if self._per_region(name):
                self._unmeasured[name] += len(truth) + len(prediction)
                continue
            self._unmeasured[name] += sum(kind_of(region) is None for region in (*truth, *prediction))
            kind = self._kinds.get(name) or self._kind(name, [*truth, *prediction])
            if kind is None:
                continue
            self._kinds[name] = kind
            pairs = self._by_place(name, kind, truth, prediction, score)
            self._pairs.setdefault(name, []).extend(pairs)
            self._tasks[name] += bool(pairs)
            if pairs:
                compared[name] = (kind.name, pairs)
        return compared

    def _by_place(
        self, name: str, kind: RegionKind, truth: list[Region], prediction: list[Region], score: float
    ) -> list[Any]:
        """Return the pairs that the metrics of `kind` compare, one for each place of the task that has a region."""
        targets = self._controls.get(name, {}).get("to_name", [])
        annotated, predicted = by_place(truth, targets), by_place(prediction, targets)
        return [
            kind.pair(annotated.get(place, []), predicted.get(place, []), score)
            for place in dict.fromkeys((*annotated, *predicted))
            if place.kind
        ]

    def measure(self) -> dict[str, Measured]:
        """Return the metrics of every control that has measurable regions, and of the relations as `RELATIONS`."""
        measured = {name: self._measured(name) for name in self._names() if self._pairs.get(name)}
        if self._relations:
            measured[RELATIONS] = relations.measure(self._relations, [])
        return measured

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of controls with choices or text, as `measure` does, but without its libraries."""
        accuracies = {}
        for name in self._names():
            pairs, kind = self._pairs.get(name), self._kinds.get(name)
            if pairs and kind is not None and kind.is_equal is not None:
                accuracies[name] = ratio(sum(kind.is_equal(*pair) for pair in pairs), len(pairs))
        return accuracies

    def not_measured(self) -> dict[str, str]:
        """Return the controls whose regions, or some of them, have no metrics, each with the reason."""
        reasons = {}
        for name in self._names():
            if self._unmeasured[name]:
                reasons[name] = _REASONS["per region" if self._per_region(name) else "other"]
                if self._pairs.get(name):
                    reasons[name] = _PARTLY.format(self._unmeasured[name])
            elif not self._pairs.get(name):
                reasons[name] = _REASONS["silent"]
        return reasons

    def _measured(self, name: str) -> Measured:
        kind, pairs = self._kinds[name], self._pairs[name]
        if kind is CHOICES and not self._exclusive(name, pairs):
            kind = MULTIPLE_CHOICES
        measured = kind.measure(pairs, self._controls.get(name, {}).get("labels", []))
        return msgspec.structs.replace(measured, tasks=self._tasks[name])

    def _names(self) -> list[str]:
        names = self._kinds.keys() | {name for name, count in self._unmeasured.items() if count}
        return [*self._controls, *sorted(names - self._controls.keys())]

    def _kind(self, name: str, control_regions: list[Region]) -> RegionKind | None:
        """Return the kind of a control's regions: by its tag, else the kind of the first region that has a metric."""
        by_tag = kind_of_tag(self._controls.get(name, {}).get("type", ""))
        return by_tag or next(filter(None, map(kind_of, control_regions)), None)

    def _per_region(self, name: str) -> bool:
        return self._attributes.get(name, {}).get("perRegion") == "true"

    def _exclusive(self, name: str, pairs: list[Pair]) -> bool:
        """Return whether a task has at most one choice, according to the annotations and the label config."""
        if any(len(truth) > 1 for truth, _ in pairs):
            return False
        if name in self._attributes:
            return self._attributes[name].get("choice") != "multiple"
        return all(len(predicted) <= 1 for _, predicted in pairs)


def _by_control(regions: Iterable[Region]) -> dict[str, list[Region]]:
    by_control: dict[str, list[Region]] = {}
    for region in regions:
        if isinstance(region, Mapping) and region.get("from_name"):
            is_readable = isinstance(region.get("value"), Mapping)
            by_control.setdefault(str(region["from_name"]), []).append(
                region if is_readable else {**region, "value": {}}
            )
    return by_control


def _attributes(label_config: str) -> dict[str, dict[str, str]]:
    """Return the attributes of each control. `label_config` was parsed before: it is well-formed and has no DOCTYPE."""
    root = ElementTree.fromstring(label_config)  # noqa: S314
    return {str(element.get("name")): element.attrib for element in root.iter() if element.get("toName")}
