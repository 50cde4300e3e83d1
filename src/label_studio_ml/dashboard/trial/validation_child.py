"""Child process that checks a prediction against a label config. The arguments are FD and FILE.

The SDK's validator takes seconds and much memory to import, and works on untrusted values: not in the server's process.
FILE has a `Checked` as JSON; the findings are written to the descriptor FD as JSON.
"""

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.support import lone_surrogates
from label_studio_ml.validation.finding import Finding
from label_studio_ml.validation.region_checks import RegionChecks
from label_studio_ml.validation.strict_checks import StrictChecks

#: The most findings that are reported, and their longest texts in characters.
MAX_FINDINGS, MAX_TEXT = 500, 1000
_SDK = "label-studio-sdk"


class Checked(msgspec.Struct):
    """A prediction to check, with the label config and the task that it is for."""

    label_config: str
    prediction: dict[str, Any]
    task: dict[str, Any]
    interactive: bool = False


def main() -> None:
    """Check the prediction and write the findings."""
    descriptor, file = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(descriptor, False)
    checked = msgspec.json.decode(lone_surrogates.replaced(file.read_bytes()), type=Checked)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(report(checked)))


def report(checked: Checked) -> dict[str, Any]:
    """Return `findings`, the number of `more` that are left out, and the version of the `sdk`, empty without it."""
    if not isinstance(checked.prediction.get("result"), list):
        return {"findings": [], "more": 0, "sdk": _sdk_version(), "checked": False}
    checks = RegionChecks(checked.label_config)
    strict = StrictChecks(checked.label_config, checks)
    findings = strict.findings(checked.prediction, checked.task, interactive=checked.interactive)
    return {
        "findings": [_entry(finding) for finding in findings[:MAX_FINDINGS]],
        "more": max(0, len(findings) - MAX_FINDINGS),
        "sdk": _sdk_version(),
        "checked": bool(checks.controls),
    }


def _entry(finding: Finding) -> dict[str, Any]:
    problem = finding.problem
    return {
        "region": finding.region,
        "from_name": finding.from_name[:MAX_TEXT],
        "severity": problem.severity.value,
        "text": problem.text[:MAX_TEXT],
        "detail": problem.detail[:MAX_TEXT],
        "field": problem.field[:MAX_TEXT],
        "fix": problem.fix[:MAX_TEXT],
        "by": _SDK if f"validator of {_SDK}" in problem.text else "label-studio-ml",
    }


def _sdk_version() -> str:
    try:
        return importlib.metadata.version(_SDK)
    except importlib.metadata.PackageNotFoundError:
        return ""
