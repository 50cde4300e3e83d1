"""`label-studio-ml evaluate`: which version, which tasks, what is printed and written."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.state.user_state import apply_all
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from live import CONFIG, MODELS, TOKEN, FakeStudio, annotation, uid

Evaluate = Callable[..., int]


def _row(number: int, label: str) -> dict[str, Any]:
    return {"id": number, "data": {"text": f"good {number}"}, "annotations": [annotation(number, label)]}


#: Thirty tasks that the model calls good; every third is annotated as bad.
ROWS = [_row(number, "good" if number % 3 else "bad") for number in range(1, 31)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backend"
    folder.mkdir()
    shutil.copy(MODELS / "judge.py", folder)
    (tmp_path / "export.json").write_text(json.dumps(ROWS))
    (tmp_path / "config.xml").write_text(CONFIG)
    return folder


@pytest.fixture
def evaluate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    for name in ("MODEL_DIR", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder.parent)
    return lambda *words: main(["evaluate", folder.name, *words])


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    fake = FakeStudio()
    yield fake
    fake.stop()


FROM_FILE = ("--annotations", "export.json", "--label-config", "config.xml")


def _train(
    folder: Path,
    name: str,
    *,
    on: range,
    fence: int = 1,
    split: float = 0.0,
    answer: str = "bad",
    code: CodeIdentity | None = None,
) -> None:
    """Commit a version that has seen the tasks `on`."""
    store = VersionStore(folder / "data")
    workdir = store.begin(uid(7), f"id{fence}")
    rows = [row for row in ROWS if row["id"] in on]
    tasks = LabelledTasks(lambda: rows, "a test", project=uid(7), snapshot=workdir / SNAPSHOT)
    list(tasks.split(split)[0] if split else tasks)
    tasks.finish()
    store.publish(
        Manifest(
            id=f"id{fence}",
            name=name,
            project=uid(7),
            fence=fence,
            created="",
            state={"answer": answer},
            code=code or CodeIdentity(),
        )
    )


@pytest.fixture
def known(folder: Path) -> None:
    Projects(folder / "data").put(Project(uid=uid(7), label_config=CONFIG))


def _report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def test_an_export_is_enough(evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(*FROM_FILE) == 0
    printed = capsys.readouterr().out
    assert "30 of 30 annotated tasks: the model was trained on none of them" in printed
    assert "accuracy 0.667" in printed
    assert {"good", "bad", "SUPPORT"} <= set(printed.split())
    written = folder / "evaluations" / "INITIAL"
    assert str(written) in printed
    assert {path.name for path in written.iterdir()} == {"evaluation.json", "confusion-label.png"}
    assert json.loads((written / "evaluation.json").read_text())["version"] == "INITIAL"


def test_json_alone_on_standard_output(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*FROM_FILE, "--json", "--output", "out") == 0
    report = _report(capsys)
    assert report["controls"]["label"]["metrics"]["accuracy"] == pytest.approx(20 / 30)
    assert json.loads((folder.parent / "out" / "evaluation.json").read_text()) == report
    assert not (folder / "evaluations").exists()


@pytest.mark.usefixtures("known")
def test_the_served_version_on_what_it_has_not_seen(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(folder, "one", on=range(1, 21))
    assert evaluate(*FROM_FILE[:2]) == 0
    printed = capsys.readouterr().out
    assert (
        "10 of 30 annotated tasks, held out of the training: the model was trained on none of them" in printed
    )
    # It says bad to everything, and of the numbers 21 to 30, four are.
    assert "accuracy 0.400" in printed
    assert (folder / "evaluations" / "one" / "evaluation.json").exists()


@pytest.mark.usefixtures("known")
def test_all_of_them(evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder, "one", on=range(1, 21))
    assert evaluate(*FROM_FILE[:2], "--all", "--json") == 0
    assert _report(capsys)["tasks"] == {
        "how": "all",
        "annotated": 30,
        "used": 30,
        "seen": 20,
        "ground_truth_only": False,
    }


@pytest.mark.usefixtures("known")
def test_a_named_version(evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder, "one", on=range(1, 21))
    _train(folder, "two", on=range(1, 31), fence=2)
    assert evaluate(*FROM_FILE[:2], "--version", "one", "--json") == 0
    assert _report(capsys)["version"] == "one"
    assert evaluate(*FROM_FILE[:2], "--version", "id1", "--json") == 0
    assert _report(capsys)["version"] == "one"
    assert evaluate(*FROM_FILE[:2], "--version", "three") == 1
    assert "no version 'three'" in capsys.readouterr().err
    assert evaluate(*FROM_FILE[:2]) == 1
    assert "Version two was trained on all 30 annotated tasks" in capsys.readouterr().err


@pytest.mark.usefixtures("known")
def test_an_older_version_has_the_pairs_that_its_own_fit_set(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(folder, "one", on=range(1, 21), answer="bad")
    _train(folder, "two", on=range(1, 21), answer="good", fence=2)
    apply_all(
        VersionStore(folder / "data"), folder / "data", VersionStore(folder / "data").versions(uid(7))[1]
    )
    found = {}
    for name in ("one", "two"):
        assert evaluate(*FROM_FILE[:2], "--version", name, "--json") == 0
        found[name] = _report(capsys)["controls"]["label"]["metrics"]["accuracy"]
    # Of the numbers 21 to 30, four are annotated as bad.
    assert found == {"one": 0.4, "two": 0.6}
    assert StoredState(folder / "data", uid(7)).get("answer") == "good"


@pytest.mark.usefixtures("known")
def test_what_fit_held_out_is_measured(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(folder, "one", on=range(1, 31), split=0.3)
    held_out = len(LabelledTasks(lambda: ROWS, "a test", project=uid(7)).split(0.3)[1])
    assert evaluate(*FROM_FILE[:2], "--json") == 0
    by_note = _report(capsys)
    assert (by_note["tasks"]["used"], by_note["tasks"]["seen"]) == (held_out, 0)
    assert evaluate(*FROM_FILE[:2], "--test", "0.3", "--json") == 0
    by_hash = _report(capsys)
    assert by_hash["tasks"]["used"] == held_out
    assert by_hash["controls"] == by_note["controls"]


@pytest.mark.usefixtures("known")
def test_from_a_snapshot(evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder, "one", on=range(1, 21))
    snapshot = VersionStore(folder / "data").folder(uid(7), "id1") / SNAPSHOT
    assert evaluate("--annotations", str(snapshot), "--all", "--json") == 0
    assert _report(capsys)["tasks"]["seen"] == 20


@pytest.mark.usefixtures("known")
def test_from_label_studio(
    evaluate: Evaluate,
    studio: FakeStudio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    studio.add(7, 1, 2, 3)
    studio.tasks[7][2]["annotations"][0]["ground_truth"] = True
    monkeypatch.setenv("LABEL_STUDIO_URL", studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    assert evaluate("--project", "7", "--ground-truth", "--json") == 0
    report = _report(capsys)
    assert report["source"] == "Label Studio"
    assert report["tasks"]["used"] == 1
    assert report["controls"]["label"]["metrics"]["accuracy"] == 0.0, "it says text"
    assert evaluate("--project", "7") == 0
    assert "3 of 3 annotated tasks" in capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_measuring_another_project_does_not_add_it(
    evaluate: Evaluate, folder: Path, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.add(7, 1, 2, 3)
    studio.add(8, 1, 2, 3)
    monkeypatch.setenv("LABEL_STUDIO_URL", studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    assert evaluate("--project", "8") == 0
    assert Projects(folder / "data").uids() == [uid(7)]
    assert not (folder / "data" / "evaluations").exists(), (
        "no report of a project that the backend does not have"
    )
    assert evaluate("--project", "7") == 0
    assert (folder / "data" / "evaluations").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "knows no project yet"),
        (("--project", "7"), "Project 7 has never called this backend"),
        (("--annotations", "missing.json"), "missing.json cannot be read"),
        ((*FROM_FILE[:3], "missing.xml"), "missing.xml cannot be read"),
    ],
)
def test_what_is_missing_is_said(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert evaluate(*words) == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 2


@pytest.mark.usefixtures("known")
def test_label_studio_is_not_known(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate() == 1
    assert "--annotations" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--test", "2"), ("--test", "x"), ("--all", "--test", "0.2")])
def test_wrong_options(evaluate: Evaluate, words: tuple[str, ...]) -> None:
    assert evaluate(*FROM_FILE, *words) == 2


@pytest.mark.usefixtures("known")
def test_train_from_a_version_that_has_no_snapshot(
    folder: Path, evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", folder.name, "--from-version", "none"]) == 1
    assert "no version 'none'" in capsys.readouterr().err


@pytest.mark.usefixtures("known")
def test_a_version_that_other_code_trained_is_said(
    evaluate: Evaluate, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = folder / "judge.py"
    _train(folder, "one", on=range(1, 21), code=identify(script))
    assert evaluate(*FROM_FILE[:2]) == 0
    assert "was trained" not in capsys.readouterr().err
    script.write_text(f"{script.read_text()}\nEDITED = True\n")
    assert evaluate(*FROM_FILE[:2], "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["version"] == "one"
    [line] = [line for line in printed.err.splitlines() if "was trained" in line]
    assert "version one was trained () by code " in line
    assert line.endswith("different: judge.py")


@pytest.mark.parametrize("step", ["cli.versions.evaluate.labelled_tasks", "evaluation.evaluate.evaluate"])
def test_ctrl_c_says_that_nothing_was_measured(
    evaluate: Evaluate,
    folder: Path,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"label_studio_ml.{step}", interrupt)
    assert evaluate(*FROM_FILE, "--project", "7") == 130
    assert capsys.readouterr().err.endswith(
        "label-studio-ml: interrupted before anything was measured; no report was written\n"
    )
    assert not (folder / "evaluations").exists()
