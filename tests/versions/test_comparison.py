"""A gate that compares: real trainings, whose fits hold out other tasks than the ones before."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import wait_until
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.store.local_store import VersionStore
from live import FakeStudio, Live, annotation, make_live, start_training, uid


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    studio = FakeStudio()
    live = make_live(tmp_path_factory.mktemp("compared") / "backend", studio, "table_model")
    live.backend.start()
    yield live
    assert not live.backend.stop()
    studio.stop()


def _label(live: Live, project: int, numbers: Iterable[int], word: str, label: str = "good") -> None:
    """Give the project labelled tasks, whose texts begin with `word`."""
    live.studio.add(project)
    for number in numbers:
        live.studio.tasks[project][number] = {
            "id": number,
            "data": {"text": f"{word} {number}"},
            "annotations": [annotation(number, label)],
            "predictions": [],
        }


def _train(live: Live, project: int, **asked: Any) -> dict[str, Any]:
    live.setup(project)
    job = live.wait(live.send({**start_training(project), **asked}))
    assert job["job_status"] == "finished", job
    return job


def _held_out(project: int, numbers: Iterable[int]) -> list[int]:
    rows = [{"id": number, "annotations": [annotation(number)]} for number in numbers]
    tasks = LabelledTasks(lambda: rows, "a test", project=uid(project))
    return [task["id"] for task in tasks.split(0.5)[1]]


def test_a_better_version_is_served_though_its_test_half_is_harder(live: Live) -> None:
    project, first, later = 1, range(1, 9), range(9, 41)
    _label(live, project, first, "a")
    old = _train(live, project)
    assert old["metrics"] == {"accuracy": 1.0}
    assert "comparison" not in old

    odd, even = later[::2], later[1::2]
    _label(live, project, odd, "b")
    _label(live, project, even, "b", "bad")
    table = {"a": "good", "b": "good"}
    new = _train(live, project, table=table)
    held_out = _held_out(project, range(1, 41))
    before = len([number for number in held_out if number in first]) / len(held_out)
    now = before + len([number for number in held_out if number in odd]) / len(held_out)
    assert new["metrics"] == {"accuracy": now}
    assert before < now < 1.0
    assert "held_back" not in new, "it is better on the same tasks"
    assert new["comparison"] == (
        f"measured against version {old['model_version']} on the same {len(held_out)} tasks: "
        f"accuracy {now:g} (before: {before:g})"
    )
    manifest = VersionStore(live.model_dir).served(uid(project))
    assert manifest is not None
    assert manifest.name == new["model_version"]
    assert manifest.comparison is not None
    assert manifest.comparison.previous == {"accuracy": before}
    details = live.post("/versions", {"project": uid(project)}).json()["details"]
    assert details[0]["comparison"] == new["comparison"]
    log = (live.folder / "logs" / "jobs" / f"{new['job']}.log").read_text()
    assert f"on the same {len(held_out)} tasks" in log

    # One task more; and a version that says that it is good, and is not.
    _label(live, project, range(41, 61), "b")
    worse = _train(live, project, table={"a": "good"}, accuracy=1.0)
    assert worse["held_back"].startswith("accuracy is ")
    assert "on the same" in worse["held_back"]
    served = VersionStore(live.model_dir).served(uid(project))
    assert served is not None
    assert served.name == new["model_version"]


def test_a_metric_that_only_fit_knows(live: Live) -> None:
    project = 2
    _label(live, project, range(1, 31), "a")
    old = _train(live, project, accuracy=0.9, share=0.5)
    # It says that the version before has 0.3 on the new tasks, and itself 0.4: better, whatever it was before.
    better = _train(live, project, accuracy=0.4, share=0.2, previous={"accuracy": 0.3})
    assert "held_back" not in better
    assert better["comparison"] == (
        f"measured against version {old['model_version']} in fit: accuracy 0.4 (before: 0.3)"
    )
    worse = _train(live, project, accuracy=0.9, share=0.5, previous={"accuracy": 0.95})
    assert worse["held_back"] == (
        f"accuracy is 0.9, not >= 0.95 (version {better['model_version']} has 0.95)"
    )


def test_what_cannot_be_compared_is_let_through_and_said(live: Live) -> None:
    project = 3
    _label(live, project, range(1, 9), "a")
    old = _train(live, project, accuracy=0.9)
    _label(live, project, range(9, 31), "a")
    new = _train(live, project, table={"broken": "yes"}, accuracy=0.5)
    assert "held_back" not in new
    said = f"not compared with version {old['model_version']}: they were measured on "
    assert new["comparison"].startswith(said)
    assert "the new version cannot be measured" in new["comparison"]
    assert "this table is broken" in new["comparison"]


def test_a_run_that_is_cancelled_while_it_compares(live: Live, tmp_path: Path) -> None:
    project = 4
    _label(live, project, range(1, 9), "a")
    old = _train(live, project)
    _label(live, project, range(9, 31), "a")
    live.setup(project)
    job = live.send({**start_training(project), "table": {"hang": str(tmp_path / "there")}})
    wait_until((tmp_path / "there").exists, "the new version is measured")
    assert live.post(f"/jobs/{job}/cancel", {}).status_code in (200, 202)
    record = live.wait(job)
    assert record["job_status"] == "cancelled"
    served = VersionStore(live.model_dir).served(uid(project))
    assert served is not None
    assert served.name == old["model_version"]
    wait_until(lambda: not live.processes("label_studio_ml.evaluation"), "nothing of it is left")


def test_a_comparison_is_no_part_of_the_time_that_fit_may_take(tmp_path: Path) -> None:
    studio = FakeStudio()
    live = make_live(tmp_path / "backend", studio, "table_model", env={"FIT_TIMEOUT": "10"})
    live.backend.start()
    try:
        _label(live, 1, range(1, 9), "a")
        _train(live, 1)
        _label(live, 1, range(9, 31), "a")
        new = _train(live, 1, table={"a": "good", "seconds": "12"})
        assert new["comparison"].startswith("measured against")
    finally:
        assert not live.backend.stop()
        studio.stop()
