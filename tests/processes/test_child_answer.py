"""Answers of modules that run in a process of their own."""

import json
import os
import signal
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.child_answer import child_answer

WSGI = """
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase): pass

app = init_app(model_class=Mine, words=["word"] * 50_000)
"""

FORKS = """
import os, time
from pathlib import Path
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase): pass

if (child := os.fork()) == 0:
    time.sleep(600)
Path(__file__).with_name("child").write_text(str(child))
"""


def test_an_answer_may_be_longer_than_a_pipe_holds(tmp_path: Path) -> None:
    path = tmp_path / "_wsgi.py"
    path.write_text(WSGI)
    answer, status = child_answer(
        Settings(backend_dir=tmp_path), "label_studio_ml.cli.shared.wsgi_child", path, timeout=120
    )
    assert status == 0
    assert len(answer) > 1 << 17
    assert json.loads(answer)["arguments"]["words"] == ["word"] * 50_000


def test_a_process_that_the_file_has_forked_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(FORKS)
    try:
        answer, status = child_answer(
            Settings(backend_dir=tmp_path),
            "label_studio_ml.model_calls.class_import_child",
            path,
            timeout=120,
        )
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    assert (json.loads(answer)["own"], status) == (["Mine"], 0)


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(TimeoutError):
        child_answer(
            Settings(backend_dir=tmp_path),
            "label_studio_ml.model_calls.class_import_child",
            path,
            timeout=0.5,
        )
