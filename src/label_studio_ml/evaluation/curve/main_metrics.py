"""The metric of each kind of control that a learning curve shows unless another one is named."""

from collections.abc import Mapping

from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.metrics.results import Measured

#: Kind of a measured control -> its main metric.
_MAIN_METRICS = {
    "choices": "accuracy",
    "multiple choices": "micro_f1",
    "taxonomy": "hierarchical_f1",
    "text": "cer",
    "numbers": "mae",
    "rankings": "kendall",
    "spans": "strict_f1",
    "boxes": "map_50",
    "areas": "map_50",
    "key points": "f1",
    "relations": "f1",
}
#: Metrics of which less is better.
_LOWER = frozenset({"cer", "wer", "mae", "rmse", "distance"})


def lower_is_better(metric: str) -> bool:
    """Tell whether less of a metric of `evaluate` is better; the others have 1 as their best value."""
    return metric in _LOWER


def curve_metrics(controls: Mapping[str, Measured], name: str = "") -> dict[str, str]:
    """Return the metric to show by control: `name` where a control has it, or if it is empty the main metric.

    Raises SettingsError if no control has a metric `name`.
    """
    if name:
        chosen = {control: name for control, measured in controls.items() if name in measured.metrics}
        if not chosen and controls:
            available = dict.fromkeys(metric for measured in controls.values() for metric in measured.metrics)
            raise SettingsError(
                f"No control has the metric {name!r}",
                fix=f"Name one of: {', '.join(available)}",
                field="--metric",
            )
        return chosen
    return {
        control: main
        for control, measured in controls.items()
        if (main := _MAIN_METRICS.get(measured.kind, next(iter(measured.metrics), "")))
    }
