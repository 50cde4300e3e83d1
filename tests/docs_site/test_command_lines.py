"""The command lines of the pages are taken by the command line, with the options that they have there."""

import re

import pytest

from label_studio_ml.cli.main import parse

from .command_lines import NAMES, arguments, command_lines, commands_in, mentioned_lines

#: Words that stand for a number.
_NUMBERS = {"ID": "7", "N": "3", "K": "5"}
#: What argparse says of a mention that leaves out what its command needs.
_LEFT_OUT = re.compile(
    r"the following arguments are required: (.*)|one of the arguments (--[a-z]+) .*is required"
    r"|argument (--[a-z-]+)\S*: expected .*"
)


def _words(line: str) -> list[str]:
    """Return the arguments of a line, with brackets around optional ones removed and numbers in place of letters."""
    found = [re.sub(r"^\[(--[a-z-]+)\]$", r"\1", word) for word in arguments(line)]
    return [_NUMBERS.get(word, word) for word in found]


def test_commands_are_found() -> None:
    assert len(command_lines()) > 60
    assert len(mentioned_lines()) > 80


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("$ A=1 x/label-studio-ml start d | cat > f", ["A=1 x/label-studio-ml start d"]),
        ("label-studio-ml train d   shows a person's progress", ["label-studio-ml train d"]),
        ("label-studio-ml tokens list  # all of them", ["label-studio-ml tokens list"]),
        (
            "cd d && label-studio-ml init d; label-studio-ml start d &",
            ["label-studio-ml init d", "label-studio-ml start d"],
        ),
        ('label-studio-ml predict d --where "id > 1"', ['label-studio-ml predict d --where "id > 1"']),
        ("pip install label-studio-ml redis", []),
        ("[label-studio-ml: MLflow: refused]", []),
    ],
)
def test_the_commands_of_a_line(line: str, commands: list[str]) -> None:
    assert list(commands_in(line)) == commands


@pytest.mark.parametrize("line", sorted(command_lines()))
def test_a_command_line_is_taken(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not _error(_words(line), capsys)


def _error(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what the command line says against some arguments."""
    try:
        _, unknown = parse(words)
    except SystemExit as done:
        return capsys.readouterr().err if done.code else ""
    return f"unknown: {unknown}" if unknown else ""


@pytest.mark.parametrize("line", sorted(mentioned_lines()))
def test_a_mentioned_command_is_taken(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = _words(line)
    assert words[0] in NAMES
    assert not _error_when_completed(words, capsys)


@pytest.mark.parametrize(
    "line", ["predict --shard 16", "jobs my_backend --retries", "tokens drop", "strat DIR"]
)
def test_a_wrong_mention_is_found(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _error_when_completed(line.split(), capsys)


def _error_when_completed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what the command line says against a mention, which may leave out what its command needs."""
    error = _error(words, capsys)
    for _ in range(3):
        left_out = _LEFT_OUT.search(error)
        if not left_out:
            break
        words = _completed(words, left_out)
        error = _error(words, capsys)
    return error


def _completed(words: list[str], left_out: "re.Match[str]") -> list[str]:
    """Return the arguments with those added that a message names: `DIR`, `--project`, `add|list|revoke`."""
    names, one_of, without_value = left_out.groups()
    if without_value:
        at = words.index(without_value) + 1
        return [*words[:at], "1", *words[at:]]
    for name in (one_of or names).split(", "):
        choice = name.partition("|")[0] if "|" in name else "x"
        words = [*words, name, "1"] if name.startswith("--") else [words[0], choice, *words[1:]]
    return words
