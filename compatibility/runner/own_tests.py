"""The older package's own unit tests, run on this package, and on its own for comparison."""

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from runner import environments
from runner.checkout import Checkout

#: Seconds for all of them together.
LIMIT = 600.0

#: Tests that fail on this package on purpose, and why: by name, those with parameters by the beginning of it.
ON_PURPOSE = {
    "test_api.test_api": "/health says more than it did: version and max_batch_size",
    "test_api.test_predict": "tasks that are no list are refused: 400, field tasks",
    "test_api.test_webhook": "an event for a class without fit is answered with 200, status ignored: nothing is made",
    "test_unit_model.test_preload_task_data[/upload/123.jpg": "no upload: Label Studio's have a project's number",
    "test_unit_model.test_preload_task_data[c:": "a text that is the name of a file here stays text",
    "test_unit_model.test_preload_task_data[/home": "a text that is the name of a file here stays text",
    "test_unit_model.test_preload_task_data[this is": "a text that is the name of a file here stays text",
}


@dataclass(frozen=True)
class Outcome:
    """One test: "passed", "failed" or "skipped", and the first line of the cause."""

    name: str
    state: str
    cause: str = ""


def run(checkout: Checkout) -> int:
    """Run them on both packages; print how many pass and why others fail. Return 1 if one fails by our fault."""
    if checkout.own_tests is None:
        sys.exit(f"compatibility: {checkout.folder} has no folder tests")
    ours, reference = environments.for_own_tests(checkout)
    outcomes = _outcomes(checkout.own_tests, ours)
    theirs = {} if reference is None else {one.name: one for one in _outcomes(checkout.own_tests, reference)}
    unexpected = 0
    for outcome in outcomes:
        if outcome.state != "failed":
            continue
        remark = _remark(outcome, theirs.get(outcome.name))
        unexpected += remark is None
        print(f"{outcome.name}\n    {outcome.cause[:200]}\n    {remark or 'a fault of ours'}", flush=True)
    print(f"this package: {_counts(outcomes)}", flush=True)
    if theirs:
        print(f"the older package: {_counts(list(theirs.values()))}", flush=True)
    return 1 if unexpected else 0


def _remark(outcome: Outcome, reference: Outcome | None) -> str | None:
    """Return why a failure is none of ours, or None."""
    if reference is not None and reference.state == "failed":
        return f"fails on the older package, too: {reference.cause[:120]}"
    for name, why in ON_PURPOSE.items():
        if outcome.name == name or ("[" in name and outcome.name.startswith(name)):
            return f"on purpose: {why}"
    return None


def _counts(outcomes: list[Outcome]) -> str:
    return ", ".join(
        f"{sum(outcome.state == state for outcome in outcomes)} {state}"
        for state in ("passed", "failed", "skipped")
    )


def _outcomes(tests: Path, venv: Path) -> list[Outcome]:
    """Run a copy of the folder `tests` in `venv`, away from the checkout's own package."""
    with tempfile.TemporaryDirectory(prefix="compatibility-") as temporary:
        copy = Path(temporary) / "tests"
        shutil.copytree(tests, copy, ignore=shutil.ignore_patterns("__pycache__"))
        report = Path(temporary) / "report.xml"
        command = [str(venv / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, f"--junitxml={report}", str(copy)],
            cwd=temporary,
            env={**os.environ, "MODEL_DIR": temporary},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if not report.is_file():
            sys.exit(f"compatibility: pytest did not run: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        cases = ET.parse(report).getroot().iter("testcase")
        return [_outcome(case) for case in cases]


def _outcome(case: ET.Element) -> Outcome:
    name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name', '')}"
    for kind, state in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        element = case.find(kind)
        if element is not None:
            message = (element.get("message") or "").splitlines()
            return Outcome(name, state, message[0] if message else "")
    return Outcome(name, "passed")
