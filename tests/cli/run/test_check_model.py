"""`label-studio-ml start --check`: what it accepts, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def fit(self, annotations, **kwargs):
        return {}
"""
WITH = f"{WITHOUT}\n    def predict(self, tasks, **kwargs):\n        return []\n"
REGISTERED = f"""
from label_studio_ml.model import predict_fn

@predict_fn
def predict(tasks, context, helper, **kwargs):
    return []
{WITHOUT}
"""


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        (
            WITHOUT,
            1,
            "has no predict method: it cannot answer Label Studio. Define predict(self, tasks, **kwargs)",
        ),
        (WITH, 0, "OK: Mine of"),
        (REGISTERED, 0, "OK: Mine of"),
    ],
)
def test_a_class_needs_a_predict(tmp_path: Path, code: str, status: int, text: str) -> None:
    (tmp_path / "model.py").write_text(code)
    command = [sys.executable, "-m", "label_studio_ml", "start", str(tmp_path), "--check"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ)
    )
    assert (done.returncode, text in done.stdout + done.stderr) == (status, True), done.stderr
