"""Which metric a curve shows."""

import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.evaluation.curve.main_metrics import curve_metrics, lower_is_better
from label_studio_ml.evaluation.metrics.region_kinds import KINDS, MULTIPLE_CHOICES, RegionKind
from label_studio_ml.evaluation.metrics.results import Measured
from label_studio_ml.evaluation.metrics.spans import Span

CONTROLS = {
    "mood": Measured(kind="choices", tasks=3, metrics={"macro_f1": 0.5, "accuracy": 0.7}),
    "text": Measured(kind="text", tasks=3, metrics={"cer": 0.1, "accuracy": 0.2}),
}


def test_the_main_metric_of_each_kind() -> None:
    assert curve_metrics(CONTROLS) == {"mood": "accuracy", "text": "cer"}
    assert lower_is_better("cer")
    assert not lower_is_better("accuracy")


def test_a_named_metric_where_there_is_one() -> None:
    assert curve_metrics(CONTROLS, "macro_f1") == {"mood": "macro_f1"}
    with pytest.raises(
        SettingsError, match=r"No control has the metric 'f2'. Name one of: macro_f1, accuracy, cer"
    ):
        curve_metrics(CONTROLS, "f2")
    assert curve_metrics({}, "f2") == {}


SPAN = Span("a", (0, 0.0, 0.0), (0, 1.0, 0.0))
#: By kind: pairs without which there are no metrics.
PAIRS = {
    **dict.fromkeys(("choices", "multiple choices"), (["a"], ["a"])),
    "taxonomy": ([("a", "b")], [("a", "b")]),
    **dict.fromkeys(("spans", "frames"), ([SPAN], [SPAN])),
}


@pytest.mark.parametrize("kind", [*KINDS, MULTIPLE_CHOICES], ids=lambda kind: kind.name)
def test_every_kind_has_its_main_metric(kind: RegionKind) -> None:
    measured = kind.measure([PAIRS[kind.name]] if kind.name in PAIRS else [], [])
    (metric,) = curve_metrics({"control": measured}).values()
    assert metric in measured.metrics
