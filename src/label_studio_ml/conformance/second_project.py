"""A second project for the same backend: the same tasks, and controls of other names."""

from xml.etree import ElementTree

from label_studio_ml.conformance.sample_project import SECOND_ID, SampleProject
from label_studio_ml.protocol.label_config import parse_label_config, read_xml, refuse_doctype

#: What the names of the second project's controls end with.
_SUFFIX = "_second"

#: Attributes that name a control.
_NAMING = ("name", "whenTagName", "whentagname")


class _TreeBuilder(ElementTree.TreeBuilder):
    """Target of the XML parser that refuses a DOCTYPE."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a DOCTYPE. Raises LabelConfigError."""
        refuse_doctype()


def second_project(first: SampleProject) -> SampleProject:
    """Return a project that differs from `first` in its id and in the names of its controls.

    Raises LabelConfigError if the label config is not well-formed.
    """
    controls = parse_label_config(first.label_config)
    root: ElementTree.Element = read_xml(first.label_config, _TreeBuilder())
    for element in root.iter():
        for attribute in _NAMING:
            name = element.get(attribute)
            if name in controls and (attribute != "name" or element.get("toName")):
                element.set(attribute, f"{name}{_SUFFIX}")
    label_config = ElementTree.tostring(root, encoding="unicode")
    return SampleProject(SECOND_ID, label_config, first.data, first.hostname)
