"""`label-studio-ml test`: what it prints and writes, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

RIGHT = """
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return [{"result": []} for task in tasks]
"""
WRONG = RIGHT.replace("for task in tasks", "for task in tasks[1:]")
ALONE = "--skip=memory=it keeps the tests short"


def run(folder: Path, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "model.py").write_text(code)
    command = [sys.executable, "-m", "label_studio_ml", "test", str(folder), ALONE, *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=240, env=dict(os.environ)
    )


def test_a_right_class_gives_0(tmp_path: Path) -> None:
    done = run(tmp_path, RIGHT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok      batch" in done.stdout
    assert "skipped memory              it keeps the tests short" in done.stdout
    assert "skipped fit                 the class has no fit" in done.stdout
    assert "<Choices> on <Text>: import" in done.stdout
    assert "note: the label config is made up: <Choices> on <Text>. For that of your project" in done.stdout


def test_a_wrong_class_gives_1_and_both_reports(tmp_path: Path) -> None:
    done = run(tmp_path, WRONG, "--json", "--junit", "report.xml")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["notes"][-1].endswith("put label_config.xml into the folder, or give --label-config FILE")
    (failed,) = [outcome for outcome in report["outcomes"] if outcome["status"] == "failed"]
    (failure,) = failed["failures"]
    assert failure["check"] == "count"
    assert failure["message"] == "predict returned 5 predictions for 6 tasks"
    assert (failure["file"], failure["line"]) == ("model.py", 5)
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    assert suite.attrib["failures"] == "1"
    assert int(suite.attrib["tests"]) == len(report["outcomes"]) == len(suite)
    (case,) = [case for case in suite if case.find("failure") is not None]
    assert case.attrib["name"].startswith("count: ")
    assert case.attrib["file"] == "model.py"


LOOKS_UP = RIGHT.replace(
    "        return", "        self.controls.first('Choices', on='Text')\n        return"
)
TEMPLATE = """<View><Text name="t" value="$t"/><Choices name="{}" toName="t">
    <Choice value="A"/><Choice value="B"/></Choices></View>"""


def add_templates(folder: Path) -> Path:
    for name in ("first", "second"):
        place = folder / "templates" / "texts" / name
        place.mkdir(parents=True)
        config = TEMPLATE.format(name)
        (place / "config.xml").write_text(config)
        (place / "config.yml").write_text(f"title: {name}\nconfig: |\n    {config}\n")
    return folder / "templates"


def test_each_template_is_tested_once(tmp_path: Path) -> None:
    done = run(tmp_path, LOOKS_UP, "--quick", "--templates", str(add_templates(tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.endswith(":")] == ["texts/first:", "texts/second:"]


def test_a_failure_names_its_templates(tmp_path: Path) -> None:
    code = LOOKS_UP.replace("for task in tasks", "for task in tasks[1:]")
    done = run(tmp_path, code, "--quick", "--templates", str(add_templates(tmp_path)))
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("model.py:5: count: predict returned 5 predictions for 6 tasks") == 1
    assert "    label config: texts/first, texts/second\n" in done.stdout


@pytest.mark.parametrize(
    ("code", "words", "text"),
    [
        ("x = [", (), "Syntax error in"),
        (RIGHT, ("--label-config", "none.xml"), "none.xml"),
        (RIGHT, ("--skip", "batch"), "batch needs a reason"),
        (RIGHT, ("--skip", "batsch=no"), "there is no check 'batsch'"),
        (RIGHT, ("--timeout", "0"), "'0' is not a number above 0"),
        (RIGHT, ("--templates", "."), "has no templates"),
        (RIGHT, ("--junit", "no/where.xml"), "no/where.xml cannot be written"),
    ],
)
def test_what_cannot_be_tested_gives_2(tmp_path: Path, code: str, words: tuple[str, ...], text: str) -> None:
    done = run(tmp_path, code, *words)
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr
