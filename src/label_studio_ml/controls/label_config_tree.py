"""Read the control tags and object tags of a label config, with all of their attributes, labels and conditions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from label_studio_ml.controls.conditions import Condition, conditions_of
from label_studio_ml.controls.labels import Label
from label_studio_ml.controls.object_tag import ObjectTag
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import SELF_LABELLING, control_tag
from label_studio_ml.protocol.label_config import (
    check_index_flags,
    check_size,
    check_targets,
    config_text,
    read_xml,
    refuse_doctype,
)

#: Tags that are neither a control nor an object, also with a name: they arrange and filter what is around them.
_LAYOUT = frozenset(
    {
        "View",
        "Header",
        "Style",
        "Collapse",
        "Panel",
        "Markdown",
        "Filter",
        "Shortcut",
        "Repeater",
        "PagedView",
    }
)

#: Tags of labels.
_LABELS = frozenset({"Label", "Choice", "Relation"})

#: The deepest nesting of tags. Taxonomies of biology have about 20 levels.
MAX_DEPTH = 200


@dataclass(frozen=True)
class Bucket:
    """A `<Bucket>` of a `<Ranker>`: a column that annotators move items to.

    `is_default`: the items of a task are in it at first.
    """

    name: str
    is_default: bool = False


@dataclass(frozen=True)
class ControlElement:
    """A control tag as it is written: its attributes, labels and conditions, and the tags around it from the top."""

    tag: str
    name: str
    to_names: tuple[str, ...]
    attributes: Mapping[str, str]
    labels: tuple[Label, ...]
    conditions: tuple[Condition, ...]
    ancestors: tuple[str, ...]
    buckets: tuple[Bucket, ...] = ()


@dataclass(frozen=True)
class LabelConfigTree:
    """The controls and objects of a label config, in document order.

    `index_variables` are the placeholders in names within a `<Repeater>`: each `indexFlag`, and `{{idx}}`.
    `relation_labels` are the labels in all `<Relations>`, which have no name and are no control.
    """

    controls: tuple[ControlElement, ...] = ()
    objects: tuple[ObjectTag, ...] = ()
    index_variables: tuple[str, ...] = ()
    relation_labels: tuple[Label, ...] = ()


class _TreeBuilder(ElementTree.TreeBuilder):
    """Target of the XML parser that builds the tree of a label config without a DOCTYPE."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a DOCTYPE, before an entity that it declares is parsed. Raises LabelConfigError."""
        refuse_doctype()


def read_tree(xml: str | None) -> LabelConfigTree:
    """Read a label config.

    Raises LabelConfigError if it is not well-formed, has a DOCTYPE, is too large, or has tags nested more than
    `MAX_DEPTH` deep.
    """
    xml = config_text(xml)
    check_size(xml)
    if not xml.strip():
        return LabelConfigTree()
    root: ElementTree.Element = read_xml(xml, _TreeBuilder())
    controls: list[ControlElement] = []
    objects: list[ObjectTag] = []
    relation_labels: list[Label] = []
    variables: dict[str, None] = {}
    targets = 0
    for element, ancestors in list(
        _walk(root, ())
    ):  # a list: it checks the depth of all tags before labels are read
        name, target = element.get("name", ""), element.get("toName", "")
        if variable := element.get("indexFlag"):
            variables[variable] = None
            check_index_flags(len(variables))
        if element.tag == "Relations":
            relation_labels += _labels(element)
        if not name or element.tag in _LABELS or element.tag in _LAYOUT:
            continue
        if target or element.tag in SELF_LABELLING:
            targets += target.count(",") + 1
            check_targets(targets)
            controls.append(_control(element, name, target or name, ancestors))
        if not target and (element.tag in SELF_LABELLING or control_tag(element.tag) is None):
            channels = tuple(dict(child.attrib) for child in element if child.tag == "Channel")
            objects.append(ObjectTag(name, element.tag, dict(element.attrib), channels))
    return LabelConfigTree(tuple(controls), tuple(objects), (*variables, "{{idx}}"), tuple(relation_labels))


def _walk(
    element: ElementTree.Element, ancestors: tuple[ElementTree.Element, ...]
) -> Iterator[tuple[ElementTree.Element, tuple[ElementTree.Element, ...]]]:
    """Yield an element and those in it, in document order, each with the elements around it from the top."""
    stack = [(element, ancestors)]
    while stack:
        current, above = stack.pop()
        if len(above) > MAX_DEPTH:
            raise LabelConfigError(
                f"The label config has tags that are nested more than {MAX_DEPTH} deep", field="label_config"
            )
        yield current, above
        stack.extend((child, (*above, current)) for child in reversed(current))


def _control(
    element: ElementTree.Element, name: str, target: str, ancestors: tuple[ElementTree.Element, ...]
) -> ControlElement:
    return ControlElement(
        tag=element.tag,
        name=name,
        to_names=tuple(part.strip() for part in target.split(",") if part.strip()) or (target,),
        attributes=dict(element.attrib),
        labels=_labels(element),
        conditions=tuple(
            condition
            for holder in (*ancestors, element)
            for condition in conditions_of(holder.tag, holder.attrib)
        ),
        ancestors=tuple(ancestor.tag for ancestor in ancestors),
        buckets=tuple(
            Bucket(child.get("name", ""), child.get("default", "").strip().lower() == "true")
            for child in element.iter("Bucket")
            if child.get("name")
        ),
    )


def _labels(element: ElementTree.Element) -> tuple[Label, ...]:
    """Return the labels in an element, also those within tags that only arrange them, such as `<View>`."""
    labels: list[Label] = []
    for child in element:
        if child.tag not in _LABELS:
            labels += _labels(child)
        elif name := child.get("alias") or child.get("value"):
            labels.append(Label(name, dict(child.attrib), _labels(child)))
    return tuple(labels)
