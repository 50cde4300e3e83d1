"""Derive a sample label config for a model class from its source code."""

import ast
from pathlib import Path

from label_studio_ml.user_code.import_scan import parse

#: Functions by which model classes look up their tags: the last two texts of such a call are control and object tag.
_TAG_FINDERS = ("get_first_tag_occurence", "get_first_tag_keys", "get_single_tag_keys")

#: The field of a task that an object tag shows in a sample label config.
_FIELDS = {
    "Text": "text",
    "HyperText": "html",
    "Image": "image",
    "Paragraphs": "dialogue",
    "Audio": "audio",
    "Video": "video",
    "TimeSeries": "series",
}


def expected_tags(script: Path) -> tuple[str, str]:
    """Return the control tag and the object tag that the model in `script` looks up.

    If it looks up none by name, these are Choices and Text, which most classifiers accept.
    """
    return looked_up_tags(script) or ("Choices", "Text")


def looked_up_tags(script: Path) -> tuple[str, str] | None:
    """Return the control tag and the object tag that the model in `script` looks up; None if it looks up none."""
    for node in ast.walk(parse(script)):
        if not isinstance(node, ast.Call):
            continue
        tags = _controls_call(node)
        if tags is not None:
            return tags
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _TAG_FINDERS:
            texts = [text for argument in node.args if (text := _first_text(argument))]
            if len(texts) >= 2 and texts[-1] in _FIELDS:
                return texts[-2], texts[-1]
    return None


def _controls_call(node: ast.Call) -> tuple[str, str] | None:
    """Return the two tags of a call such as `self.controls.first("RectangleLabels", on="Image")`; None for others."""
    function = node.func
    if not isinstance(function, ast.Attribute) or function.attr not in ("first", "find", "all"):
        return None
    if not ast.unparse(function.value).endswith("controls"):
        return None
    named = {keyword.arg: _first_text(keyword.value) for keyword in node.keywords}
    control = _first_text(node.args[0]) if node.args else named.get("tag", "")
    object_tag = _first_text(node.args[1]) if len(node.args) > 1 else named.get("on", "")
    return (control, object_tag) if control and object_tag in _FIELDS else None


def sample_label_config(control: str, object_tag: str) -> str:
    """Return a label config with the two tags. `label_studio_ml.samples.tasks` makes tasks for it."""
    field = _FIELDS[object_tag]
    child = "Choice" if control == "Choices" else "Label" if control.endswith("Labels") else ""
    labels = [f'    <{child} value="{name}"/>' for name in ("First", "Second")] if child else []
    opening = f'  <{control} name="label" toName="{field}"'
    lines = [
        "<View>",
        f'  <{object_tag} name="{field}" value="${field}"/>',
        *([f"{opening}>", *labels, f"  </{control}>"] if labels else [f"{opening}/>"]),
        "</View>",
    ]
    return "\n".join(lines)


def _first_text(node: ast.expr) -> str:
    """Return the string literal `node`, or the first one of a tuple or list; empty for other nodes."""
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        node = node.elts[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
