"""What `doctor` prints: a table for people, JSON for programs."""

import json

import pytest

from label_studio_ml.cli.studio.doctor_report import as_json, show
from label_studio_ml.doctor.check import fail, failed, ok
from label_studio_ml.errors import BackendError


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [ok("one", "fine"), fail("two", "bad [red]", "do it")]
    assert json.loads(as_json(checks))[1] == {
        "name": "two",
        "status": "fail",
        "what": "bad [red]",
        "fix": "do it",
    }
    checks.append(failed("three", BackendError("worse", fix="do this")))
    assert json.loads(as_json(checks))[2]["code"] == "LSML-E001"
    assert show(iter(checks)) == checks
    text = capsys.readouterr().out
    assert "bad [red]" in text
    assert "→ do it" in text
    assert "→ do this\n" in text
    assert "→ More: label-studio-ml explain LSML-E001\n" in text
    assert "1 ok, 2 fail" in text
