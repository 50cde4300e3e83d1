"""What `predict` prints at its end."""

import argparse
import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from label_studio_ml.cli.studio.predict import _print_report, _project_of_file, _with_present
from label_studio_ml.config.settings import Settings
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.prediction_run import Report
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.versions.state.project_state import Project, Projects


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


def test_another_label_config_leaves_the_extra_params(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")
    Projects(settings.model_dir).put(Project(uid="1.7", label_config="<View/>", extra_params={"a": 1}))
    (tmp_path / "config.xml").write_text('<View><Text name="t" value="$t"/></View>')
    args = argparse.Namespace(label_config=tmp_path / "config.xml")
    project = _project_of_file(args, settings)
    assert (project.uid, project.extra_params, "Text" in project.label_config) == ("1.7", {"a": 1}, True)
