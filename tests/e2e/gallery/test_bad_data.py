"""Broken tasks, poor training data and changed label configs cost each model of the gallery only what they are.

`llm` and `remote` ask a server: tests/gallery/models/test_llm.py and test_remote.py have their broken tasks, and
test_video_tracker.py those of `video-tracker`, which predicts only what a person has begun.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.gallery.catalogue import model_named

from .environments import environment, install_model, install_settings

Json = dict[str, Any]

SCRIPT = Path(__file__).with_name("bad_data_run.py")
#: Models that need no more than the project's own environment has.
HERE = ("face-boxes", "series-segmenter", "tabular")
#: The other models, and the names of their environments.
ELSEWHERE = {
    "box-learner": "vision",
    "change-points": "series",
    "document-layout": "documents",
    "image-classifier": "vision",
    "named-entities": "spacy",
    "ocr": "documents",
    "passage-ranker": "texts",
    "pose": "pose",
    "question-answering": "texts",
    "segmentation": "segmentation",
    "text-classifier": "texts",
    "transcription": "audio",
    "voice-activity": "audio",
    "zero-shot-texts": "texts",
}
CASES = [*HERE, *(pytest.param(name, marks=pytest.mark.gallery) for name in ELSEWHERE)]
#: How messages begin that only Python has written. A missing field is a KeyError with a sentence.
UNEXPLAINED = re.compile(
    r"(Attribute|Type|Key(?!Error: \"The task's data have no field)|Index|Name|ZeroDivision|Unbound\w*)Error\b"
)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CASES)
def test_bad_data_cost_only_themselves(name: str, tmp_path: Path) -> None:
    report = tried(name, tmp_path)
    check_predictions(report["predictions"], report["field"])
    # onnxruntime keeps there what it is about to send.
    assert not (tmp_path / "Microsoft").exists(), "a library reports its use"
    # A model is built for each project, version and label config: what it leaves behind is there until a restart.
    assert report["growth"] < 100, "MB of five models that were dropped"
    if model_named(name).trains:
        check_predictions(report["trained"], report["field"])
        check_trainings(report["trainings"])
        assert report["trainings"]["cancelled"] == {"output": None}
        check_changes(report["changed"])


def check_predictions(found: Json, field: str) -> None:
    """A good task is predicted as it is alone; a broken one is empty, or has an error that names it or its field."""
    (alone,) = (without_ids(entry) for entry in found["alone"])
    assert "error" not in alone
    assert [without_ids(entry) for entry in found["good"]] == [alone, alone]
    for which, (number, entry) in found["bad"].items():
        if "error" in entry:
            assert not UNEXPLAINED.match(entry["error"]), (which, entry)
            assert f"Task {number}" in entry["error"] or repr(field) in entry["error"], (which, entry)
        else:
            assert isinstance(entry["result"], list), which


def check_trainings(found: Json) -> None:
    """Without what it needs, `fit` says so; broken tasks among good ones do not stop it."""
    for which in ("none", "only skipped"):
        assert found[which]["error"].startswith("Training needs"), (which, found[which])
    if "error" in found["one class"]:
        assert found["one class"]["error"].startswith("Training needs"), found["one class"]
    assert "output" in found["good"], found["good"]
    assert "output" in found["some broken"], found["some broken"]


def check_changes(found: Json) -> None:
    """After a change of the label config, a version predicts what the new one has, or says why not."""
    for which, (entry, name, labels) in found.items():
        if "error" in entry:
            assert not UNEXPLAINED.match(entry["error"]), (which, entry)
        for region in entry.get("result", ()):
            assert region["from_name"] == name, which
            said = region["value"].get(region["type"], [])
            assert set(said) <= set(labels), (which, said)


def without_ids(entry: Json) -> Json:
    """Return a prediction without the ids of its regions, which are new each time."""
    regions = [{**region, "id": ""} for region in entry.get("result", ())]
    return {**entry, "result": regions}


def tried(name: str, cache: Path) -> Json:
    """Return the report on a model, from a process that has what the model needs, and `cache` as the user's cache."""
    python = Path(sys.executable)
    settings = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    settings.pop("ORT_DISABLE_TELEMETRY", None)
    if name in ELSEWHERE:
        venv = environment(ELSEWHERE[name])
        install_model(venv, model_named(name).folder)
        python, settings = venv / "bin" / "python", settings | install_settings(venv)
    done = subprocess.run(
        [python, SCRIPT, name], capture_output=True, text=True, check=False, timeout=900, env=settings
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report: Json = json.loads(done.stdout.splitlines()[-1])
    return report
