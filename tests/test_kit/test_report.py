"""The report of `label-studio-ml test` as text and as JUnit XML."""

from xml.etree import ElementTree

from label_studio_ml.test_kit.junit_report import junit
from label_studio_ml.test_kit.report import Failure, Outcome, Report, Status

FAILURE = Failure(
    check="count", message="too few", field="predictions", task="3", fix="Return all", file="model.py", line=7
)


def outcome(config: str, *failures: Failure) -> Outcome:
    status = Status.FAILED if failures else Status.PASSED
    return Outcome(
        check="count", claim="one each", status=status, label_config=config, failures=list(failures)
    )


def test_a_failure_with_one_label_config_does_not_name_it() -> None:
    report = Report(model="m", outcomes=[outcome("label_config.xml", FAILURE)])
    assert report.failure_texts == [
        "model.py:7: count: too few\n    field: predictions\n    task:  3\n    fix:   Return all"
    ]
    assert str(report) == "1 check failed, 0 passed\n" + report.failure_texts[0]


def test_a_failure_names_its_label_config_among_several() -> None:
    report = Report(model="m", outcomes=[outcome("first", FAILURE), outcome("second")])
    (text,) = report.failure_texts
    assert "    label config: first\n" in text


def test_the_same_failure_with_several_label_configs_is_told_once() -> None:
    other = Failure(check="count", message="too many")
    outcomes = [outcome(f"template {number}", FAILURE) for number in range(7)]
    report = Report(model="m", outcomes=[*outcomes, outcome("last", other)])
    first, second = report.failure_texts
    assert "label config: template 0, template 1, template 2, template 3, template 4 and 2 more\n" in first
    assert "label config: last" in second
    assert report.summary == "8 checks failed, 0 passed"


def test_junit_names_the_label_config() -> None:
    report = Report(model="m", outcomes=[outcome("first", FAILURE), outcome("second")])
    suite = ElementTree.fromstring(junit(report))[0]
    assert [case.attrib["classname"] for case in suite] == ["first", "second"]
    assert "label config: first" in (suite[0][0].text or "")
    assert suite[0].attrib["line"] == "7"
