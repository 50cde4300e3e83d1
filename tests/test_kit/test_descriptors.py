"""`label-studio-ml test` says so when a class disturbs file descriptors that it has not opened."""

from pathlib import Path

import pytest

from label_studio_ml.test_kit.check_catalogue import CHECKS
from label_studio_ml.test_kit.class_check import CheckOptions

from .reports import MODELS, report_on

LOOP = "        predictions = []\n"
WRITES = """        import os
        for number in range(3, 1024):
            try:
                os.write(number, b"progress: 50 %\\n")
            except OSError:
                pass
"""
CLOSES = "        __import__('os').closerange(3, 1024)\n"
REPLACES = CLOSES + "        self.files = [open(f'{__file__}.{number}', 'w') for number in range(40)]\n"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (WRITES, "wrote 'progress: 50 %' into a file descriptor"),
        (CLOSES, "closed a file descriptor"),
        (REPLACES, "closed a file descriptor"),
    ],
    ids=["writes", "closes", "replaces"],
)
def test_a_disturbed_descriptor_is_found_with_its_task(code: str, what: str, tmp_path: Path) -> None:
    model = (MODELS / "text_model.py").read_text()
    assert model.count(LOOP) == 1
    (tmp_path / "model.py").write_text(model.replace(LOOP, f"{code}{LOOP}"))
    skipped = {check: "not of this test" for check in CHECKS if check != "predict"}
    (failure,) = report_on(tmp_path, CheckOptions(skipped=skipped, quick=True)).failures
    assert failure.check == "predict"
    assert failure.task == "1"
    assert failure.message.endswith(f"the process {what} that it has not opened in predict for task 1")
    assert "that your code has opened" in failure.fix
    assert all(not path.stat().st_size for path in tmp_path.glob("model.py.*"))
