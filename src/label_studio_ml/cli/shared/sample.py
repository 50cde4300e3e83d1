"""Derive sample label configs for a model class from its source code."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
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


@dataclass(frozen=True, slots=True)
class ControlLookup:
    """A control that a class looks up. `object_tag` is empty if the call names none."""

    control: str
    object_tag: str
    per_region: bool = False


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """A label config that a class may be built for, and the tags in it: "<RectangleLabels> on <Image>"."""

    label_config: str
    tags: str


def sample_configs(script: Path) -> list[SampleConfig]:
    """Return the label configs to try for the class in `script`, in this order; none if it looks up no tags by name.

    The first has the first control that the class looks up, the second all of them: a class may need them all, or take
    any of them.
    """
    lookups = looked_up_controls(script)
    first = next((lookup for lookup in lookups if lookup.object_tag), None)
    if first is None:
        return []
    known = list(dict.fromkeys(_with_object(lookup, first.object_tag) for lookup in lookups))
    candidates = [[first]] if known == [first] else [[first], known]
    return [SampleConfig(_label_config(chosen), _described(chosen)) for chosen in candidates]


def _with_object(lookup: ControlLookup, object_tag: str) -> ControlLookup:
    return lookup if lookup.object_tag else ControlLookup(lookup.control, object_tag, lookup.per_region)


def _described(lookups: Sequence[ControlLookup]) -> str:
    """Return the tags in words: "<Rectangle>, <Labels> on <Image>; <Choices> on <Text>"."""
    groups = groupby(
        sorted(lookups, key=lambda lookup: lookup.object_tag), key=lambda lookup: lookup.object_tag
    )
    return "; ".join(
        f"{', '.join(f'<{lookup.control}>' for lookup in group)} on <{object_tag}>"
        for object_tag, group in groups
    )


def looked_up_tags(script: Path) -> tuple[str, str] | None:
    """Return the control tag and the object tag that the model in `script` looks up; None if it looks up none."""
    lookups = looked_up_controls(script)
    return next(((lookup.control, lookup.object_tag) for lookup in lookups if lookup.object_tag), None)


def looked_up_controls(script: Path) -> list[ControlLookup]:
    """Return the controls that the model in `script` looks up by name, in the order of the calls."""
    calls = (node for node in ast.walk(parse(script)) if isinstance(node, ast.Call))
    lookups = (_controls_call(call) or _finder_call(call) for call in calls)
    return [lookup for lookup in lookups if lookup is not None]


def _finder_call(node: ast.Call) -> ControlLookup | None:
    """Return the lookup of a call of one of the older functions, `_TAG_FINDERS`; None for others."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in _TAG_FINDERS:
        return None
    texts = [text for argument in node.args if (text := _first_text(argument))]
    if len(texts) < 2 or texts[-1] not in _FIELDS:
        return None
    return ControlLookup(texts[-2], texts[-1])


def _controls_call(node: ast.Call) -> ControlLookup | None:
    """Return the lookup of a call such as `self.controls.first("RectangleLabels", on="Image")`; None for others."""
    function = node.func
    if not isinstance(function, ast.Attribute) or function.attr not in ("first", "find", "all"):
        return None
    if not ast.unparse(function.value).endswith("controls"):
        return None
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    tag, on = (*node.args, None, None)[:2]
    tag, on, per_region = tag or named.get("tag"), on or named.get("on"), named.get("per_region")
    control, object_tag = (_first_text(value) if value is not None else "" for value in (tag, on))
    if not control or (on is not None and object_tag not in _FIELDS):
        return None
    return ControlLookup(
        control, object_tag, isinstance(per_region, ast.Constant) and per_region.value is True
    )


def sample_label_config(control: str, object_tag: str) -> str:
    """Return a label config with the two tags. `label_studio_ml.samples.tasks` makes tasks for it."""
    return _label_config([ControlLookup(control, object_tag)])


def _label_config(lookups: Sequence[ControlLookup]) -> str:
    """Return a label config with these controls: the first is named "label", the others by their tags."""
    objects = dict.fromkeys(lookup.object_tag for lookup in lookups)
    lines = [f'  <{tag} name="{_FIELDS[tag]}" value="${_FIELDS[tag]}"/>' for tag in objects]
    for number, lookup in enumerate(lookups, 1):
        name = "label" if number == 1 else f"{lookup.control.lower()}_{number}"
        lines += _control_lines(lookup, name)
    return "\n".join(["<View>", *lines, "</View>"])


def _control_lines(lookup: ControlLookup, name: str) -> list[str]:
    tag = lookup.control
    child = "Choice" if tag in ("Choices", "Taxonomy") else "Label" if tag.endswith("Labels") else ""
    labels = [f'    <{child} value="{value}"/>' for value in ("First", "Second")] if child else []
    per_region = ' perRegion="true"' if lookup.per_region else ""
    opening = f'  <{tag} name="{name}" toName="{_FIELDS[lookup.object_tag]}"{per_region}'
    return [f"{opening}>", *labels, f"  </{tag}>"] if labels else [f"{opening}/>"]


def _first_text(node: ast.expr) -> str:
    """Return the string literal `node`, or the first one of a tuple or list; empty for other nodes."""
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        node = node.elts[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
