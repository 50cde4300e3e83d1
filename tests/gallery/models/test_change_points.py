"""The gallery's change points, with a search in place of that of ruptures: which times of a series it takes."""

import sys
import types
from typing import Any

import pytest

from label_studio_ml.errors import ModelError

from .model_file import model_class

CONFIG = """<View><TimeSeriesLabels name="state" toName="series"><Label value="Low"/><Label value="High"/>
</TimeSeriesLabels><TimeSeries name="series" value="$series" timeColumn="time"><Channel column="x"/></TimeSeries>
</View>"""


class Search:
    """Finds a change in the middle."""

    def __init__(self, **options: Any) -> None:
        self.steps = 0

    def fit(self, steps: Any) -> "Search":
        self.steps = len(steps)
        return self

    def predict(self, pen: float) -> list[int]:
        return [self.steps // 2, self.steps]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    ruptures = types.ModuleType("ruptures")
    ruptures.KernelCPD = Search  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ruptures", ruptures)
    return model_class("change-points")(label_config=CONFIG)


def _task(times: list[int]) -> dict[str, Any]:
    return {"id": 5, "data": {"series": {"time": times, "x": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]}}}


@pytest.mark.parametrize("times", [[1, 2, 3, 4, 5, 6], [1, 1, 1, 4, 4, 4]])
def test_ascending_and_repeated_times_have_segments(model: Any, times: list[int]) -> None:
    (prediction,) = model.predict([_task(times)])
    assert [region["value"]["start"] for region in prediction["result"]] == [1, 4]


def test_descending_times_are_named_with_task_and_column(model: Any) -> None:
    with pytest.raises(
        ModelError, match=r"Task 5: .*column 'time' go back in row 2, from 6 to 5; sort the rows"
    ):
        model.predict([_task([6, 5, 4, 3, 2, 1])])
