"""Rename what a label config names, for a second project with the same tasks."""

from collections.abc import Mapping
from xml.etree import ElementTree

from label_studio_ml.protocol.label_config import parse_label_config, read_xml, refuse_doctype

#: Attributes, in lower case, whose value names a control or object, or several of them, separated by commas.
_NAMING = frozenset({"toname", "whentagname"})
#: Attributes, in lower case, whose value names labels in the same way.
_LABELLING = frozenset({"whenlabelvalue", "whenchoicevalue"})
#: Tags of labels, and their attributes that a result may have.
_LABEL_TAGS, _LABEL_ATTRIBUTES = frozenset({"Label", "Choice"}), ("value", "alias")

Names = Mapping[str, str]


class _TreeBuilder(ElementTree.TreeBuilder):
    """Target of the XML parser that refuses a DOCTYPE."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a DOCTYPE. Raises LabelConfigError."""
        refuse_doctype()


def renamed(label_config: str, suffix: str, *, objects: bool = False, labels: bool = False) -> str:
    """Return the label config with `suffix` at the end of its controls' names.

    With `objects`, the names of objects get it too, and with `labels` those labels that do not come with each task.
    Raises LabelConfigError if the label config is not well-formed.
    """
    controls = parse_label_config(label_config)
    root: ElementTree.Element = read_xml(label_config, _TreeBuilder())
    names = {
        name: f"{name}{suffix}"
        for element in root.iter()
        if (name := element.get("name")) and (objects or (name in controls and element.get("toName")))
    }
    label_names = {
        label: f"{label}{suffix}"
        for element in root.iter()
        if labels and element.tag in _LABEL_TAGS
        for attribute in _LABEL_ATTRIBUTES
        if (label := element.get(attribute)) and not label.startswith("$")
    }
    for element in root.iter():
        _rename(element, names, label_names)
    return ElementTree.tostring(root, encoding="unicode")


def _rename(element: ElementTree.Element, names: Names, labels: Names) -> None:
    """Give an element the new names, in its own attributes and in those that refer to others."""
    for attribute, value in list(element.attrib.items()):
        if attribute == "name":
            element.set(attribute, names.get(value, value))
        elif element.tag in _LABEL_TAGS and attribute in _LABEL_ATTRIBUTES:
            element.set(attribute, labels.get(value, value))
        elif attribute.lower() in _NAMING:
            element.set(attribute, _each_renamed(value, names))
        elif attribute.lower() in _LABELLING:
            element.set(attribute, _each_renamed(value, labels))


def _each_renamed(value: str, names: Names) -> str:
    """Return a list that is separated by commas with the new names. A name that has none stays."""
    return ",".join(names.get(part.strip(), part) for part in value.split(","))
