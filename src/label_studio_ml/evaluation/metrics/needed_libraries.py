"""The libraries of the `evaluate` extra that the controls of a label config need."""

import importlib.util

from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.metrics.results import INSTALL, LIBRARIES
from label_studio_ml.protocol.label_config import parse_label_config

#: Import name of the library of each control's metric. `<Labels>` and its like are spans, other `…Labels` are shapes.
_BY_TAG = {
    **dict.fromkeys(("Choices", "Pairwise", "Taxonomy"), "sklearn"),
    **dict.fromkeys(
        ("Labels", "HyperTextLabels", "ParagraphLabels", "TimeSeriesLabels", "TimelineLabels"), "nervaluate"
    ),
    "TextArea": "jiwer",
    **dict.fromkeys(("Rating", "Number", "DateTime", "Ranker", "KeyPoint", "KeyPointLabels"), ""),
}


def require_libraries(label_config: str, *, pictures: bool) -> None:
    """Raise SettingsError, with the installation command, if a library is missing that the label config needs.

    `pictures` tells whether matplotlib is needed, for a confusion matrix or a curve.
    """
    tags = {str(control.get("type", "")) for control in parse_label_config(label_config).values()}
    needed = {_BY_TAG.get(tag, "faster_coco_eval") for tag in tags}
    if pictures:
        needed.add("matplotlib")
    missing = [
        name
        for module, name in LIBRARIES.items()
        if module in needed and importlib.util.find_spec(module) is None
    ]
    if missing:
        it = "it" if len(missing) == 1 else "them"
        raise SettingsError(f"Evaluating needs {', '.join(missing)}", fix=f"Install {it} with: {INSTALL}")
