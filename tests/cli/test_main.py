"""The command as a whole: what it prints, its exit codes, and what it does not import."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from label_studio_ml import __version__, server
from label_studio_ml.cli import main as cli
from label_studio_ml.cli.examples import EXAMPLES
from label_studio_ml.errors import BackendError

HEAVY = (
    "label_studio_sdk",
    "pandas",
    "torch",
    "numpy",
    "flask",
    "redis",
    "rq",
    "requests",
    "uvicorn",
    "msgspec",
    "sklearn",
)


@pytest.mark.parametrize(
    "words", [["--help"], ["init", "--help"], ["start", "--help"], ["evaluate", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom label_studio_ml.cli.main import main\n"
        f"code = main({words!r})\nprint('loaded', *sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.rpartition("\nloaded ")[2].split()}
    assert "argparse" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert [command.name for command in cli.COMMANDS if command.name not in printed] == []


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_examples_of_a_command_can_be_run(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    printed = capsys.readouterr().out
    for example in EXAMPLES[command]:
        assert f"  {example}\n" in printed
        program, *words = shlex.split(example)
        assert (program, words[0]) == ("label-studio-ml", command)
        args, unknown = cli.parse(words)
        assert (args.command, unknown) == (command, [])


def test_the_login_has_one_name_and_help_text_in_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    texts = set()
    for command in ("start", "serve", "connect", "doctor"):
        with pytest.raises(SystemExit):
            cli.parse([command, "--help"])
        printed = " ".join(capsys.readouterr().out.split())
        assert "ML_SERVER_" not in printed
        texts.add(re.search(r" --basic-auth-user USER user.*?BASIC_AUTH_PASS\)", printed))
    assert len({match[0] for match in texts if match}) == 1
    assert None not in texts


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required"),
        (["strat", "x"], "did you mean start?"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["start", "x", "--prot", "9"], "--prot (did you mean --port?)"),
        (["start", "x", "--modeldir=/tmp"], "--modeldir=/tmp (did you mean --model-dir?)"),
        (["init", "x", "--scirpt", "m.py"], "did you mean --script?"),
        (["start", "x", "--por", "80"], "did you mean --port?"),
        (["start", "x", "--port", "ninety"], "is not a port"),
        (["start", "x", "--port", "70000"], "is not a port"),
        (["connect", "x", "--project", "1", "--port", "99999"], "is not a port"),
        (["connect", "x", "--project", "0"], "is not the id of a project"),
        (["doctor", "x", "--port", "0"], "is not a port"),
        (["doctor", "x", "--project", "-1"], "is not the id of a project"),
        (["jobs", "x", "--most", "0"], "is not a whole number of at least 1"),
        (["jobs", "x", "--most", "-1"], "is not a whole number of at least 1"),
        (["jobs", "x", "--project", "0"], "is not the id of a project"),
        (["train", "x", "--project", "0.1767225600"], "is not the id of a project"),
        (["evaluate", "x", "--project", "-3"], "is not the id of a project"),
        (["versions", "x", "--project", ""], "is not the id of a project"),
        (["rank", "x", "--project", "0"], "is not the id of a project"),
        (["agent", "x", "--project", "1,0"], "is not the id of a project"),
        (["push", "x", "y", "--project-there", "0"], "is not the id of a project"),
        (["start", "x", "--threads", "0"], "is not a whole number from 1 to 1,024"),
        (["start", "x", "--model-workers", "99999"], "'99999' is not a whole number from 1 to 256"),
        (["worker", "x", "--workers", "257"], "is not a whole number from 1 to 256"),
        (["predict", "x", "--shards", "10001"], "is not a whole number from 1 to 10,000"),
        (["start", "x", "--with", "novalue"], "is not KEY=VAL"),
        (["start", "x", "--log-level", "loud"], "invalid choice"),
        (["start"], "DIR"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


def test_an_error_is_one_line_and_its_explanation_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise BackendError("the tea\nis cold", fix="Boil water")

    monkeypatch.setattr("label_studio_ml.cli.run.start.run", fail)
    assert cli.main(["start", "x"]) == 1
    line = "label-studio-ml: the tea is cold. Boil water\nMore: label-studio-ml explain LSML-E001\n"
    assert capsys.readouterr().err == line


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("label_studio_ml.cli.run.start.run", interrupt)
    assert cli.main(["start", "x"]) == 130


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_is_gone_is_no_error(lines: int, unbuffered: str) -> None:
    code = (
        "import sys\nfrom label_studio_ml.cli.run import start\nfrom label_studio_ml.cli.main import main\n"
        f"start.run = lambda args: print('line\\n' * {lines}) or 0\nsys.exit(main(['start', 'x']))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_pipe_of_something_else_that_breaks_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise BrokenPipeError("some socket")

    monkeypatch.setattr("label_studio_ml.cli.run.start.run", fail)
    with pytest.raises(BrokenPipeError, match="some socket"):
        cli.main(["start", "x"])


def test_the_commands_exit_code_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("label_studio_ml.cli.run.start.run", lambda args: 7)
    assert cli.main(["start", "x"]) == 7


def test_a_failing_start_does_not_show_a_traceback_to_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", "no-such-folder"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("label-studio-ml: There is no folder")
    assert err.count("\n") == 2, "the message and what explains it"


def test_the_old_import_path_still_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["label-studio-ml", "create", "mine", "--root-dir", "there", "--odd"])
    args, unknown = server.get_args()
    assert (args.command, args.project_name, args.root_dir, unknown) == ("init", "mine", "there", ["--odd"])
    assert server.main is cli.main


MODEL = """from label_studio_ml.model import LabelStudioMLBase


class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return []
"""
COMMAND = (sys.executable, "-m", "label_studio_ml")


def test_a_full_disk_behind_standard_output_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "doctor", tmp_path], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert (done.returncode, done.stderr) == (1, "label-studio-ml: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_lacks_a_character_gets_an_escape(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    done = subprocess.run(
        [*COMMAND, "doctor", tmp_path, "--url", "http://127.0.0.1:1"],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr == b""
    assert b"fail  label studio" in done.stdout
    assert b"\\u2192" in done.stdout


def test_closed_streams_are_no_failure_and_no_other_file_takes_their_numbers(tmp_path: Path) -> None:
    """What a command starts prints to 1 and 2: were these a database's, it would be overwritten."""
    looks = "[os.readlink(f'/proc/self/fd/{number}') for number in (0, 1, 2)]"
    (tmp_path / "model.py").write_text(
        f"import os\nopen('{tmp_path}/said', 'w').write(repr({looks}))\n{MODEL}"
    )
    script = '"$@" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", script, "sh", *COMMAND, "start", tmp_path, "--check"], timeout=120)
    assert done.returncode == 0
    assert (tmp_path / "said").read_text() == repr(["/dev/null"] * 3)


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_help_writes_names_as_they_are(command: cli.Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command.name, "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f" {command.help[0].upper()}{command.help[1:]}. " in printed
    for name in ("Label Studio", "Redis", "JSON", "Ctrl-C", "URL", "HTTP"):
        assert not re.findall(rf"(?<![\w./-]){name.lower()}(?![\w/-]|://)", printed), name


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_help_calls_the_backends_folder_dir(command: cli.Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command.name, "--help"]) == 0
    usage, _, rest = capsys.readouterr().out.partition("\n\n")
    without = ("tokens", "examples", "openapi", "conformance", "explain")
    assert bool(re.search(r" \[?DIR\b", usage)) == (command.name not in without)
    assert not re.findall(r"\[-[\w-]+ DIR\]", usage), "an option's folder has another name"
    assert "PROJECT_DIR" not in rest


def test_help_groups_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "run it:\n  start         serve a backend's folder to Label Studio\n" in printed
    assert "\n  init, create  make a backend's folder" in printed
    assert max(map(len, printed.splitlines())) <= 80
