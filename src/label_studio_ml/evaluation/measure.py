"""What annotators and the model said of each control, gathered task by task, and measured in the end."""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from label_studio_ml.evaluation import boxes, choices, numbers, regions, spans, texts
from label_studio_ml.evaluation.regions import Kind, Region
from label_studio_ml.evaluation.results import Measured
from label_studio_ml.labels import parse_label_config

_WHY_NOT = {
    "per region": "it is said of regions, not of tasks: regions have no metric that pairs them off first",
    "other": "there is no metric for this kind of region here",
    "silent": "neither annotators nor the model said anything",
}


class Observations:
    """The regions of annotations and predictions, kept as small as the metrics allow.

    `label_config` gives the labels' order and which choices are exclusive; without it, the data tell.
    Raises LabelConfigError when it is not well-formed.
    """

    def __init__(self, label_config: str = "") -> None:
        self._controls = parse_label_config(label_config)
        self._attributes = _attributes(label_config) if self._controls else {}
        self._pairs: dict[str, list[Any]] = {}
        self._kinds: dict[str, Kind] = {}
        self.tasks = 0

    def add(self, annotated: Iterable[Region], predicted: Iterable[Region], score: float = 1.0) -> None:
        """Take what an annotator and the model said of one task; `score` is the prediction's own."""
        self.tasks += 1
        sides = (_by_control(annotated), _by_control(predicted))
        for name in {*sides[0], *sides[1]}:
            truth, found = sides[0].get(name, []), sides[1].get(name, [])
            kind = self._kinds.setdefault(name, self._kind(name, [*truth, *found]))
            if kind == "other":
                continue
            pairs = self._pairs.setdefault(name, [])
            if kind in ("choices", "multiple choices"):
                pairs.append((regions.choices(truth), regions.choices(found)))
            elif kind == "spans":
                pairs.append((regions.spans(truth), regions.spans(found)))
            elif kind == "boxes":
                size = regions.picture_size([*truth, *found])
                pairs.append((regions.boxes(truth, size), regions.boxes(found, size, score)))
            elif kind == "text":
                pairs.append((regions.text(truth), regions.text(found)))
            else:
                pairs.append((regions.rating(truth), regions.rating(found)))

    def measure(self) -> dict[str, Measured]:
        """Return the metrics of every control that something was said of."""
        return {name: self._measured(name) for name in self._names() if self._pairs.get(name)}

    def not_measured(self) -> dict[str, str]:
        """Return the controls without metrics, each with the reason."""
        reasons = {}
        for name in self._names():
            if self._kinds.get(name) == "other":
                reasons[name] = _WHY_NOT["per region" if self._per_region(name) else "other"]
            elif not self._pairs.get(name):
                reasons[name] = _WHY_NOT["silent"]
        return reasons

    def _measured(self, name: str) -> Measured:
        kind, pairs = self._kinds[name], self._pairs[name]
        known = self._controls.get(name, {}).get("labels", [])
        if kind == "choices" and self._exclusive(name, pairs):
            return choices.measure_exclusive(pairs, known)
        if kind in ("choices", "multiple choices"):
            return choices.measure_multiple(pairs, known)
        if kind == "spans":
            return spans.measure(pairs, known)
        if kind == "boxes":
            return boxes.measure(pairs, known)
        return texts.measure(pairs) if kind == "text" else numbers.measure(pairs)

    def _names(self) -> list[str]:
        return [*self._controls, *sorted(self._kinds.keys() - self._controls.keys())]

    def _kind(self, name: str, said: list[Region]) -> Kind:
        if self._per_region(name):
            return "other"
        return next((kind for kind in map(regions.kind_of, said) if kind != "other"), "other")

    def _per_region(self, name: str) -> bool:
        return self._attributes.get(name, {}).get("perRegion") == "true"

    def _exclusive(self, name: str, pairs: list[choices.Pair]) -> bool:
        """Tell whether a task has one choice at most: by the label config, and by what annotators did."""
        if any(len(truth) > 1 for truth, _ in pairs):
            return False
        if name in self._attributes:
            return self._attributes[name].get("choice") != "multiple"
        return all(len(found) <= 1 for _, found in pairs)


def _by_control(said: Iterable[Region]) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = {}
    for region in said:
        if isinstance(region, Mapping) and region.get("from_name"):
            found.setdefault(str(region["from_name"]), []).append(region)
    return found


def _attributes(label_config: str) -> dict[str, dict[str, str]]:
    """Return the attributes of each control. The text was read before: it is well-formed and has no DOCTYPE."""
    root = ElementTree.fromstring(label_config)  # noqa: S314
    return {str(element.get("name")): element.attrib for element in root.iter() if element.get("toName")}
