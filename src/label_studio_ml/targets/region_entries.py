"""Read the regions of one control in an annotation, with what other controls and relations say of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import Unknown, listed
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.inputs.content import Content
from label_studio_ml.inputs.media_size import UnknownSize
from label_studio_ml.protocol.control_tags import Geometry, control_tag
from label_studio_ml.regions.region import Region
from label_studio_ml.support.texts import plural
from label_studio_ml.targets.left_out import LeftOut, Reason
from label_studio_ml.targets.target_kinds import TargetKind
from label_studio_ml.targets.target_regions import RelationTarget, TargetRegion
from label_studio_ml.targets.whole_task_values import choices_of, part_of_region


class Entries:
    """The entries of an annotation's `result`, found by control and by region."""

    def __init__(self, annotation: Mapping[str, Any]) -> None:
        result = annotation.get("result")
        self.are_damaged = not isinstance(result, list | None)
        self._all: list[Region] = [entry for entry in _listed(result) if isinstance(entry, dict)]
        self._others = len(_listed(result)) - len(self._all)
        self._by_id: dict[str, list[Region]] = defaultdict(list)
        for entry in self._all:
            if entry.get("id") and entry.get("type") != "relation":
                self._by_id[str(entry["id"])].append(entry)

    def of(self, control: Control, item: int | None = None) -> list[Region]:
        """Return the entries of a control for the object that it labels; with `item`, for one of the object's values.

        Entries without a value are left out: see `damage`.
        """
        return [
            entry
            for entry in self._all
            if entry.get("from_name") == control.name
            and isinstance(entry.get("value"), Mapping)
            and (
                control.kind.geometry is Geometry.PAIR
                or entry.get("to_name", control.to_name) == control.to_name
            )
            and (item is None or _item(entry) == item)
        ]

    def damage(self, control: Control, items: int) -> Iterator[str]:
        """Yield a message for each entry that `of` never returns, though it is none of another control or object.

        `items` is the number of the object's values.
        """
        if self.are_damaged:
            yield "its result is no list of regions"
        yield from ("an entry of its result is no region" for _ in range(self._others))
        objects = [*control.to_names, *(item.name for item in control.objects)]
        for entry in self._all:
            if entry.get("from_name") != control.name:
                continue
            if not isinstance(entry.get("value"), Mapping):
                message = "it has no value"
            elif (
                control.kind.geometry is not Geometry.PAIR
                and entry.get("to_name", control.to_name) not in objects
            ):
                message = f"it is on {entry['to_name']!r}, which {control} does not label"
            elif control.object.is_list and not 0 <= _item(entry) < items:
                message = (
                    f"item_index is {entry.get('item_index')!r}, but the task has {plural(items, 'value')}"
                )
            else:
                continue
            yield f"region {entry.get('id')!r}: {message}"

    def of_region(self, region: Region) -> list[Region]:
        """Return the entries of other controls for a region."""
        return [
            entry
            for entry in self._by_id.get(str(region.get("id") or ""), [])
            if entry.get("from_name") != region.get("from_name")
        ]

    def control_names(self) -> set[str]:
        """Return the names of the controls that have entries."""
        return {str(entry["from_name"]) for entry in self._all if entry.get("from_name")}

    def relations(self) -> tuple[RelationTarget, ...]:
        """Return the relations between regions; those without both ids are left out."""
        return tuple(
            RelationTarget(
                str(entry["from_id"]),
                str(entry["to_id"]),
                str(entry.get("direction") or "right"),
                tuple(map(str, _listed(entry.get("labels")))),
            )
            for entry in self._all
            if entry.get("type") == "relation" and entry.get("from_id") and entry.get("to_id")
        )


def _listed(entries: Any) -> list[Any]:
    return entries if isinstance(entries, list) else []


#: Kinds of regions that are read in the same way.
_ALIKE = ({Geometry.BRUSH, Geometry.BITMASK},)


def _require_kind(region: Region, control: Control) -> None:
    """Raise ValueError if a region is of another kind than those of its control: the label config has changed.

    The numbers of a box would be read as those of a key point.
    """
    tag = control_tag(str(region.get("type")))
    if tag is None or Geometry.SPAN in (tag.geometry, control.kind.geometry):
        return
    kinds = {tag.geometry, control.kind.geometry}
    if len(kinds) > 1 and kinds not in _ALIKE:
        raise ValueError(f"its type is {region['type']!r}, which is none of {control}")


def _labels_field(region: Region, control: Control) -> str:
    """Return the field of a region's value with its labels: the control's, or that of the tag which it had before."""
    field = control.kind.labels_field or "labels"
    if field in region["value"]:
        return field
    tag = control_tag(str(region.get("type")))
    return tag.labels_field if tag is not None and tag.labels_field else field


def _item(entry: Mapping[str, Any]) -> int:
    try:
        return int(entry.get("item_index") or 0)
    except (TypeError, ValueError, OverflowError):
        return -1  # of no value of the object


class LabelCheck:
    """The labels that a control has, and what happens to others (`unknown`)."""

    def __init__(self, control: Control, unknown: Unknown) -> None:
        self._control = control
        self._is_error = unknown == "error"
        self._allowed = _allowed(control)

    def known(self, labels: tuple[Any, ...], task: Mapping[str, Any], left_out: LeftOut) -> tuple[Any, ...]:
        """Return those labels (or paths of a taxonomy) that the control has; others are counted in `left_out`.

        Raises LabelConfigError for others, unless `unknown="drop"`.
        """
        allowed = _allowed(self._for_task(task)) if self._control.labels_field else self._allowed
        if allowed is None or allowed.issuperset(labels):
            return labels
        for label in labels:
            if label in allowed:
                continue
            name = " / ".join(label) if isinstance(label, tuple) else label
            message = f"Task {task.get('id')}: the control {self._control.name!r} has no label {name!r}"
            if self._is_error:
                raise LabelConfigError(
                    f"{message}; it has: {listed(self._for_task(task).label_names)}",
                    fix='Add it to the label config, or leave such regions out: annotations.targets(…, unknown="drop")',
                    field="label_config",
                )
            left_out.add(Reason.UNKNOWN_LABEL, message, str(name))
        return tuple(label for label in labels if label in allowed)

    def _for_task(self, task: Mapping[str, Any]) -> Control:
        try:
            return self._control.for_task(task)
        except KeyError:
            return self._control


def _allowed(control: Control) -> frozenset[Any] | None:
    """Return the labels that a control has, those of a taxonomy as paths; None if it takes any."""
    if not control.has_own_labels:
        return None
    if control.kind.geometry is Geometry.TAXONOMY:
        return frozenset(path for top in control.labels for path, _ in top.walk())
    return frozenset(control.label_names)


class RegionReader:
    """Reads regions of `control`. Their labels are its own, or those of `labels_control`, or of any `<Labels>`."""

    def __init__(
        self, control: Control, kind: TargetKind, labels_control: Control | None, unknown: Unknown
    ) -> None:
        self.control = control
        self.kind = kind
        self.labels_control = labels_control
        self._check = LabelCheck(labels_control or control, unknown)

    def targets(
        self, task: Mapping[str, Any], entries: Entries, content: Content, left_out: LeftOut
    ) -> Iterator[TargetRegion]:
        """Yield the targets of one value of a task.

        Regions that cannot be read, and those all of whose labels are unknown, are counted in `left_out`. Raises
        LabelConfigError for an unknown label, unless `unknown="drop"`.
        """
        assert self.kind.region is not None, "the control has regions"
        item = content.item.number if self.control.object.is_list else None
        for region in entries.of(self.control, item):
            try:
                _require_kind(region, self.control)
                fields = self.kind.read(region, content)
                labels, values = self._labels(region, entries)
            except UnknownSize as error:
                raise UnknownSize(
                    f"Task {task.get('id')}: its regions do not say the size of what they are on. {error}"
                ) from None
            except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
                left_out.add(
                    Reason.UNREADABLE, f"Task {task.get('id')}, region {region.get('id')!r}: {error}"
                )
                continue
            known = self._check.known(labels, task, left_out)
            if labels and not known:
                continue
            yield self.kind.region(region=region, labels=known, values=values, **fields)

    def _labels(self, region: Region, entries: Entries) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Return the labels of a region, and what other controls say of it. Raises ValueError."""
        value = region["value"]
        field = _labels_field(region, self.control)
        labels = choices_of(value, field) if value.get(field) is not None else ()
        values = {}
        for entry in entries.of_region(region):
            part = part_of_region(entry)
            if self.labels_control is not None:
                if entry.get("from_name") == self.labels_control.name:
                    labels = part or ()
                    continue
            elif entry.get("type") == "labels" and not labels:
                labels = part or ()
                continue
            if part is not None:
                values[str(entry.get("from_name"))] = part
        return labels, values
