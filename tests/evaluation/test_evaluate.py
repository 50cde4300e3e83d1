"""A whole evaluation: the model in its process, the counts, the files."""

import gzip
import importlib.util
import json
import shutil
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelLoadError, ModelProcessDied, PredictError, SettingsError, VersionError
from label_studio_ml.evaluation import evaluated_model
from label_studio_ml.evaluation.evaluate import Assignment, evaluate, save, tasks_in
from label_studio_ml.evaluation.evaluated_model import ModelUnderTest
from label_studio_ml.evaluation.metrics.needed_libraries import require_libraries
from label_studio_ml.evaluation.metrics.results import LIBRARIES, Evaluation
from label_studio_ml.evaluation.task_selection import Choice
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.serving.runners import process_runner
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG, MODELS, annotation

PROJECT = Project(uid="1.5", label_config=CONFIG)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "backend"
    folder.mkdir()
    shutil.copy(MODELS / "judge.py", folder)
    return Settings(backend_dir=folder, model_dir=folder / "data", log_dir=folder / "logs")


def _model(settings: Settings, *, version: str = "", **state: str) -> ModelUnderTest:
    spec = ModelSpec(project=PROJECT, version=version)
    return ModelUnderTest(settings, spec, state, settings.log_dir / "evaluate.log")


def test_a_process_that_cannot_be_started_leaves_no_socket_open(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []
    pair = socket.socketpair

    def counted() -> tuple[socket.socket, socket.socket]:
        made.extend(ends := pair())
        return ends

    def refused(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(socket, "socketpair", counted)
    monkeypatch.setattr(process_runner, "GuardedProcess", refused)
    with pytest.raises(OSError, match="no more processes"), _model(settings):
        pass
    assert len(made) >= 6  # for messages, for predictions, and to the guard
    assert [end.fileno() for end in made] == [-1] * len(made)


def _row(number: int, text: str, label: str) -> dict[str, Any]:
    return {"id": number, "data": {"text": text}, "annotations": [annotation(number, label)]}


def _rows() -> list[dict[str, Any]]:
    """Return 24 tasks: a third is called good, of which every fourth is annotated as bad."""
    return [
        _row(number, "good" if number % 3 else "bad", "good" if number % 4 and number % 3 else "bad")
        for number in range(1, 25)
    ]


def _evaluate(settings: Settings, rows: list[dict[str, Any]], **state: str) -> tuple[Evaluation, list[int]]:
    told: list[int] = []
    with _model(settings, version="v7", **state) as model:
        tasks = LabelledTasks(lambda: rows, "a test")
        found = evaluate(model, Assignment(tasks, PROJECT, Choice(), set()), progress=told.append)
    return found, told


def test_a_version_is_measured_in_batches(settings: Settings) -> None:
    found, told = _evaluate(settings, _rows())
    # 16 texts say good; 4 of those (numbers 4, 8, 16, 20) are annotated as bad.
    assert found.controls["label"].metrics["accuracy"] == pytest.approx(20 / 24)
    assert found.controls["label"].labels["good"] == pytest.approx(
        {"precision": 12 / 16, "recall": 1.0, "f1": 6 / 7, "support": 12}
    )
    assert (found.version, found.project, found.source) == ("v7", "1", "a test")
    assert (found.tasks.used, found.failed, found.not_measured) == (24, 0, {})
    assert told == [10, 10, 4]
    assert (settings.backend_dir / "batches").read_text().split() == ["10", "10", "4"]
    assert "built by Judge" in (settings.log_dir / "evaluate.log").read_text()
    assert not (settings.log_dir / "server.log").exists()  # that is the output of served models


def test_what_the_versions_fit_set_is_there_and_nothing_stays(settings: Settings) -> None:
    found, _ = _evaluate(settings, _rows(), answer="good")
    assert found.controls["label"].metrics["accuracy"] == 0.5
    assert StoredState(settings.model_dir, PROJECT.uid).get("answer") is None


def test_without_guards_the_model_runs_in_this_process(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluated_model, "is_supported", lambda: False)
    found, told = _evaluate(settings, _rows(), answer="good")
    assert (found.version, found.controls["label"].metrics["accuracy"], told) == ("v7", 0.5, [10, 10, 4])
    assert StoredState(settings.model_dir, PROJECT.uid).get("answer") is None
    with pytest.raises(ModelLoadError, match=r"these weights are broken.*the log of this run"):
        _evaluate(settings, _rows(), broken="yes")


def test_tasks_without_a_prediction_count_against_it(settings: Settings) -> None:
    found, _ = _evaluate(settings, [_row(1, "good", "good"), _row(2, "fail", "good")])
    assert found.failed == 1
    assert ["no idea" in cause for cause in found.failures] == [True]
    assert found.controls["label"].metrics["accuracy"] == 0.5


def test_a_model_that_predicts_nothing_at_all(settings: Settings) -> None:
    with pytest.raises(PredictError, match=r"none of 2 tasks: .*no idea"):
        _evaluate(settings, [_row(1, "fail", "good"), _row(2, "fail", "good")])


def test_a_model_that_dies(settings: Settings) -> None:
    with pytest.raises(ModelProcessDied, match=r"killed by SIGKILL.*evaluate\.log"):
        _evaluate(settings, [_row(1, "kill", "good")])


def test_the_advice_about_a_model_that_cannot_be_built(settings: Settings) -> None:
    (settings.backend_dir / "judge.py").write_text(
        "from label_studio_ml.model import LabelStudioMLBase\n"
        "class Judge(LabelStudioMLBase):\n"
        "    def __init__(self, **kwargs): pass\n"
        "    def predict(self, tasks, **kwargs): return []\n"
    )
    with pytest.raises(ModelLoadError, match=r"Judge.__init__ does not call super\(\)") as caught:
        _evaluate(settings, _rows())
    assert caught.value.fix == "Call it first in __init__"
    assert str(caught.value).count("Call it first") == 1


def test_a_model_that_cannot_be_built(settings: Settings) -> None:
    with pytest.raises(ModelLoadError, match="these weights are broken"):
        _evaluate(settings, _rows(), broken="yes")


def test_the_process_ends_with_the_block(settings: Settings) -> None:
    with _model(settings) as model:
        process = cast("Any", model._model._runner)._process
        assert model.version == "INITIAL"
        assert process.poll() is None
    assert process.poll() == 0


def test_nothing_to_measure_on(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="No task has an annotation"):
        _evaluate(settings, [])


def test_files(settings: Settings, tmp_path: Path) -> None:
    found, _ = _evaluate(settings, _rows())
    saved = save(found, tmp_path / "out" / "v7")
    report = json.loads((tmp_path / "out" / "v7" / "evaluation.json").read_text())
    assert report["controls"]["label"]["confusion"] == {
        "labels": ["good", "bad"],
        "matrix": [[12, 0], [4, 8]],
    }
    assert report["tasks"]["used"] == 24
    picture = tmp_path / "out" / "v7" / report["controls"]["label"]["picture"]
    assert picture.name == saved.controls["label"].picture == "confusion-label.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_picture_shows_the_counts(settings: Settings, tmp_path: Path) -> None:
    from PIL import Image

    found, _ = _evaluate(settings, _rows())
    save(found, tmp_path)
    with Image.open(tmp_path / "confusion-label.png") as picture:
        assert min(picture.size) >= 300
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    # A cell of a row with everything in it is as dark as the palette gets; the cell beside it is as light.
    shades = {colour for count, colour in colours if count > 2000}
    assert {(8, 48, 107), (247, 251, 255)} <= shades


def test_a_folder_that_cannot_be_written_to(settings: Settings, tmp_path: Path) -> None:
    found, _ = _evaluate(settings, _rows())
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="--output"):
        save(found, tmp_path / "file" / "v")


def test_annotations_from_files(tmp_path: Path) -> None:
    rows = [*_rows(), {"id": 99, "data": {}, "annotations": []}]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(rows))
    assert [one["id"] for one in tasks_in(export)] == list(range(1, 25))
    snapshot = tmp_path / "annotations.jsonl.gz"
    list(LabelledTasks(lambda: rows, "a test", snapshot=snapshot))
    assert list(tasks_in(snapshot)) == list(tasks_in(export))


@pytest.mark.parametrize("content", ["{", "{}", '[{"id": 1, "label": "good"}]', "[1]"])
def test_files_that_are_no_export(tmp_path: Path, content: str) -> None:
    file = tmp_path / "export.json"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"export\.json"):
        tasks_in(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        tasks_in(tmp_path / "missing.json")
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(b"{]"))
    with pytest.raises(VersionError):
        list(tasks_in(packed))


@pytest.mark.parametrize(
    ("control", "missing"),
    [
        ('<Choices name="c" toName="o"><Choice value="A"/></Choices>', "scikit-learn"),
        ('<Labels name="c" toName="o"><Label value="A"/></Labels>', "nervaluate"),
        ('<RectangleLabels name="c" toName="o"><Label value="A"/></RectangleLabels>', "faster-coco-eval"),
        ('<TextArea name="c" toName="o"/>', "jiwer"),
        ('<Rating name="c" toName="o"/>', ""),
    ],
)
def test_the_libraries_that_the_controls_need_are_named(
    control: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_config = f'<View><Text name="o" value="$text"/>{control}</View>'
    require_libraries(label_config, pictures=True)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, package=None: None if name in LIBRARIES else find_spec(name, package),
    )
    with pytest.raises(SettingsError, match=r"pip install \"label-studio-ml\[evaluate\]\"") as error:
        require_libraries(label_config, pictures=True)
    named = f"{missing}, matplotlib" if missing else "matplotlib"
    assert error.value.message == f"Evaluating needs {named}"
    if not missing:
        require_libraries(label_config, pictures=False)
