"""A WSGI application whose backend cannot start: it says why, leaves nothing behind, and tries again."""

import logging
import sys
import threading
from pathlib import Path

import pytest

from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.user_code.loading import load_class
from label_studio_ml.user_code.model_source import ModelSource

pytestmark = pytest.mark.usefixtures("clean_env")

MODEL = """
from label_studio_ml.model import LabelStudioMLBase


class Late(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return []
"""


def _model(folder: Path) -> type[LabelStudioMLBase]:
    script = folder / "late_start.py"
    script.write_text(MODEL)
    return load_class(ModelSource(script, "Late"))


def test_a_start_that_fails_leaves_nothing_and_the_next_request_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv("LABEL_STUDIO_ML_PYTHON", str(python))
    monkeypatch.setattr(sys, "path", sys.path[:])
    threads, handlers = set(threading.enumerate()), logging.getLogger().handlers[:]
    app = init_app(model_class=_model(tmp_path))
    with app.test_client() as client:
        for _ in range(2):
            answer = client.get("/health")
            assert answer.status_code == 500
            assert "LABEL_STUDIO_ML_PYTHON" in answer.get_json()["detail"]
            left = {thread.name for thread in set(threading.enumerate()) - threads}
            assert not left & {"label-studio-ml", "shared services"}
            assert logging.getLogger().handlers == handlers
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        try:
            assert client.get("/health").get_json()["status"] == "UP"
        finally:
            if app._running is not None:
                app._running.close()
