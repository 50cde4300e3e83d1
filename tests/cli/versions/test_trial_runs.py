"""`evaluate --curve` and `evaluate --doubtful`: options, what is printed and written, exit codes."""

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.backend import CLI, clean_environment
from e2e.processes import wait_until
from evaluation.doubtful.doubtful_list import doubtful_list
from evaluation.learning import learning_settings, word_tasks
from label_studio_ml.cli.main import main
from label_studio_ml.evaluation.curve import learning_curve
from label_studio_ml.evaluation.curve.learning_curve import LearningCurve
from label_studio_ml.evaluation.doubtful import doubtful_labels
from live import CONFIG
from studio.fake import Asked, FakeServer, Reply

Evaluate = Callable[..., int]
FROM_FILE = ("--annotations", "export.json", "--label-config", "config.xml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    learning_settings(tmp_path / "backend")
    (tmp_path / "export.json").write_text(json.dumps(word_tasks(60, words=12)))
    (tmp_path / "config.xml").write_text(CONFIG)
    return tmp_path / "backend"


@pytest.fixture
def evaluate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    for name in ("MODEL_DIR", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder.parent)
    return lambda *words: main(["evaluate", folder.name, *words])


def _json(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def test_a_curve_is_printed_written_and_drawn(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*FROM_FILE, "--curve", "--folds", "2", "--shares", "0.4,1", "--next", "20") == 0
    captured = capsys.readouterr()
    assert "60 labelled tasks of project 0 from export.json: 4 trainings in 2 folds" in captured.out
    assert "label: accuracy, higher is better" in captured.out
    assert (
        "What the next 20 labels would bring, the measurements cannot tell: a forecast needs 4 sizes"
        in captured.out
    )
    assert "Training: 0 of 4 trainings" in captured.err
    written = folder / "evaluations" / "learning-curve"
    assert {path.name for path in written.iterdir()} == {"learning-curve.json", "learning-curve.svg"}
    report = _json((written / "learning-curve.json").read_text())
    assert [each["tasks"] for each in report["measurements"]] == [12, 30, 12, 30]
    assert not (folder / "data" / "versions").exists()


def test_a_curve_without_a_value_has_no_plot(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = LearningCurve(
        project="0",
        created="",
        source="export.json",
        tasks=60,
        folds=2,
        seed=0,
        labels=20,
        complete=True,
        forecasts=[],
        measurements=[],
        notes=["there is nothing to draw"],
    )
    monkeypatch.setattr(learning_curve, "measure_curve", lambda *_: curve)
    assert evaluate(*FROM_FILE, "--curve") == 0
    printed = capsys.readouterr().out
    assert "Note: there is nothing to draw" in printed
    assert ".svg" not in printed
    assert [path.name for path in (folder / "evaluations" / "learning-curve").iterdir()] == [
        "learning-curve.json"
    ]


def test_doubtful_annotations_are_printed_and_written(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = word_tasks(60, words=6)
    (region,) = tasks[3]["annotations"][0]["result"]
    given = "good" if region["value"]["choices"] == ["bad"] else "bad"
    region["value"]["choices"] = [given]
    (folder.parent / "export.json").write_text(json.dumps(tasks))
    assert evaluate(*FROM_FILE, "--doubtful", "5", "--folds", "2") == 0
    printed = capsys.readouterr().out
    assert "60 annotations of 60 tasks of project 0 from export.json, in 2 folds" in printed
    assert "Predictions contradict 1 annotation; 1 label is a likely error" in printed
    row = next(line for line in printed.splitlines() if line.split()[:1] == ["4"])
    assert row.split()[1:6] == ["label", given, "bad" if given == "good" else "good", "1.000", "yes"]
    report = _json((folder / "evaluations" / "doubtful-labels" / "doubtful-labels.json").read_text())
    assert [doubt["task"] for doubt in report["doubts"]] == [4]
    assert report["tab"] == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--curve", "--all"), "--all does not go with --curve"),
        (("--doubtful", "5", "--version", "v1"), "--version does not go with --doubtful"),
        (("--plot", "x.svg"), "--plot goes with --curve"),
        (("--doubtful", "5", "--next", "3"), "--next goes with --curve"),
        (("--curve", "--tab", "mine"), "--tab goes with --doubtful"),
        (("--folds", "3"), "--folds goes with --curve or --doubtful"),
        (("--doubtful", "5", "--tab", "mine", "--no-tab"), "--tab and --no-tab do not go together"),
        (("--doubtful", "5", "--order", "--no-tab"), "--order orders the tab"),
        (("--curve", "--plot", "curve.gif"), "curve.gif does not end in .svg or .png"),
        (
            ("--curve", "--shares", "0.1,1"),
            "There are 60 labelled tasks; this learning curve needs at least 125",
        ),
        (("--doubtful", "5", "--folds", "20"), "There are 60 labelled tasks; 20 folds need at least 80"),
        (("--doubtful", "5", "--by", "page"), "None of 60 labelled tasks has the field 'page'"),
    ],
)
def test_what_does_not_go_together_or_is_too_little(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert evaluate(*FROM_FILE, *words) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (folder / "evaluations").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--curve", "--shares", "0,1"),
        ("--doubtful", "0"),
        ("--doubtful", "5", "--tab", ""),
        ("--curve", "--folds", "1"),
    ],
)
def test_wrong_values_are_refused(evaluate: Evaluate, words: tuple[str, ...]) -> None:
    assert evaluate(*FROM_FILE, *words) == 2


def test_a_tab_of_a_file_needs_label_studio_before_the_trainings(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert evaluate(*FROM_FILE, "--doubtful", "5", "--folds", "2", "--tab", "mine") == 1
    assert "make no tab, with --no-tab" in " ".join(capsys.readouterr().err.split())
    assert not list(folder.glob("trained-*"))


def test_a_title_of_another_tab_is_refused_before_the_trainings(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    studio = FakeServer()
    studio.on("/api/dm/views/", Reply.of([{"id": 4, "data": {"title": "mine"}}]))
    words = ("--doubtful", "5", "--folds", "2", "--tab", "mine", "--url", studio.url, "--api-key", "secret")
    try:
        assert evaluate(*FROM_FILE, "--project", "7", *words) == 1
    finally:
        studio.stop()
    message = " ".join(capsys.readouterr().err.split())
    assert "Project 7 has a tab 'mine' that this command has not made" in message
    assert "Give another title with --tab" in message
    assert not list(folder.glob("trained-*"))
    assert {asked.method for asked in studio.asked} == {"GET"}


@pytest.mark.parametrize("lacks", ["project", "annotations"])
def test_a_tab_without_ids_is_refused_before_the_trainings(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], folder: Path, lacks: str
) -> None:
    if lacks == "annotations":
        tasks = word_tasks(60, words=12)
        del tasks[7]["annotations"][0]["id"]
        (folder.parent / "export.json").write_text(json.dumps(tasks))
    studio = FakeServer()
    studio.on("/api/dm/views/", Reply.of([]))
    words = ("--doubtful", "5", "--tab", "mine", "--url", studio.url, "--api-key", "secret")
    project = ("--project", "7") if lacks == "annotations" else ()
    try:
        assert evaluate(*FROM_FILE, *project, *words) == 1
    finally:
        studio.stop()
    captured = capsys.readouterr()
    assert "A tab needs the ids of the project and of its annotations" in " ".join(captured.err.split())
    assert "Training" not in captured.err
    assert not (folder / "evaluations").exists()


def test_the_list_is_shown_before_the_error_of_its_tab(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubtful_labels, "find_doubtful", lambda *_, **__: (doubtful_list((9, 90)), {}))
    studio = FakeServer()
    views = [Reply.of([]), Reply.of({"detail": "no"}, 400)]
    studio.on("/api/dm/views/", lambda asked: views.pop(0) if len(views) > 1 else views[0])
    words = ("--doubtful", "5", "--tab", "mine", "--url", studio.url, "--api-key", "secret")
    try:
        assert evaluate(*FROM_FILE, "--project", "7", *words) == 1
    finally:
        studio.stop()
    printed = capsys.readouterr().out
    assert "Predictions contradict 1 annotation" in printed
    assert "doubtful-labels.json" in printed


def test_ctrl_c_while_the_tab_is_made_lets_it_be_finished(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubtful_labels, "find_doubtful", lambda *_, **__: (doubtful_list((9, 90)), {}))
    studio = FakeServer()

    def views(asked: Asked) -> Reply:
        if asked.method != "POST":
            return Reply.of([])
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return Reply.of({"id": 12}, 201)

    studio.on("/api/dm/views/", views)
    words = ("--doubtful", "5", "--tab", "mine", "--url", studio.url, "--api-key", "secret")
    try:
        assert evaluate(*FROM_FILE, "--project", "7", *words) == 130
    finally:
        studio.stop()
    captured = capsys.readouterr()
    assert f"The tab in Label Studio: {studio.url}/projects/7/data?tab=12" in captured.out
    assert "once more ends at once" in captured.err


def _interrupt(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [["--curve"], ["--doubtful", "5"]], ids=["curve", "doubtful"])
@pytest.mark.parametrize(
    "step", ["cli.versions.trial_runs.labelled_tasks", "evaluation.trials.trials.Trials.trained"]
)
def test_ctrl_c_before_the_end_of_the_first_training_says_that_nothing_was_measured(
    evaluate: Evaluate,
    folder: Path,
    kind: list[str],
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(f"label_studio_ml.{step}", _interrupt)
    assert evaluate(*FROM_FILE, *kind) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(
        "label-studio-ml: interrupted before anything was measured; no report was written\n"
    )
    assert not (folder / "evaluations").exists()


def test_ctrl_c_during_a_training_keeps_what_was_measured(folder: Path) -> None:
    (folder / "do").write_text("interrupt")
    command = [
        *CLI,
        "evaluate",
        "backend",
        *FROM_FILE,
        "--curve",
        "--folds",
        "2",
        "--shares",
        "0.4,1",
        "--json",
    ]
    process = subprocess.Popen(
        command,
        cwd=folder.parent,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(
            lambda: (folder / "interrupt-now").exists() or process.poll() is not None,
            "the fourth training",
            200,
        )
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    report = _json(output)
    assert (report["complete"], len(report["measurements"])) == (False, 3)
