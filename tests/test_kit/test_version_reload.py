"""What follows from the predictions of a version that new processes have loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.test_kit.check_catalogue import Phase
from label_studio_ml.test_kit.child_plan import Plan
from label_studio_ml.test_kit.child_runner import ChildResult
from label_studio_ml.test_kit.report import Outcome, Status
from label_studio_ml.test_kit.version_reload import reload_outcomes

TASKS = [{"id": 7, "data": {"text": "a"}}, {"id": 8, "data": {"text": "b"}}]
WANTED = {"fit-reload", "fit-moved"}


def entries(*labels: str) -> list[Any]:
    return [[{"result": [{"value": {"choices": [label]}}]}] for label in labels]


BEFORE, LEARNT, OTHER = entries("A", "A"), entries("A", "B"), entries("B", "B")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    workdir = tmp_path / "data" / "versions" / "project" / "version"
    workdir.mkdir(parents=True)
    (workdir / "weights.bin").write_bytes(b"weights")
    return Plan(phase=Phase.FIT, label_config="", checks=[], tasks=TASKS, workdir=str(workdir))


def outcomes(plan: Plan, values: dict[str, Any], run: Callable[[Plan], ChildResult]) -> dict[str, Outcome]:
    values = {"train_output": {}, **values}
    return {outcome.check: outcome for outcome in reload_outcomes(plan, values, run, WANTED)}


def predicts(predictions: list[Any], *, reads: bool = True) -> Callable[[Plan], ChildResult]:
    def run(plan: Plan) -> ChildResult:
        if reads:
            (Path(plan.workdir) / "weights.bin").read_bytes()
        return ChildResult(values={"predictions": predictions, "files_read": 0}, finished=True)

    return run


def test_a_version_that_predicts_as_learnt_is_right(plan: Plan) -> None:
    for key in ("trained", "rebuilt"):
        found = outcomes(plan, {"untrained": BEFORE, key: LEARNT}, predicts(LEARNT))
        assert [outcome.status for outcome in found.values()] == [Status.PASSED] * 2
        Path(plan.workdir).with_name("away").rename(plan.workdir)
        shutil.rmtree(Path(plan.workdir).parents[3] / "elsewhere")


def test_a_version_that_predicts_as_before_is_forgotten(plan: Plan) -> None:
    found = outcomes(plan, {"untrained": BEFORE, "trained": LEARNT}, predicts(BEFORE))
    (failure,) = found["fit-reload"].failures
    assert failure.message == (
        "in a new process, the model predicts as if there had been no training: what fit has made is not loaded"
    )
    assert found["fit-moved"].status is Status.SKIPPED


@pytest.mark.parametrize("key", ["trained", "rebuilt"])
def test_a_version_that_predicts_otherwise_than_learnt_is_wrong(plan: Plan, key: str) -> None:
    found = outcomes(plan, {"untrained": BEFORE, "trained": BEFORE, key: LEARNT}, predicts(OTHER))
    (failure,) = found["fit-reload"].failures
    assert "in a new process, the model predicts otherwise than" in failure.message
    assert "result[0].value.choices[0] differs" in failure.message
    assert (failure.task, failure.field) == ("7", "train_output")


def test_a_version_that_is_wrong_only_elsewhere_was_not_movable(plan: Plan) -> None:
    def run(at: Plan) -> ChildResult:
        return predicts(LEARNT if at.workdir == plan.workdir else BEFORE)(at)

    found = outcomes(plan, {"untrained": BEFORE, "trained": LEARNT}, run)
    assert found["fit-reload"].status is Status.PASSED
    (failure,) = found["fit-moved"].failures
    assert failure.message.startswith("after the version's folder was moved, the model predicts as if")


def test_files_that_native_code_reads_are_read(plan: Plan) -> None:
    """A training that changes no prediction: only the files tell whether the version is loaded."""
    values = {"untrained": BEFORE, "trained": BEFORE, "rebuilt": BEFORE}
    found = outcomes(plan, values, predicts(BEFORE))
    assert [outcome.status for outcome in found.values()] == [Status.PASSED] * 2


def test_files_that_nobody_reads_are_a_failure(plan: Plan) -> None:
    values = {"untrained": BEFORE, "trained": BEFORE, "rebuilt": BEFORE}
    found = outcomes(plan, values, predicts(BEFORE, reads=False))
    assert found["fit-reload"].status is Status.FAILED
