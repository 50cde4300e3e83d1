"""Change points between exercises in real recordings of a smartwatch, and the penalty that annotations teach."""

from collections.abc import Callable
from typing import Any

import pytest

from ..regions_facts.labelling import SERIES_REGIONS, Labelling
from ..regions_facts.round_trip import assert_drawn
from ..studio import Json, Studio
from .conftest import MakeJourney
from .journey import record
from .watch_recordings import CHANNELS, SECONDS, SERIES, Recording, recordings

CONFIG = f"""<View><TimeSeriesLabels name="segment" toName="series">
<Label value="Low"/><Label value="Middle"/><Label value="High"/></TimeSeriesLabels>{SERIES}</View>"""
POINTS = f"""<View><TimeSeriesLabels name="point" toName="series"><Label value="Change point"/></TimeSeriesLabels>
{SERIES}</View>"""
#: Recordings to annotate; the others are measured.
LABELLED = 12
#: How far a change point may be from the true one, in seconds.
NEAR = 1.0


@pytest.mark.gallery
def test_finds_where_exercises_change(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    project = label_studio.create_project("Exercises", CONFIG)
    tasks = label_studio.import_tasks(project, [{"series": each.data} for each in recordings()])
    held_out = dict(zip(tasks[LABELLED:], recordings()[LABELLED:], strict=True))

    model = journey("change-points", project, venv="series")
    model.init("--example", "change-points")
    model.start()
    model.connect("--no-prelabel")
    before = f1(model.predict(list(held_out)), held_out)
    assert before >= 0.8

    for task, recording in zip(tasks, recordings()[:LABELLED], strict=False):
        label_studio.annotate(task, recording.result("Middle"))
    model.train()
    predictions = model.predict(list(held_out))
    after = f1(predictions, held_out)
    record(
        "change-points",
        before=before,
        after=after,
        labelled=LABELLED,
        measured_on=len(held_out),
        measure="F1 of change points, within 1 s",
    )
    assert after >= before

    for task in list(held_out)[:20]:
        prediction = predictions[task]
        page.open_task(project, task, prediction["id"])
        last = (len(held_out[task].rows) - 1) / 10
        expected = sorted(
            (item["value"]["start"] / last, item["value"]["end"] / last) for item in prediction["result"]
        )
        assert_drawn(
            lambda: sorted(map(tuple, page.evaluate(SERIES_REGIONS))),
            [pytest.approx(ends, abs=0.01) for ends in expected],
        )
    keep_picture(page.page, "change-points")
    assert_other_configs(label_studio, model.backend.url if model.backend else "", held_out)


def assert_other_configs(studio: Studio, url: str, recordings_by_task: dict[int, Recording]) -> None:
    """Assert that a label for points gets instants, and that a broken task costs only its own prediction."""
    project = studio.create_project("Points", POINTS)
    good = next(iter(recordings_by_task.values()))
    broken: list[Json] = [{"series": {"time": [0, 1], "ax": [1]}}, {"series": {"time": [0]}}]
    constant = {"series": {name: [1.0] * 50 for name in CHANNELS} | {"time": list(range(50))}}
    first, *others = studio.import_tasks(project, [{"series": good.data}, constant, *broken])
    studio.add_backend(project, url)
    studio.retrieve_predictions(project, [first, *others])
    found = {each["task"]: each["result"] for each in studio.predictions(project)}
    assert set(found) == {first, others[0]}
    assert found[others[0]] == []
    assert found[first]
    for item in found[first]:
        assert item["value"]["instant"]
        assert item["value"]["timeserieslabels"] == ["Change point"]
        assert min(abs(item["value"]["start"] - at * SECONDS) for at in (1, 2, 3)) <= NEAR


def f1(predictions: dict[int, Json], truth: dict[int, Recording]) -> float:
    """Return the F1 of the change points of all tasks: a predicted one counts within `NEAR` of a true one."""
    hits = found = borders = 0
    for task, recording in truth.items():
        left = [start for start, _, _ in recording.segments[1:]]
        cuts = sorted({item["value"]["start"] for item in predictions[task]["result"]} - {0})
        found, borders = found + len(cuts), borders + len(left)
        for cut in cuts:
            near = [border for border in left if abs(border - cut) <= NEAR]
            if near:
                hits += 1
                left.remove(near[0])
    return 2 * hits / (found + borders)
