"""Labels that come with the task: `value="$options"` of `<Choices>`, `<Taxonomy>` and the tags of labels."""

import json
from typing import Any

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.media import drawings
from label_studio_ml.samples.value_context import ValueContext

_LABELS = ("Car", "Person", "Tree", "Dog", "Building", "Sign", "Lamp", "Bicycle")
_COLOURS = ("#d62828", "#1d4ed8", "#16833c", "#eaa014", "#7e22ce", "#0f766e", "#9a3412", "#374151")
_GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "Animals": {"Mammals": ("Dog", "Cat", "Horse"), "Birds": ("Owl", "Duck")},
    "Plants": {"Trees": ("Oak", "Pine"), "Flowers": ("Rose", "Tulip", "Lily")},
    "Things": {"Vehicles": ("Car", "Bus"), "Tools": ("Saw", "Hammer")},
}


def labels(use: Use, context: ValueContext) -> list[dict[str, str]]:
    """Return three to five labels with colours."""
    chosen = sorted(context.rng.sample(range(len(_LABELS)), context.rng.randint(3, 5)))
    return [{"value": _LABELS[place], "background": _COLOURS[place]} for place in chosen]


def choices(use: Use, context: ValueContext) -> list[dict[str, Any]]:
    """Return three to five choices, the first with an alias; nested ones if the tag allows them.

    They have pictures if the name of the field says so.
    """
    if use.attributes.get("allownested") == "true":
        return _nested(context, deep=False)
    chosen = context.rng.sample(_LABELS, context.rng.randint(3, 5))
    options: list[dict[str, Any]] = [{"value": name} for name in chosen]
    options[0]["alias"] = chosen[0].lower()
    if drawings.named_as_pictures(context.path):
        for choice in options:
            choice["html"] = drawings.as_html(context)
    return options


def taxonomy(use: Use, context: ValueContext) -> list[dict[str, Any]]:
    """Return a tree of choices, three levels deep."""
    return _nested(context, deep=True)


def address(use: Use, context: ValueContext) -> str:
    """Return the address of a JSON file with a tree of choices, for the attribute `apiUrl`."""
    return context.place(json.dumps(_nested(context, deep=True)).encode(), "json")


def _nested(context: ValueContext, *, deep: bool) -> list[dict[str, Any]]:
    names = sorted(context.rng.sample(sorted(_GROUPS), 2))
    if not deep:
        return [{"value": name, "children": [{"value": part} for part in _GROUPS[name]]} for name in names]
    return [
        {
            "value": name,
            "children": [
                {"value": part, "children": [{"value": leaf} for leaf in leaves]}
                for part, leaves in _GROUPS[name].items()
            ],
        }
        for name in names
    ]
