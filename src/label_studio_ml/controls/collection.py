"""The controls of a project's label config."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import overload

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.label_config_tree import ControlElement, read_tree
from label_studio_ml.controls.labels import LabelMap
from label_studio_ml.controls.object_tag import ObjectTag
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import CONTROL_TAGS

Names = str | Collection[str]


class Controls:
    """The controls of a label config (XML), in document order; empty if the project has none yet.

    `controls["box"]` is the control of that name; `controls[0]` the first one. `objects` are the object tags.
    Raises LabelConfigError if the label config is not well-formed.
    """

    def __init__(self, label_config: str | None = None) -> None:
        tree = read_tree(label_config)
        self.objects = tree.objects
        #: The labels of `<Relations>`, for `regions.relation`; any label if the label config has none.
        self.relation_labels = LabelMap("Relations", tree.relation_labels or None)
        by_name = {item.name: item for item in tree.objects}
        self._controls = tuple(_control(element, by_name, tree.index_variables) for element in tree.controls)
        self._by_name: dict[str, Control] = {}
        for control in self._controls:
            self._by_name.setdefault(control.name, control)

    def __len__(self) -> int:
        return len(self._controls)

    def __iter__(self) -> Iterator[Control]:
        return iter(self._controls)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return item in self._by_name or self._repeated(item) is not None
        return item in self._controls

    @overload
    def __getitem__(self, key: int | str) -> Control: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Control, ...]: ...

    def __getitem__(self, key: int | str | slice) -> Control | tuple[Control, ...]:
        """Return the control of this name or position. Raises LabelConfigError for a name that no control has.

        A control within a `<Repeater>` is found by its name with the index filled in, too.
        """
        if not isinstance(key, str):
            return self._controls[key]
        control = self._by_name.get(key) or self._repeated(key)
        if control is None:
            raise LabelConfigError(
                f"The label config has no control named {key!r}; it has {self._described()}",
                field="label_config",
            )
        return control

    def _repeated(self, name: str) -> Control | None:
        """Return the control within a `<Repeater>` whose name with an index filled in is `name`; None without."""
        for control in self._controls:
            if indices := _indices(control, name):
                return control.at(indices)
        return None

    def all(self, tag: Names = (), on: Names = (), *, per_region: bool | None = None) -> list[Control]:
        """Return the controls with one of the tags `tag` on an object with one of the tags `on`; empty: any.

        `per_region` selects those whose values belong to a region (True) or to the whole task (False). Each control is
        returned for the first of its objects that fits. Raises ValueError for a tag that Label Studio does not have.
        """
        tags, targets = _names(tag), _names(on)
        self._check_tags(tags)
        return [
            control.on(targets) if targets else control
            for control in self._controls
            if (not tags or control.tag in tags)
            and (not targets or any(item.tag in targets for item in control.objects))
            and (per_region is None or control.is_per_region == per_region)
        ]

    def find(self, tag: Names = (), on: Names = (), *, per_region: bool | None = None) -> Control | None:
        """Return the first of the controls that `all` returns; None if there is none."""
        return next(iter(self.all(tag, on, per_region=per_region)), None)

    def first(self, tag: Names = (), on: Names = (), *, per_region: bool | None = None) -> Control:
        """Return the first of the controls that `all` returns.

        Raises LabelConfigError, naming what is needed and what the label config has, if there is none.
        """
        control = self.find(tag, on, per_region=per_region)
        if control is not None:
            return control
        needed = " or ".join(f"<{name}>" for name in _names(tag)) or "control"
        if targets := _names(on):
            needed += " for " + " or ".join(f"<{name}>" for name in targets)
        if per_region is not None:
            needed += " with perRegion" if per_region else " without perRegion"
        if not self._controls and not self.objects:
            raise LabelConfigError(
                f"This model needs a {needed}; the label config is empty",
                fix="Set up the labeling interface in the project's settings",
                field="label_config",
            )
        raise LabelConfigError(
            f"This model needs a {needed}; the label config has {self._described()}",
            fix="Add it in the project's Labeling Interface settings",
            field="label_config",
        )

    def _described(self) -> str:
        return ", ".join(map(str, self._controls)) or "no controls"

    def _check_tags(self, tags: tuple[str, ...]) -> None:
        present = {control.tag for control in self._controls}
        for tag in tags:
            if tag == "Relations" and tag not in present:
                raise ValueError(
                    "<Relations> has no name, so that it is no control: its labels are controls.relation_labels"
                )
            if tag in CONTROL_TAGS or tag in present:
                continue
            close = difflib.get_close_matches(tag, CONTROL_TAGS, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"Label Studio has no control tag {tag!r}{hint}")

    def __repr__(self) -> str:
        return f"Controls({self._described()})"


def _names(names: Names) -> tuple[str, ...]:
    return ((names,) if names else ()) if isinstance(names, str) else tuple(names)


def _indices(control: Control, name: str) -> dict[str, int]:
    """Return the index of each placeholder with which the control's name becomes `name`; empty if none does."""
    if not control.index_variables:
        return {}
    groups: dict[str, str] = {}
    pattern = ""
    for part in re.split(f"({'|'.join(map(re.escape, control.index_variables))})", control.name):
        if part not in control.index_variables:
            pattern += re.escape(part)
        elif part in groups:
            pattern += f"(?P={groups[part]})"
        else:
            groups[part] = f"index{len(groups)}"
            pattern += f"(?P<{groups[part]}>0|[1-9][0-9]*)"
    match = re.fullmatch(pattern, name)
    return {variable: int(match[group]) for variable, group in groups.items()} if match else {}


def _control(
    element: ControlElement, objects: Mapping[str, ObjectTag], index_variables: Collection[str]
) -> Control:
    in_names = (element.name, *element.to_names)
    value = element.attributes.get("value", "")
    return Control(
        name=element.name,
        tag=element.tag,
        objects=tuple(objects[name] for name in element.to_names if name in objects),
        to_names=element.to_names,
        labels=element.labels,
        conditions=element.conditions,
        buckets=element.buckets,
        ancestors=element.ancestors,
        attributes=element.attributes,
        has_own_labels=bool(element.labels)
        and not value.startswith("$")
        and not element.attributes.get("apiUrl"),
        index_variables=tuple(
            variable for variable in index_variables if any(variable in name for name in in_names)
        ),
    )


@lru_cache(maxsize=32)
def controls_of(label_config: str) -> Controls:
    """Return the controls of a label config. The last 32 label configs are read once. Raises LabelConfigError."""
    return Controls(label_config)
