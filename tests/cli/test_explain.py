"""`label-studio-ml explain`."""

import subprocess
import sys
from pathlib import Path

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.troubleshooting import message_templates
from label_studio_ml.troubleshooting.entries import by_code

#: Lines of the pages that are run here.
LINES = ("label-studio-ml explain LSML-E310", "label-studio-ml explain Redis refuses the login")


def test_without_words_all_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    listed = capsys.readouterr().out
    assert [code for code in by_code() if f"\n  {code}  {by_code()[code].title}\n" not in listed] == []


def test_a_code_prints_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(LINES[0].split()[1:]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "LSML-E310: The model file cannot be used"
    assert "Causes:" in lines
    assert "What to do:" in lines
    assert "- Load weights in `setup`, not while the module is imported." in lines


def test_links_are_named_by_their_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "LSML-E104"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "`ALLOWED_HOSTS=ml.example.com` (who may ask (docs/production.md))" in said


def test_words_of_one_message_print_its_entry_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(LINES[1].split()[1:]) == 0
    said = capsys.readouterr().out
    assert said.startswith("LSML-E600: ")
    assert (
        "  Redis refuses the login\n      Check user and password in REDIS_URL, or REDIS_PASSWORD\n" in said
    )


def test_words_of_several_list_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "There is no folder"]) == 0
    said = capsys.readouterr().out
    assert "LSML-E200: " in said
    assert "LSML-E310: " in said
    assert "Causes:" not in said
    calls = said.partition("The causes, and what to do:\n")[2].splitlines()
    assert {f"  label-studio-ml explain LSML-E{number}" for number in (200, 310)} <= set(calls)
    assert main(calls[0].split()[1:]) == 0, "the call can be pasted"


@pytest.mark.parametrize("code", ["E310", "e310", "LSML-310", "lsml-e310", "lsml310", "310", "[LSML-E310]"])
def test_a_code_may_be_typed_in_short(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 0
    assert capsys.readouterr().out.startswith("LSML-E310: ")


def test_the_entries_of_several_codes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "e330", "340"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("LSML-E330: ")
    assert "\nLSML-E340: " in said
    assert said.count("What to do:") == 2


def test_an_error_of_python_is_one_of_the_models_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "division by zero"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("ZeroDivisionError is an error of Python or a library")
    assert "logs/server.log " in said
    assert "label-studio-ml jobs my_backend --follow JOB\n" in said
    assert said.endswith("  label-studio-ml explain LSML-E330\n  label-studio-ml explain LSML-E340\n")


def test_an_error_of_python_that_entries_have_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ModuleNotFoundError: No module named 'torch'"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("ModuleNotFoundError is an error of Python or a library")
    assert "\nLSML-E310: " in said


def test_a_number_may_be_a_status_of_http_or_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "500"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("HTTP status 500 (Internal Server Error) is no code of this package")
    assert "logs/server.log" in said
    assert "  label-studio-ml explain LSML-E330\n" in said
    assert "\nIf LSML-E500 is meant, a code of this package:\n\nLSML-E500: A version cannot be" in said


@pytest.mark.parametrize("words", [["502"], ["HTTP", "502"], ["502", "Bad", "Gateway"]])
def test_a_status_of_http_without_a_code_is_explained(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *words]) == 0
    said = capsys.readouterr().out
    assert said.startswith("HTTP status 502 (Bad Gateway)")
    assert "is meant" not in said


@pytest.mark.parametrize("word", ["E500", "LSML-E500"])
def test_a_code_is_no_status(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", word]) == 0
    assert capsys.readouterr().out.startswith("LSML-E500: ")


@pytest.mark.parametrize("words", [["LSML-E999"], ["flubber", "gar\ngle"]])
def test_unknown_words_say_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("label-studio-ml: No error has this code, or a message with these words: ")
    assert said.err.count("\n") == 2


@pytest.mark.parametrize(
    "words",
    [["--tab", "and", "--no-tab", "do", "not", "go", "together"], ["--tab and --no-tab do not go together"]],
)
def test_options_in_a_pasted_message_are_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *words]) == 0
    assert "  --tab and --no-tab do not go together\n" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_a_help_option_alone_prints_the_help(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", option]) == 0
    assert capsys.readouterr().out.startswith("usage: label-studio-ml explain ")


def test_a_weak_match_is_shown_as_maybe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "organization", "legacy"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Maybe LSML-E710: ")
    assert "Causes:" not in said


def test_no_source_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all modules would take seconds."""
    monkeypatch.setattr("ast.parse", None)
    message_templates.templates.cache_clear()
    assert main(["explain", "Redis refuses the login"]) == 0


def test_it_needs_no_network_and_none_of_the_server() -> None:
    code = (
        "import socket, sys\n"
        "socket.socket.connect = None\n"
        "from label_studio_ml.cli.main import main\n"
        "main(['explain', 'LSML-E310'])\n"
        "print([name for name in ('redis', 'flask', 'requests', 'label_studio_sdk') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["versions", "none"], "LSML-E200"),
        (["test", "be"], "LSML-E310"),
        (["start", "be", "--check"], "LSML-E310"),
        (["predict", "be", "--input", "t.json", "--output", "p.json"], "LSML-E310"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_the_error_of_a_command_ends_with_the_call(words: list[str], code: str, tmp_path: Path) -> None:
    (tmp_path / "be").mkdir()
    (tmp_path / "be" / "model.py").write_text("import no_such_package_at_all\n")
    command = [sys.executable, "-m", "label_studio_ml", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode in (1, 2)
    message, more = done.stderr.splitlines()[-2:]
    assert message.startswith("label-studio-ml: ")
    assert more == f"More: label-studio-ml explain {code}"
    assert main(more.split()[2:]) == 0, "the call can be pasted"
