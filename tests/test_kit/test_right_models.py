"""`label-studio-ml test` says nothing about right models: of both generations, of the gallery, and in older styles."""

import shutil
from pathlib import Path

import pytest

from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.test_kit.calls import absent_studio
from label_studio_ml.test_kit.check_catalogue import CHECKS, Phase
from label_studio_ml.test_kit.class_check import CheckOptions

from .planted_faults import CONFIGS
from .reports import MODELS, report_on

#: Models of the gallery that run with what the tests need anyway, and without weights.
GALLERY = (
    "tabular",
    *(pytest.param(name, marks=pytest.mark.soak) for name in ("series-segmenter", "face-boxes")),
)

#: Stand-ins for examples of the later 2.x, with a label config each.
EXAMPLES = {
    "tracker": """<View><Video name="video" value="$video"/><VideoRectangle name="box" toName="video"/>
<Labels name="label" toName="video"><Label value="Car"/></Labels></View>""",
    "clicks": """<View><Image name="image" value="$image"/><BrushLabels name="mask" toName="image">
<Label value="Cat"/></BrushLabels><TextArea name="words" toName="image"/></View>""",
}


@pytest.mark.parametrize("name", ["text", "box", "span", "event", "old", "asserting", "plain", "click"])
def test_nothing_is_found_in_a_right_model(name: str, tmp_path: Path) -> None:
    shutil.copy(MODELS / f"{name}_model.py", tmp_path / "model.py")
    if config := CONFIGS.get(name):
        (tmp_path / "label_config.xml").write_text(config)
    report = report_on(tmp_path, CheckOptions())
    assert report.passed, str(report)


@pytest.mark.parametrize("name", GALLERY)
def test_nothing_is_found_in_a_model_of_the_gallery(name: str, tmp_path: Path) -> None:
    shutil.copytree(model_named(name).folder, tmp_path, dirs_exist_ok=True)
    report = report_on(tmp_path, CheckOptions(quick=True))
    assert report.passed, str(report)


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_found_in_an_older_example(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LABEL_STUDIO_ACCESS_TOKEN", "LABEL_STUDIO_API_KEY"):
        monkeypatch.setenv(variable, "none")
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")
    shutil.copytree(Path(__file__).parents[1] / "compat" / "backends" / name, tmp_path, dirs_exist_ok=True)
    (tmp_path / "_wsgi.py").unlink()
    (tmp_path / "label_config.xml").write_text(EXAMPLES[name])
    report = report_on(tmp_path, CheckOptions(quick=True))
    assert report.passed, str(report)


def test_a_fit_that_reads_label_studio_is_skipped_without_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in absent_studio.LOGIN:
        monkeypatch.delenv(variable, raising=False)
    shutil.copy(Path(__file__).parents[1] / "compat" / "backends" / "counter" / "model.py", tmp_path)
    left_out = [check.id for check in CHECKS.values() if check.phase is Phase.PREDICT]
    report = report_on(tmp_path, CheckOptions(skipped=dict.fromkeys(left_out, "of predict"), quick=True))
    assert report.passed, str(report)
    reasons = {outcome.check: outcome.reason for outcome in report.outcomes}
    assert reasons["fit"] == reasons["fit-reload"] == "fit asks Label Studio, which this test does not have"


@pytest.mark.soak  # the tests that `init` writes check it, too: tests/cli/create/test_init.py
def test_nothing_is_found_in_the_model_that_init_writes(tmp_path: Path) -> None:
    from label_studio_ml.cli.create.scaffold import default_model

    (tmp_path / "model.py").write_text(default_model())
    report = report_on(tmp_path, CheckOptions(quick=True))
    assert report.passed, str(report)


def test_a_class_may_take_one_task_at_a_time(tmp_path: Path) -> None:
    code = (MODELS / "old_model.py").read_text()
    one = "        predictions = []\n"
    assert code.count(one) == 1
    (tmp_path / "model.py").write_text(code.replace(one, f"        assert len(tasks) == 1\n{one}"))
    left_out = [check.id for check in CHECKS.values() if check.phase is not Phase.PREDICT]
    report = report_on(tmp_path, CheckOptions(skipped=dict.fromkeys(left_out, "of fit"), quick=True))
    assert report.passed, str(report)
    assert "one task at a time" in report.notes[0]


def test_a_predict_that_needs_a_server_is_skipped(tmp_path: Path) -> None:
    shutil.copytree(model_named("llm").folder, tmp_path, dirs_exist_ok=True)
    report = report_on(tmp_path, CheckOptions(quick=True))
    assert report.passed, str(report)
    reasons = {outcome.check: outcome.reason for outcome in report.outcomes}
    assert reasons["predict"].startswith("predict asks ")
    assert "cannot be reached" in reasons["predict"]
    assert reasons["fit"] == reasons["predict"]
