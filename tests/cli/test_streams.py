"""What commands print of names, labels and causes that come from files and servers."""

import ast
import json
from pathlib import Path

import pytest

from label_studio_ml.cli import streams
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.cli.studio import doctor_report
from label_studio_ml.cli.versions import evaluation_tables
from label_studio_ml.doctor.check import Check, Status
from label_studio_ml.evaluation.metrics.results import Evaluation, Measured, Selection

#: Clears the screen, ends a line, begins another one as ours do, turns the direction of writing.
HOSTILE = "v\x1b[2J\x00\r\nlabel-studio-ml: all is well\x9b2J\u202e"
SHOWN = r"v\x1b[2J\x00\r\nlabel-studio-ml: all is well\x9b2J\u202e"
PLAIN = "Grüße, 東京 🦉\t[bold]x[/]"


def _check_harmless(printed: str) -> None:
    """Fail if something is printed that a terminal would act on."""
    assert not [character for character in printed if not character.isprintable() and character not in "\t\n"]
    assert not [line for line in printed.splitlines() if line.startswith("label-studio-ml: all is well")]


def test_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"Version {HOSTILE}", PLAIN)
    assert capsys.readouterr().out == f"Version {SHOWN}\n{PLAIN}\n"


def test_json_says_the_same_in_its_own_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    body = {"name": HOSTILE, "plain": PLAIN, "half": "\ud800"}
    say_json(json.dumps(body, indent=1, ensure_ascii=False))
    printed = capsys.readouterr().out
    _check_harmless(printed)
    assert json.loads(printed) == body
    assert "東京 🦉" in printed


def test_an_evaluation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = f"{HOSTILE} {PLAIN}"
    measured = Measured(kind=names, tasks=1, metrics={names: 0.5}, labels={names: {names: 0.5}})
    evaluation = Evaluation(
        project=names,
        version=names,
        created="",
        source=names,
        tasks=Selection(how="all", annotated=1, used=1),
        failed=1,
        failures=[names],
        controls={names: measured},
        not_measured={names: names},
    )
    evaluation_tables.show(evaluation, tmp_path)
    printed = capsys.readouterr().out
    _check_harmless(printed)
    assert f"Version {SHOWN} Grüße, 東京 🦉" in printed
    assert "[bold]x[/]" in printed


def test_a_check_of_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    doctor_report.show([Check(f"[/x]{HOSTILE}"[:12], Status.FAIL, HOSTILE, HOSTILE)])
    _check_harmless(capsys.readouterr().out)


def test_commands_print_in_one_place() -> None:
    folder = Path(streams.__file__).parent
    printing = {
        path.name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == {"streams.py"}, "use streams.say"
