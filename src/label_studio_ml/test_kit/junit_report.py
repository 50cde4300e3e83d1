"""Write a report as JUnit XML, which continuous integration services read."""

from xml.etree import ElementTree

from label_studio_ml.support.texts import visible
from label_studio_ml.test_kit.report import Failure, Outcome, Report, Status, text_of


def junit(report: Report) -> str:
    """Return the report as JUnit XML: a test case for each check and label config."""
    suites = ElementTree.Element("testsuites")
    totals = {
        "tests": len(report.outcomes),
        "failures": sum(outcome.status is Status.FAILED for outcome in report.outcomes),
        "skipped": sum(outcome.status is Status.SKIPPED for outcome in report.outcomes),
        "errors": 0,
    }
    suite = ElementTree.SubElement(
        suites, "testsuite", {"name": "label-studio-ml test", **{name: str(n) for name, n in totals.items()}}
    )
    for outcome in report.outcomes:
        suite.append(_case(outcome))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(outcome: Outcome) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        {
            "classname": visible(outcome.label_config) or "model",
            "name": f"{outcome.check}: {outcome.claim}",
            "time": f"{outcome.seconds:.3f}",
        },
    )
    if outcome.status is Status.SKIPPED:
        ElementTree.SubElement(case, "skipped", {"message": visible(outcome.reason)})
    if outcome.failures:
        first = outcome.failures[0]
        case.attrib |= {"file": visible(first.file), "line": str(first.line)}
        failure = ElementTree.SubElement(case, "failure", {"message": visible(first.message)})
        failure.text = "\n".join(_text(finding, outcome.label_config) for finding in outcome.failures)
    return case


def _text(failure: Failure, label_config: str) -> str:
    lines = text_of(failure, [label_config] if label_config else []).splitlines()
    return "\n".join(map(visible, lines))
