"""The commands in README.md and docs/ exist, with the options that they have there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_ml.cli.main import COMMANDS, parse

ROOT = Path(__file__).resolve().parent.parent.parent

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("benchmarks/*.md")),
]
#: Indented and fenced code.
_CODE = re.compile(r"^(?: {4}.*\n)+|^```\w*\n(?:.*\n)*?^```", re.MULTILINE)
_INLINE = re.compile(r"`(label-studio-ml [a-z][^`]*)`")
#: What ends a command in a line of the shell.
_ENDS = {"|", "&&", "||", ";", "&", ">", ">>", "<", "2>&1"}
#: Words that stand for a number.
_NUMBERS = {"ID": "7", "N": "3"}

NAMES = {name for command in COMMANDS for name in (command.name, *command.aliases)}


def in_code(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command of ours in the code of a page."""
    for code in _CODE.findall(text):
        for line in code.replace("\\\n", " ").splitlines():
            # What follows several blanks explains the command.
            yield from _commands(re.sub(r"(?<=\S) {3,}\S.*", "", line))


def mentioned(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command of ours in the sentences of a page, often without all that it needs."""
    for line in _INLINE.findall(_CODE.sub("", text)):
        yield from _commands(" ".join(line.split()))


def _commands(line: str) -> Iterator[list[str]]:
    words: list[str] | None = None
    try:
        split = shlex.split(line, comments=True)
    except ValueError:  # a line of another language
        return
    for word in [*split, ";"]:
        if words is None:
            words = [] if word.rpartition("/")[2] == "label-studio-ml" else None
        elif word in _ENDS:
            if words and words[0].isalpha() and words[0].islower():
                yield [_NUMBERS.get(each, each) for each in words]
            words = None
        else:
            words.append(word)


def cases(find: object) -> list[object]:
    assert callable(find)
    return [
        pytest.param(words, id=f"{page.name}: {' '.join(words)}"[:100])
        for page in PAGES
        for words in find(page.read_text(encoding="utf-8"))
    ]


def test_commands_are_found() -> None:
    assert len(cases(in_code)) > 80
    assert len(cases(mentioned)) > 50


@pytest.mark.parametrize("words", cases(in_code))
def test_a_command_line_is_taken(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        _, unknown = parse(words)
    except SystemExit as done:
        if done.code:
            pytest.fail(capsys.readouterr().err)
    else:
        assert not unknown


@pytest.mark.parametrize("words", cases(mentioned))
def test_a_mentioned_command_has_its_options(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    name, *rest = words
    assert name in NAMES
    with pytest.raises(SystemExit):
        parse([name, "--help"])
    options = set(re.findall(r"--?[a-z][\w-]*", capsys.readouterr().out))
    assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= options | {"--version"}
