"""Variants of a label config that a model class meets in other projects."""

from xml.etree import ElementTree

from label_studio_ml.controls import Controls
from label_studio_ml.protocol.control_tags import CONTROL_TAGS
from label_studio_ml.protocol.renamed_config import renamed

#: Appended to names and labels of the second project.
_OTHER = "_2"


def other_project(label_config: str) -> str:
    """Return the label config with other names of controls and objects, and other labels."""
    return renamed(label_config, _OTHER, objects=True, labels=True)


def with_further_tags(label_config: str) -> str:
    """Return the label config with a heading, a style, a rating and a tag that nobody knows."""
    root = ElementTree.fromstring(label_config)  # noqa: S314 (the author's own file)
    objects = [item for item in Controls(label_config).objects if item.name]
    root.insert(0, ElementTree.Element("Header", {"value": "Have a look"}))
    style = ElementTree.Element("Style")
    style.text = ".x { color: red }"
    root.insert(1, style)
    root.append(ElementTree.Element("HouseTag", {"hint": "of a later release"}))
    if objects and "Rating" in CONTROL_TAGS:
        root.append(ElementTree.Element("Rating", {"name": "further_rating", "toName": objects[0].name}))
    return ElementTree.tostring(root, encoding="unicode")
