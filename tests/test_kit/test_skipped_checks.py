"""A check that is left out makes no other check fail: those that need it are skipped, the others run."""

import argparse
from pathlib import Path

import pytest

from label_studio_ml.cli.run import class_checks
from label_studio_ml.test_kit.check_catalogue import CHECKS, Phase
from label_studio_ml.test_kit.class_check import CheckOptions
from label_studio_ml.test_kit.report import Report, Status

from .reports import MODELS, report_on

SCORE = "1 / (1 + len(text))"
#: The score of a prediction, which makes a check fail, and that check.
SCORES = {
    "repeat": "__import__('random').random()",
    "order": f"{SCORE}}}); predictions.sort(key=lambda each: each['score']); ({{'score': 0",
    "batch": "1 / (1 + len(tasks))",
}


def report_without(folder: Path, old: str, new: str, *left_out: str) -> Report:
    code = (MODELS / "text_model.py").read_text()
    assert code.count(old) == 1
    (folder / "model.py").write_text(code.replace(old, new))
    skipped = {check.id: "not of this test" for check in CHECKS.values() if check.phase is not Phase.PREDICT}
    skipped |= dict.fromkeys(left_out, "it cannot hold")
    return report_on(folder, CheckOptions(skipped=skipped, quick=True))


def outcomes(report: Report) -> dict[str, str]:
    return {outcome.check: outcome.reason or outcome.status.value for outcome in report.outcomes}


@pytest.mark.parametrize("check", SCORES)
def test_nothing_else_fails_for_what_is_left_out(check: str, tmp_path: Path) -> None:
    report = report_without(tmp_path, SCORE, SCORES[check], check)
    assert report.passed, str(report)
    found = outcomes(report)
    assert found[check] == "it cannot hold"
    assert found["missing-data"] == found["unknown-tags"] == Status.PASSED
    compared = {
        "repeat": ("order", "batch", "concurrency", "two-projects", "click-repeat"),
        "order": ("batch",),
        "batch": (),
    }[check]
    assert [name for name, reason in found.items() if reason.startswith("it needs ")] == list(compared)


def test_invalid_regions_that_are_left_out_are_not_told_of_by_other_checks(tmp_path: Path) -> None:
    report = report_without(tmp_path, SCORE, "50.0", "regions")
    assert report.passed, str(report)
    assert outcomes(report)["unknown-tags"] == Status.PASSED


def test_checks_that_need_what_is_left_out_are_skipped(tmp_path: Path) -> None:
    report = report_without(
        tmp_path, "        return predictions\n\n", "        return predictions[1:]\n\n", "count"
    )
    assert report.passed, str(report)
    assert outcomes(report)["json"] == "it needs count, which is left out"


def test_import_and_build_cannot_be_left_out() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="build cannot be left out"):
        class_checks._skipped_check("build=it is slow")
