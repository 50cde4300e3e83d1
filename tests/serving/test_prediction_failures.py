"""Failed predictions are recorded with their tasks; predictions that succeed leave no trace."""

from pathlib import Path

import msgspec
import pytest

from helpers import run
from label_studio_ml.errors import (
    CallerLeft,
    DeadlineExceeded,
    ModelProcessDied,
    Overloaded,
    PredictError,
    RequestError,
)
from label_studio_ml.model_calls.predictor import Answer
from label_studio_ml.monitoring.error_groups import ErrorGroup, ErrorGroups
from label_studio_ml.serving.prediction_failures import record_answer, record_error, record_late
from label_studio_ml.validation.region_checks import INVALID
from pools import ONE, bench
from tricky import Tricky, task

pytestmark = pytest.mark.usefixtures("clean_env")

TASKS = [b'{"id": 1}', b'{"id": 2}', b'{"id": 3}']
KIND = "regions of 'c': the label is not in the label config"


def recorded(answer: Answer) -> list[ErrorGroup]:
    """Return what is recorded of an answer to TASKS."""
    groups = ErrorGroups()
    record_answer(groups, "1.1", TASKS, answer, "v1")
    return groups.all()


def test_tasks_without_prediction_are_recorded_by_cause() -> None:
    entries = b'[{"error": "no price", "model_version": "v1"}'.replace(b": ", b":")
    answer = Answer(results=entries + b',{"result":[]},{"error":"no \\u0000 text"}]', failed=2)
    groups = {group.message: group for group in recorded(answer)}
    assert {message: group.tasks for message, group in groups.items()} == {
        "no price": ["1"],
        "no \0 text": ["3"],
    }
    assert groups["no price"].kind == "prediction"
    assert groups["no price"].code == PredictError.code
    assert (groups["no price"].project, groups["no price"].version) == ("1.1", "v1")
    assert "predict" in groups["no price"].fix


def test_a_request_without_any_prediction_is_recorded_with_all_tasks() -> None:
    (group,) = recorded(Answer(error="ValueError: none (model.py, line 3)", failed=3))
    assert (group.count, group.tasks) == (3, ["1", "2", "3"])


def test_a_refused_prediction_is_recorded_with_what_to_do() -> None:
    cause = f"{INVALID}: region 0 of 'c': the label is not in the label config ('Z')"
    body = msgspec.json.encode([{"error": cause}, {"result": []}, {"result": []}])
    answer = Answer(results=body, failed=1, refused={KIND: 1}, refused_for={KIND: ("Use its labels", ["1"])})
    (group,) = recorded(answer)
    assert (group.kind, group.message, group.fix) == ("invalid_prediction", cause, "Use its labels")
    assert group.tasks == ["1"]


def test_a_prediction_that_is_sent_nevertheless_is_recorded() -> None:
    answer = Answer(
        results=b"[{},{},{}]", refused={KIND: 2}, refused_for={KIND: ("Use its labels", ["2", "3"])}
    )
    (group,) = recorded(answer)
    assert (group.count, group.tasks, group.fix) == (2, ["2", "3"], "Use its labels")
    assert group.message.endswith("it is sent nevertheless")


@pytest.mark.parametrize(
    ("error", "kind", "tasks"),
    [
        (Overloaded("full"), "overload", ["1"]),
        (DeadlineExceeded("late"), "deadline", ["1", "2", "3"]),
        (ModelProcessDied("killed"), "model_process", ["1", "2", "3"]),
    ],
)
def test_errors_of_requests_are_recorded_once(error: Overloaded, kind: str, tasks: list[str]) -> None:
    groups = ErrorGroups()
    for _ in range(2):
        record_error(groups, "1.1", TASKS, error)
    (group,) = groups.all()
    assert (group.kind, group.tasks, group.count) == (kind, tasks, 1)
    assert group.code == error.code
    assert group.fix


@pytest.mark.parametrize("error", [RequestError("wrong"), CallerLeft("gone")])
def test_errors_of_callers_are_not_recorded(error: RequestError) -> None:
    groups = ErrorGroups()
    record_error(groups, "1.1", TASKS, error)
    assert groups.all() == []


def test_late_tasks_are_recorded() -> None:
    groups = ErrorGroups()
    record_late(groups, "1.1", TASKS[1:], "not computed in time: 1 of 3 tasks", "v1")
    assert (groups.all()[0].kind, groups.all()[0].count, groups.all()[0].tasks) == ("deadline", 2, ["2", "3"])


def test_a_server_records_what_its_model_fails_at(tmp_path: Path) -> None:
    async def scenario() -> list[ErrorGroup]:
        async with bench(Tricky(tmp_path)) as made:
            await made.ask(task(1), task(2))
            groups = made.pool.registry.counts.failures
            assert [group.kind for group in groups.take()] == [
                "invalid_prediction"
            ]  # of this model's regions
            await made.ask(task(1), task(2, "raise an exception"), task(3))
            await made.ask(task(4), task(5, "raise an exception"))
            return groups.all()

    (group,) = (group for group in run(scenario()) if group.kind == "prediction")
    assert (group.project, group.count) == (ONE.uid, 2)
    assert group.tasks == ["5", "2"]
    assert "told to an exception" in group.message
