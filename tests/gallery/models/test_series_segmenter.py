"""The gallery's segmenter of time series: what a training reads, keeps and leaves out."""

import logging
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from label_studio_ml.errors import ModelError
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import TrainingJob

from .model_file import model_class

Json = dict[str, Any]
CONFIG = """<View><TimeSeriesLabels name="state" toName="series">
<Label value="Low"/><Label value="High"/></TimeSeriesLabels>
<TimeSeries name="series" valueType="json" value="$series" timeColumn="time"><Channel column="x"/>
</TimeSeries></View>"""


def task(number: int, rows: int = 400) -> Json:
    """A task whose series is low in its first half and high in its second one, annotated so."""
    noise = numpy.random.default_rng(number).normal(0, 0.1, rows)
    values = noise + (numpy.arange(rows) >= rows // 2)
    ends = [("Low", 0, rows // 2 - 1), ("High", rows // 2, rows - 1)]
    result = [
        {
            "id": label,
            "from_name": "state",
            "to_name": "series",
            "type": "timeserieslabels",
            "value": {"start": start, "end": end, "timeserieslabels": [label]},
        }
        for label, start, end in ends
    ]
    annotation = {"id": number, "was_cancelled": False, "ground_truth": False, "result": result}
    series = {"time": list(range(rows)), "x": values.tolist()}
    return {"id": number, "data": {"series": series}, "annotations": [annotation]}


def train(tasks: Iterable[Json], folder: Path) -> tuple[Any, Json]:
    """Train on tasks; return the model of the version, and what `fit` returned."""
    model = model_class("series-segmenter")
    output = model(label_config=CONFIG).fit(LabelledTasks(lambda: tasks, "the test"), folder)
    return model(label_config=CONFIG, train_output=output), output


def test_segments_are_learnt_and_broken_series_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [task(number) for number in range(4)]
    tasks[1]["data"]["series"].pop("x")
    tasks[2]["annotations"][0]["result"][0]["value"]["start"] = "noon"
    with caplog.at_level(logging.WARNING):
        model, output = train(tasks, tmp_path)
    assert output["tasks"] == 2
    assert "Task 1 is left out of the training" in caplog.text
    (prediction,) = model.predict([task(9)])
    values = [region["value"] for region in prediction["result"]]
    assert [value["timeserieslabels"] for value in values] == [["Low"], ["High"]]
    assert values[0]["end"] == pytest.approx(200, abs=10)


@pytest.mark.parametrize("number", [10**400, 1e39, 1e308])
def test_numbers_that_are_too_large_are_gaps(number: float, tmp_path: Path) -> None:
    tasks = [task(each) for each in range(4)]
    tasks[1]["data"]["series"]["x"][7:9] = [number, -number]
    model, output = train(tasks, tmp_path)
    assert output["tasks"] == 4
    tasks[1].pop("annotations")
    (prediction,) = model.predict([tasks[1]])
    assert [region["value"]["timeserieslabels"] for region in prediction["result"]] == [["Low"], ["High"]]


def test_a_training_keeps_only_the_rows_that_it_learns_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_class("series-segmenter")
    monkeypatch.setitem(model.fit.__globals__, "MOST_ROWS", 1_000)

    class Tasks:
        def __iter__(self) -> Iterator[Json]:
            return (task(number, rows=4_000) for number in range(60))

    tasks = Tasks()
    labelled = LabelledTasks(lambda: tasks, "the test")
    tracemalloc.start()
    try:
        output = model(label_config=CONFIG).fit(labelled, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert output["tasks"] == 60
    assert peak < 12_000_000, "the features of all 240,000 rows are 19 MB"


@pytest.mark.parametrize("change", ["descending", "repeated"])
def test_times_that_go_back_are_an_error_of_the_task(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [task(number) for number in range(4)]
    times = tasks[1]["data"]["series"]["time"]
    times.sort(reverse=True) if change == "descending" else times.__setitem__(slice(0, 9), [0] * 9)
    with caplog.at_level(logging.WARNING):
        model, output = train(tasks, tmp_path)
    if change == "repeated":
        assert output["tasks"] == 4
        assert len(model.predict([tasks[1]])) == 1
        return
    assert output["tasks"] == 3
    error = "Task 1: its time series cannot be read: the times in its column 'time' go back in row 2"
    assert error in caplog.text
    with pytest.raises(ModelError, match=error):
        model.predict([tasks[1]])


@pytest.mark.parametrize("asked", [0, 4], ids=["while segments are counted", "while rows are collected"])
def test_a_cancelled_training_ends(tmp_path: Path, asked: int) -> None:
    answers = iter([*[False] * asked, True])
    job = TrainingJob("1", tmp_path, asked=lambda: next(answers))
    tasks = LabelledTasks.from_tasks([task(number) for number in range(4)])
    assert model_class("series-segmenter")(label_config=CONFIG).fit(tasks, tmp_path, job=job) is None
    assert not list(tmp_path.iterdir())
