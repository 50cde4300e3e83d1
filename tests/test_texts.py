import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import label_studio_ml
from label_studio_ml.cli.main import COMMANDS
from label_studio_ml.support.texts import our_command, plural, shell_command, whole_number


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("task",), "0 tasks"),
        (1, ("task",), "1 task"),
        (2, ("task",), "2 tasks"),
        (1240, ("task",), "1,240 tasks"),
        (1, ("try", "tries"), "1 try"),
        (2, ("try", "tries"), "2 tries"),
        (1, ("task has", "tasks have"), "1 task has"),
        (0, ("task has", "tasks have"), "0 tasks have"),
    ],
)
def test_things_are_counted_with_the_right_form(count: int, nouns: tuple[str, ...], text: str) -> None:
    assert plural(count, *nouns) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("0012", 12), ("", None), ("-1", None), ("1.0", None), (" 1", None), ("1_0", None)),
        *(("²", None), ("٣", None), ("9" * 5000, None)),
    ],
)
def test_a_whole_number_is_ascii_digits(text: str, number: int | None) -> None:
    assert whole_number(text) == number


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    command = our_command("start", Path("/srv/my backend"), "--port", 9091, "--with", "a=$b")
    assert command == "label-studio-ml start '/srv/my backend' --port 9091 --with 'a=$b'"
    assert shlex.split(command)[2] == "/srv/my backend"
    assert shell_command("pip", "install", "label-studio-ml[s3]") == "pip install 'label-studio-ml[s3]'"
    assert our_command("start", "be") == "label-studio-ml start be", "nothing is quoted without need"


SOURCE = Path(label_studio_ml.__file__).parent
#: A command of ours or of pip, right before what is filled in.
_COMMAND = re.compile(
    rf"(label-studio-ml ({'|'.join(one.name for one in COMMANDS)})|pip install) [^{{}}]*\{{"
)
#: A count, and after it a noun that has one form only.
_COUNTED = re.compile(
    r"(\{(len|sum)\([^{}]*\}|%d) (?!goes|waits)([a-z]+ )?(?!(s|is|was|has|times|waits|goes)\b)[a-z]+s\b|(?<!http)\(s\)"
)
#: Parts of messages whose counts are never one, or whose noun is in another place.
_NEVER_ONE = (
    "projects with the number {",
    "{len(names)} model classes, {', '.join(names)}",
    "it is in the project {len(mine)} times",
    "%r -> 503 (%d times since the last such line): %s",
    "characters, more than the {",
    "characters, at most {",
)


def test_digits_are_read_in_one_place() -> None:
    """`"²".isdigit()` is true, and `int("²")` raises ValueError."""
    found = [
        f"{path}:{node.lineno}"
        for path, nodes in _nodes()
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr in ("isdigit", "isdecimal", "isnumeric")
    ]
    assert [place.partition(":")[0] for place in found] == ["support/texts.py"], "use texts.whole_number"


@functools.cache
def _nodes() -> list[tuple[Path, list[ast.AST]]]:
    """Return the attributes and texts in the code of all modules, each with its module's path in the package."""
    kinds = (ast.Attribute, ast.Constant, ast.JoinedStr)
    return [
        (
            path.relative_to(SOURCE),
            [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)],
        )
        for path in sorted(SOURCE.rglob("*.py"))
    ]


@functools.cache
def _messages() -> list[tuple[str, str]]:
    """Return the f-strings and texts with placeholders of all modules but docstrings, each with its place."""
    marks = ("{", "%d", "(s)")  # nothing without one of them is looked for
    return [(place, text) for place, text in _read_messages() if any(mark in text for mark in marks)]


def _read_messages() -> Iterator[tuple[str, str]]:
    for path, nodes in _nodes():
        for node in nodes:
            place = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else f"{{{_source(part)}}}"
                    for part in node.values
                )
                yield place, "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                yield place, node.value


def _source(part: ast.expr) -> str:
    return ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""


def _excused(text: str) -> bool:
    return any(part in text for part in _NEVER_ONE)


def test_no_message_counts_without_minding_one() -> None:
    found = [(place, text) for place, text in _messages() if _COUNTED.search(text) and not _excused(text)]
    assert not found, "use texts.plural"


def test_no_message_fills_a_command_in_unquoted() -> None:
    found = [(place, text) for place, text in _messages() if _COMMAND.search(text)]
    assert not found, "use texts.our_command or texts.shell_command"
