"""`label-studio-ml test` finds each planted fault, alone, and names field, fix and line."""

from pathlib import Path

import pytest

from label_studio_ml.test_kit.check_catalogue import CHECKS, Check, Phase
from label_studio_ml.test_kit.class_check import CheckOptions

from .hang_limits import HangLimits
from .planted_faults import CONFIGS, FAULTS, FURTHER, Fault
from .reports import MODELS, report_on

#: Faults of different kinds that every run plants; `make soak` plants the others.
ALWAYS = {
    "one prediction too few",
    "wrong to_name",
    "pixels for percent",
    "an object that is no JSON",
    "random scores",
    "task changed in place",
    "file left open",
    "state shared by calls at once",
    "crash on null",
    "endless loop for a long text",
    "a broken picture ends the batch",
    "a question on the terminal",
    "a handler of SIGTERM",
    "processes left behind",
    "fit raises",
    "weights not loaded",
    "native code writes beside the model file",
    "fit cannot be cancelled",
    "skipped annotations learnt",
}


def planted(fault: Fault) -> str:
    code = (MODELS / f"{fault.base}_model.py").read_text()
    for old, new in ((fault.old, fault.new), *([FURTHER[fault.name]] if fault.name in FURTHER else [])):
        assert code.count(old) == 1, f"{old!r} is not once in the model"
        code = code.replace(old, new)
    return code


def test_there_are_at_least_thirty() -> None:
    assert len({fault.name for fault in FAULTS}) >= 30
    assert all(fault.check in CHECKS for fault in FAULTS)
    assert {fault.name for fault in FAULTS} > ALWAYS


def is_wanted(check: Check, fault: Fault, phase: Phase) -> bool:
    """Leave out what cannot concern the fault: checks of the other method, and large pictures."""
    if check.phase is not Phase.PREDICT:
        return phase is not Phase.PREDICT
    if phase is not Phase.PREDICT:
        return check.id in ("import", "build", "predict", "count", "json", "finite", "regions", "repeat")
    return check.id not in ("huge-data", "file-formats") or check.id == fault.check


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.name, marks=() if fault.name in ALWAYS else pytest.mark.soak)
        for fault in FAULTS
    ],
)
def test_the_fault_is_found(fault: Fault, tmp_path: Path) -> None:
    code = planted(fault)
    phase = CHECKS[fault.check].phase
    skipped = {
        check.id: "not of this fault" for check in CHECKS.values() if not is_wanted(check, fault, phase)
    }
    is_quick = fault.check != "memory"
    (tmp_path / "model.py").write_text(code)
    if config := CONFIGS.get(fault.base):
        (tmp_path / "label_config.xml").write_text(config)
    report = report_on(
        tmp_path,
        CheckOptions(limits=HangLimits(folder=tmp_path), skipped=skipped, quick=is_quick),
    )
    found = [failure for failure in report.failures if failure.check == fault.check]
    assert found, str(report)
    assert {failure.check for failure in report.failures} - {fault.check} <= set(fault.others), str(report)
    first = found[0]
    assert fault.field in first.field, str(report)
    assert fault.fix in first.fix, str(report)
    assert first.file == "model.py"
    assert first.line
    assert fault.at in code.splitlines()[first.line - 1], str(report)
