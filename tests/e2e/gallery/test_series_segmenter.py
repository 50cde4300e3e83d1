"""Exercises in real recordings of a smartwatch, learnt from those of other persons."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ..regions_facts.labelling import SERIES_REGIONS, Labelling
from ..regions_facts.round_trip import assert_drawn
from ..studio import Json, Studio
from .conftest import MakeJourney
from .journey import record
from .watch_recordings import EXERCISES, RATE, SERIES, Recording, recordings

CONFIG = f"""<View><TimeSeriesLabels name="segment" toName="series">
{"".join(f'<Label value="{name}"/>' for name in EXERCISES)}</TimeSeriesLabels>{SERIES}</View>"""
#: Recordings to annotate, of five persons; the other five persons' are measured.
LABELLED = 20


@pytest.mark.gallery
def test_learns_exercises(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    project = label_studio.create_project("Exercises", CONFIG)
    tasks = label_studio.import_tasks(project, [{"series": each.data} for each in recordings()])
    held_out = dict(zip(tasks[LABELLED:], recordings()[LABELLED:], strict=True))
    persons = {each.person for each in held_out.values()}
    assert persons.isdisjoint(each.person for each in recordings()[:LABELLED])

    model = journey("series-segmenter", project, venv="series")
    model.init()
    assert model.chosen() == "series-segmenter"
    model.start()
    model.connect("--no-prelabel")
    before = f1(model.predict(list(held_out)), held_out)
    assert before == 0

    for task, recording in zip(tasks, recordings()[:LABELLED], strict=False):
        label_studio.annotate(task, recording.result())
    model.train()
    predictions = model.predict(list(held_out))
    after = f1(predictions, held_out)
    record(
        "series-segmenter",
        before=before,
        after=after,
        labelled=LABELLED,
        measured_on=len(held_out),
        measure="macro F1 of rows, other persons",
    )
    assert after >= 0.6

    for task, recording in held_out.items():
        page.open_task(project, task, predictions[task]["id"])
        last = (len(recording.rows) - 1) / RATE
        values = [item["value"] for item in predictions[task]["result"]]
        assert_drawn(
            lambda: sorted(map(tuple, page.evaluate(SERIES_REGIONS))),
            [
                pytest.approx((value["start"] / last, value["end"] / last), abs=0.01)
                for value in sorted(values, key=lambda value: (value["start"], value["end"]))
            ],
        )
    keep_picture(page.page, "series-segmenter")
    assert_a_broken_task_costs_only_itself(label_studio, project, tasks[-1])


def assert_a_broken_task_costs_only_itself(studio: Studio, project: int, good: int) -> None:
    broken = studio.import_tasks(project, [{"series": {"time": [0, 1], "ax": [1, 2]}}])
    earlier = [each["id"] for each in studio.predictions(project)]
    studio.retrieve_predictions(project, [*broken, good])
    new = [each for each in studio.predictions(project) if each["id"] not in earlier]
    assert {each["task"] for each in new} <= {good}


def f1(predictions: Mapping[int, Json], truth: Mapping[int, Recording]) -> float:
    """Return the mean over the exercises of the F1 of rows."""
    counts = {name: [0, 0, 0] for name in EXERCISES}
    for task, recording in truth.items():
        times = recording.data["time"]
        actual = rows(recording.segments, times)
        values = [item["value"] for item in predictions[task]["result"]]
        found = rows([(each["start"], each["end"], each["timeserieslabels"][0]) for each in values], times)
        for name in EXERCISES:
            pairs = [(one == name, other == name) for one, other in zip(actual, found, strict=True)]
            counts[name][0] += pairs.count((True, True))
            counts[name][1] += pairs.count((False, True))
            counts[name][2] += pairs.count((True, False))
    return sum(2 * right / max(1, 2 * right + wrong + missed) for right, wrong, missed in counts.values()) / 7


def rows(segments: list[tuple[float, float, str]], times: list[float]) -> list[str]:
    """Return the label of each row; empty outside of all segments."""
    return [next((label for start, end, label in segments if start <= time < end), "") for time in times[:-1]]
