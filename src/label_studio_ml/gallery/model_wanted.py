"""What a model for a label config would have to return, in one sentence, where the gallery has none that fits."""

from label_studio_ml.controls.collection import Controls
from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import listed
from label_studio_ml.protocol.control_tags import Geometry

#: Labels that the sentence names; the number of the others is given.
_NAMED_LABELS = 4

#: What a model returns for a control with this kind of values.
_VALUES = {
    Geometry.BOX: "boxes",
    Geometry.PAGE_BOX: "boxes on pages",
    Geometry.ELLIPSE: "ellipses",
    Geometry.KEY_POINT: "key points",
    Geometry.POLYGON: "polygons",
    Geometry.VECTOR: "lines of points",
    Geometry.BRUSH: "masks",
    Geometry.BITMASK: "masks",
    Geometry.VIDEO_BOX: "boxes followed over the frames",
    Geometry.VIDEO_VECTOR: "lines of points followed over the frames",
    Geometry.SPAN: "spans",
    Geometry.TIMELINE: "ranges of frames",
    Geometry.CHOICES: "a choice",
    Geometry.TAXONOMY: "paths of a taxonomy",
    Geometry.RATING: "a rating",
    Geometry.NUMBER: "a number",
    Geometry.DATE_TIME: "a date or time",
    Geometry.TEXT: "a text",
    Geometry.PAIR: "which of two objects is better",
    Geometry.RANKING: "an order of items",
    Geometry.RELATION: "relations between regions",
    Geometry.CHAT: "messages of a dialogue",
    Geometry.CODE: "the data that the label config's own code shows",
}


def wanted(label_config: str) -> str:
    """Return what a model would have to return for each control of the label config, as one sentence.

    Raises LabelConfigError if the label config is not well-formed.
    """
    phrases: list[str] = []
    for control in Controls(label_config):
        phrase = _phrase(control)
        if phrase not in phrases:
            phrases.append(phrase)
    if not phrases:
        return "The label config has no control, so there is nothing to predict."
    return f"A model would have to return {'; '.join(phrases)}."


def _phrase(control: Control) -> str:
    """Return what a model returns for one control."""
    phrase = _VALUES.get(control.kind.geometry, f"values for <{control.tag}>")
    if control.label_names and control.kind.geometry is not Geometry.TAXONOMY:
        phrase += f" of {listed(control.label_names, _NAMED_LABELS)}"
    phrase += f" ({control.name})"
    if control.is_per_region:
        return f"{phrase} for each region"
    if not control.objects:
        return f"{phrase} for nothing: no tag has the name {control.to_name!r}" if control.to_name else phrase
    shown = " and ".join(f"<{item.tag}> {item.name}" for item in control.objects)
    return f"{phrase} for {shown}"
