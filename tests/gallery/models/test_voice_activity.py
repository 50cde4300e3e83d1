"""The gallery's voice activity, with a fake network: how onnxruntime is set up."""

import importlib.machinery
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .model_file import model_class

CONFIG = """<View><Audio name="audio" value="$audio"/><Labels name="who" toName="audio"><Label value="Speech"/></Labels>
</View>"""


class FakeOptions:
    """Settings of a session by name."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def add_session_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


class FakeSession:
    """A network that is never run; `options` are those that it was made with."""

    def __init__(self, path: Path, options: FakeOptions, providers: list[str]) -> None:
        self.options = options


class RecordingLoader(importlib.machinery.SourceFileLoader):
    """Import a fake onnxruntime, and record what its import finds in the environment."""

    telemetry: str | None = None

    def exec_module(self, module: ModuleType) -> None:
        RecordingLoader.telemetry = os.environ.get("ORT_DISABLE_TELEMETRY")
        vars(module).update(SessionOptions=FakeOptions, InferenceSession=FakeSession)


class Finder:
    """Find the fake onnxruntime."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != "onnxruntime":
            return None
        return importlib.machinery.ModuleSpec(name, RecordingLoader(name, ""))


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Return a function that imports the model file anew, and builds the model."""
    (tmp_path / "silero_vad").mkdir()
    (tmp_path / "silero_vad" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "soundfile", ModuleType("soundfile"))
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.setattr(RecordingLoader, "telemetry", None)
    # Both are set before they are removed, so that what the import leaves is removed after the test.
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")

    def made() -> Any:
        del sys.modules["onnxruntime"]
        return model_class("voice-activity")(label_config=CONFIG)

    return made


def test_the_import_of_onnxruntime_finds_its_reports_switched_off(
    build: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    build()
    assert RecordingLoader.telemetry == "1"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    build()
    assert RecordingLoader.telemetry == "0"


def test_threads_do_not_wait_actively(build: Callable[[], Any]) -> None:
    assert build().network.options.entries == {"session.intra_op.allow_spinning": "0"}
