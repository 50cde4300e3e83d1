"""What becomes of a prediction that Label Studio cannot show, in each mode."""

import json
import logging
from typing import Any

import pytest

from helpers import strict
from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Answer, Predictor, Request
from label_studio_ml.versions.state.project_state import Project

CONFIG = """<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img"><Label value="cat"/>
</RectangleLabels></View>"""
REFUSE, SEND, REPAIR, ERROR = InvalidPredictions


def box(label: str = "cat", **place: Any) -> dict[str, Any]:
    value = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, **place, "rectanglelabels": [label]}
    return {"from_name": "box", "to_name": "img", "type": "rectanglelabels", "value": value}


GOOD, FAULT, OVER = box(), box("lion"), box(x=99.0)
CLIPPED = box(x=99.0, width=1.0)
UNKNOWN = "regions of 'box': the label 'lion' is not in the label config (it has: cat)"
REACHES = "regions of 'box': it reaches out of the picture"


def answer(
    mode: InvalidPredictions,
    *results: list[Any],
    interactive: bool = False,
    times: int = 1,
    config: str = CONFIG,
) -> Answer:
    """Return the answer to a request with a task for each of `results`, to which the model returns them."""

    class Model(LabelStudioMLBase):
        def predict(self, tasks: list[dict[str, Any]], *args: Any, **kwargs: Any) -> Any:
            return [{"result": results[task["id"]], "score": 0.5, "mine": 1.25} for task in tasks]

    spec = ModelSpec(project=Project(uid="1", label_config=config), version="v")
    predictor = Predictor(Model(), spec, mode=mode)
    tasks = json.dumps([{"id": number, "data": {"image": "x"}} for number in range(len(results))]).encode()
    for _ in range(times):
        [last] = predictor.answer([Request(tasks, b"{}", interactive)])
    return last


@pytest.mark.parametrize("mode", InvalidPredictions)
def test_a_good_prediction_is_sent_as_it_is(mode: InvalidPredictions) -> None:
    got = answer(mode, [GOOD])
    assert strict(got.results) == [{"result": [GOOD], "score": 0.5, "mine": 1.25, "model_version": "v"}]
    assert (got.refused, got.repaired, got.failed) == ({}, 0, 0)


@pytest.mark.parametrize(
    ("mode", "fault", "over", "kinds", "repaired"),
    [
        (REFUSE, None, [OVER, GOOD], {UNKNOWN: 1, REACHES: 1}, 0),
        (SEND, [GOOD, FAULT], [OVER, GOOD], {UNKNOWN: 1, REACHES: 1}, 0),
        (REPAIR, [GOOD], [CLIPPED, GOOD], {UNKNOWN: 1, REACHES: 1}, 2),
        (ERROR, None, None, {UNKNOWN: 1, REACHES: 1}, 0),
    ],
)
def test_each_mode(
    mode: InvalidPredictions, fault: Any, over: Any, kinds: dict[str, int], repaired: int
) -> None:
    got = answer(mode, [GOOD, FAULT], [OVER, GOOD], [GOOD])
    entries = strict(got.results)
    assert [entry.get("result") for entry in entries] == [fault, over, [GOOD]]
    assert ["error" in entry for entry in entries] == [fault is None, over is None, False]
    assert {entry["mine"] for entry in entries if "result" in entry} == {1.25}
    assert {entry["score"] for entry in entries if "result" in entry} == {0.5}
    assert (got.refused, got.repaired, got.failed) == (kinds, repaired, [fault, over].count(None))


@pytest.mark.parametrize(
    ("mode", "level", "said"),
    [
        (REFUSE, logging.WARNING, "It is sent nevertheless; this is logged once"),
        (SEND, logging.WARNING, "It is sent nevertheless; this is logged once"),
        (REPAIR, logging.WARNING, "It is sent repaired; this is logged once"),
    ],
)
def test_each_kind_is_logged_once(
    mode: InvalidPredictions, level: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer(mode, [OVER, OVER], [box(y=99.0)], times=2)
    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage() == (
        "Task 0: region 0 of 'box': it reaches out of the picture (x from 99 to 102, y from 2 to 6) "
        f"(Clip it to the picture; regions.box and regions.boxes do that). {said}"
    )


def test_a_prediction_of_which_nothing_is_left_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    got = answer(REPAIR, [FAULT], [])
    first, second = strict(got.results)
    assert first["error"].startswith(
        "the prediction does not fit the label config: region 0 of 'box': the label"
    )
    assert second["result"] == []
    assert (got.refused, got.repaired, got.failed) == ({UNKNOWN: 1}, 0, 1)
    assert "Nothing of it can be shown, so it is not sent" in caplog.text


def test_an_error_names_regions_and_fixes_and_is_logged_for_each_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    got = answer(ERROR, [OVER, FAULT], times=2)
    (entry,) = strict(got.results)
    assert entry["error"] == (
        "the prediction does not fit the label config: "
        "region 0 of 'box': it reaches out of the picture (x from 99 to 102, y from 2 to 6) "
        "(Clip it to the picture; regions.box and regions.boxes do that); "
        "region 1 of 'box': the label 'lion' is not in the label config (it has: cat)"
    )
    assert caplog.text.count("Task 0: the prediction does not fit the label config: region 0") == 2
    assert caplog.text.count("region 1 of 'box'") == 2
    assert answer(ERROR, [OVER], interactive=True).error == entry["error"].partition("; region 1")[0]


VECTORS = '<View><Video name="img" value="$i"/><VideoVector name="v" toName="img"/></View>'


def test_the_sdk_is_asked_only_where_problems_are_errors() -> None:
    odd = {"from_name": "v", "to_name": "img", "type": "videovector", "value": {"sequence": 7}}
    (entry,) = strict(answer(REFUSE, [odd], config=VECTORS).results)
    assert entry["result"] == [odd]
    (entry,) = strict(answer(ERROR, [odd], config=VECTORS).results)
    assert "the validator of label-studio-sdk says" in entry["error"]


@pytest.mark.parametrize("mode", [REFUSE, REPAIR])
def test_objects_of_user_code_that_raise_lose_no_other_task(mode: InvalidPredictions) -> None:
    class Odd(dict[str, Any]):
        def get(self, *args: Any) -> Any:
            raise RuntimeError("no")

    got = answer(mode, [Odd(GOOD)], [GOOD])
    assert [entry.get("result") for entry in strict(got.results)] == [[GOOD], [GOOD]]
