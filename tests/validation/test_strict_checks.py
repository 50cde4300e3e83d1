"""What users call in the tests of their models, and what the SDK's validator adds."""

import math
import subprocess
import sys
from typing import Any

import pytest

from built_regions import build, task_for
from e2e.regions_facts import test_validator_facts as facts
from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError, PredictionInvalid
from label_studio_ml.response import PredictionValue
from label_studio_ml.validation import Severity, check_prediction, prediction_problems
from label_studio_ml.validation.sdk_validator import _EXCEPTIONS
from label_studio_ml.validation.strict_checks import StrictChecks
from regions.test_every_tag import EXAMPLES

CONFIG = """<View><Image name="i" value="$i"/><RectangleLabels name="box" toName="i"><Label value="A"/>
</RectangleLabels></View>"""
TASK: dict[str, Any] = {"id": 7, "data": {"i": "https://example.org/1.png"}}


def box(**changes: Any) -> dict[str, Any]:
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": ["A"], **changes}
    return {"id": "r", "from_name": "box", "to_name": "i", "type": "rectanglelabels", "value": value}


def test_a_good_prediction_passes() -> None:
    check_prediction(CONFIG, TASK, {"result": [box()], "score": 0.5})
    check_prediction(CONFIG, TASK, PredictionValue(result=[box()], score=0.5))
    assert prediction_problems(CONFIG, TASK, {"result": []}) == []


def test_the_error_names_task_region_field_and_fix() -> None:
    with pytest.raises(PredictionInvalid) as caught:
        check_prediction(CONFIG, TASK, {"result": [box(), box(x=math.nan)]})
    assert str(caught.value) == (
        "The prediction for task 7 cannot be shown: region 1 of 'box': its value has no 'x' "
        "(Return a value: Label Studio gets NaN, infinity and None as null)"
    )
    assert caught.value.field == "x"


def test_warnings_are_errors_and_all_are_listed() -> None:
    prediction = {"result": [box(x=90), {**box(), "id": "s", "score": 7}], "score": 95}
    problems = prediction_problems(CONFIG, TASK, prediction)
    assert [(problem.region, problem.field) for problem in problems] == [
        (-1, "score"),
        (0, "x"),
        (1, "score"),
    ]
    assert {problem.problem.severity for problem in problems} == {Severity.WARNING}
    with pytest.raises(
        PredictionInvalid, match=r"the score 95 .*; region 0 of 'box': it reaches out .*; region 1"
    ):
        check_prediction(CONFIG, TASK, prediction)
    many = {"result": [{**box(x=90), "id": str(number)} for number in range(12)]}
    with pytest.raises(PredictionInvalid, match=r"region 9 .*; and 2 more"):
        check_prediction(CONFIG, TASK, many)


def test_what_cannot_be_sent_at_all_is_an_error() -> None:
    with pytest.raises(PredictionInvalid, match="has no 'result'"):
        check_prediction(CONFIG, TASK, {"regions": []})
    for label_config in ("", "<View/>"):
        with pytest.raises(LabelConfigError, match="no control tags"):
            check_prediction(label_config, TASK, {"result": []})


#: Cases of the facts in which the SDK is right, and Label Studio breaks: our own checks find them, too.
BROKEN = {
    "an unknown label",
    "global offsets alone",
    "a choice as text",
    "a relation to nothing",
    "a ranker's list",
}


@pytest.mark.parametrize("case", facts.REFUSED)
def test_where_the_sdk_is_wrong_it_does_not_count(case: str) -> None:
    config, result = facts.REFUSED[case]
    assert bool(prediction_problems(config, {"id": 1, "data": {}}, {"result": result})) == (case in BROKEN)


#: What the SDK accepts and Label Studio takes, though there may be nothing to see.
SHOWN = {"a leaf without its path", "any text as a date"}


@pytest.mark.parametrize("case", facts.ACCEPTED)
def test_what_the_sdk_misses_is_found(case: str) -> None:
    config, result = facts.ACCEPTED[case]
    task = {"id": 1, "data": {"data": [{"id": "i1"}]} if config == facts.RANKER else {}}
    assert bool(prediction_problems(config, task, {"result": result})) == (case not in SHOWN)


#: A control, and a region of it whose fault only the SDK finds.
VECTORS = '<View><Video name="data" value="$data"/><VideoVector name="label" toName="data"/></View>'
SDK_FAULT = {"from_name": "label", "to_name": "data", "type": "videovector", "value": {"sequence": 7}}


def test_what_only_the_sdk_finds_is_told_in_its_words() -> None:
    (problem,) = prediction_problems(VECTORS, TASK, {"result": [SDK_FAULT]})
    assert str(problem).startswith(
        "region 0 of 'label': the validator of label-studio-sdk says: Invalid value"
    )


@pytest.mark.parametrize(
    ("before", "count"),
    [(1, 1), (2, 0)],
    ids=["among-the-first", "after-them"],
)
def test_the_sdk_may_be_asked_about_the_first_regions_only(before: int, count: int) -> None:
    shown = {**SDK_FAULT, "value": {"sequence": []}}
    result = [*[shown] * before, SDK_FAULT, {**shown, "from_name": "nobody"}]
    findings = StrictChecks(VECTORS, sdk_regions=2).findings({"result": result, "score": 0.0}, TASK)
    told = [finding.region for finding in findings if "label-studio-sdk says" in str(finding)]
    assert told == [before] * count
    assert before + 1 in [finding.region for finding in findings]  # our own checks see all of them


def test_relations_to_regions_that_the_sdk_does_not_get_are_no_problem() -> None:
    """The SDK gets the regions before the first relation."""
    relation = {"type": "relation", "from_id": "1", "to_id": "3", "direction": "right"}
    result = [box() | {"id": "1"}, relation, *(box(x=number) | {"id": str(number)} for number in (2, 3))]
    assert StrictChecks(CONFIG, sdk_regions=3).findings({"result": result, "score": 0.0}, TASK) == []
    assert StrictChecks(CONFIG).findings({"result": result, "score": 0.0}, TASK) == []


def test_every_exception_has_a_reason() -> None:
    assert all(len(exception.reason) > 20 for exception in _EXCEPTIONS)


def test_the_sdk_is_imported_only_when_it_is_asked() -> None:
    code = "import sys, label_studio_ml.validation; print('label_studio_sdk' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_regions_of_the_builders_have_no_problem(name: str) -> None:
    config = EXAMPLES[name]
    controls = Controls(config)
    task = task_for(controls)
    made = build(controls["c"], controls, task)
    assert prediction_problems(config, task, regions.prediction(made)) == []


def test_paths_of_nested_choices_are_accepted() -> None:
    config = """<View><Text name="t" value="$t"/><Choices name="c" toName="t" allowNested="true" choice="multiple">
    <Choice value="P"><Choice value="Q"/></Choice></Choices></View>"""
    region: dict[str, Any] = {"from_name": "c", "to_name": "t", "type": "choices"}
    for chosen, is_right in (([["P", "Q"]], True), ([["P"], ["P", "Q"]], True), ([["P", "R"]], False)):
        result = [{**region, "value": {"choices": chosen}}]
        problems = prediction_problems(config, {"id": 1, "data": {"t": "a"}}, {"result": result})
        assert bool(problems) != is_right, problems


def test_controls_that_label_themselves_are_checked() -> None:
    config = """<View><Text name="t" value="$t"/><ReactCode name="code" data="$t"/>
    <Choices name="c" toName="t"><Choice value="x"/></Choices></View>"""
    task = {"id": 1, "data": {"t": "a"}}
    code = {"from_name": "code", "to_name": "code", "type": "reactcode", "value": {"reactcode": {"a": 1}}}
    assert prediction_problems(config, task, {"result": [code]}) == []
    assert (
        prediction_problems('<View><ReactCode name="code" data="$t"/></View>', task, {"result": [code]}) == []
    )
    (problem,) = prediction_problems(config, task, {"result": [{**code, "from_name": "other"}]})
    assert "from_name" in str(problem)


def test_labels_of_the_task_are_accepted_beside_those_of_the_label_config() -> None:
    config = CONFIG.replace('toName="i"', 'toName="i" value="$options"')
    task = {"id": 1, "data": {**TASK["data"], "options": [{"value": "B"}]}}
    regions_of_both = [box(), {**box(rectanglelabels=["B"]), "id": "s"}]
    assert prediction_problems(config, task, {"result": regions_of_both}) == []
