"""The gallery's transcription, with a fake Whisper: what becomes of a recording that takes too long."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from .model_file import model_class

CONFIG = """<View><Audio name="audio" value="$audio"/><TextArea name="words" toName="audio"/></View>"""


class FakeWhisper:
    """Writes down the same word again and again: three times, or without an end."""

    is_endless = False
    loaded: ClassVar[list[str]] = []

    def __init__(self, name: str, **options: Any) -> None:
        self.loaded.append(name)

    def transcribe(self, path: str, **options: Any) -> tuple[Iterator[SimpleNamespace], None]:
        numbers = itertools.count() if self.is_endless else iter(range(3))
        return (
            SimpleNamespace(text=" word", start=float(at), end=at + 1.0, avg_logprob=-0.5) for at in numbers
        ), None


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model file import fakes of the packages that it needs."""
    fake = ModuleType("faster_whisper")
    fake.WhisperModel = FakeWhisper  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", fake)
    monkeypatch.setitem(sys.modules, "av", ModuleType("av"))
    errors = ModuleType("av.error")
    vars(errors)["FFmpegError"] = RuntimeError
    monkeypatch.setitem(sys.modules, "av.error", errors)


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that predicts a recording within some seconds."""

    def run(seconds: float) -> list[Any]:
        model = model_class("transcription")
        monkeypatch.setitem(model.predict.__globals__, "LONGEST_CALL", seconds)
        made = model(label_config=CONFIG, whisper="fake")
        made.get_local_path = lambda url, **kwargs: str(tmp_path / "sound.wav")
        return list(made.predict([{"id": 1, "data": {"audio": "sound.wav"}}]))

    return run


def test_what_is_said_is_one_text(predict: Any) -> None:
    ((region,),) = [prediction["result"] for prediction in predict(60.0)]
    assert region["value"]["text"] == ["word word word"]
    assert region["score"] == pytest.approx(0.607, abs=0.001)


def test_a_recording_that_takes_too_long_is_an_error_before_the_server_ends_the_call(
    predict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeWhisper, "is_endless", True)
    with pytest.raises(ValueError, match=r"Task 1: after 0\.01 s, \d+ s of the recording are written down"):
        predict(0.01)


def test_weights_are_loaded_once_for_all_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeWhisper, "loaded", [])
    model = model_class("transcription")
    for whisper in ("one", "one", "other"):
        model(label_config=CONFIG, whisper=whisper)
    assert FakeWhisper.loaded == ["one", "other"]
