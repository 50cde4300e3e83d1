"""What `predict` prints at its end."""

import asyncio
from typing import Any, cast

import pytest

from label_studio_ml.cli.studio.predict import _print_report, _with_present
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.prediction_run import Report
from label_studio_ml.projects.project_api import ProjectApi


class Api:
    def count(self, conditions: Any) -> int:
        return len(conditions)


@pytest.mark.parametrize(
    ("present", "removed", "message"),
    [
        (3, 0, "All 3 tasks have a prediction of version v1 already"),
        (1, 0, "The only task has a prediction of version v1 already"),
        (0, 0, "There is no task to predict"),
        (3, 2, "All 3 tasks have a prediction of version v1 already; 2 second copies were removed"),
    ],
)
def test_nothing_was_left_to_predict(
    present: int, removed: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report("v1", Progress(total=0), removed=removed)
    report = asyncio.run(_with_present(report, cast("ProjectApi", Api()), [cast("Any", {})] * present))
    assert _print_report(report, dry_run=False) == 0
    assert capsys.readouterr().out == f"{message}\n"


def test_some_tasks_were_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("v1", Progress(total=2, predicted=2, written=2))
    report = asyncio.run(_with_present(report, cast("ProjectApi", Api()), []))
    assert _print_report(report, dry_run=False) == 0
    assert capsys.readouterr().out.startswith("2 tasks have a prediction of version v1 now, in ")
