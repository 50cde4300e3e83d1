"""Each command line in the pages' code blocks is run by a test that is named here, or has a reason why not."""

import ast
import re
from functools import cache

import pytest

from .blocks import ROOT
from .command_lines import (
    IN_ORDER,
    MENTIONED_IN_ORDER,
    NOT_RUN,
    RUN_ELSEWHERE,
    RUN_IN_ORDER,
    command_lines,
    mentioned_lines,
    words_to_find,
)


@pytest.mark.parametrize("line", sorted(command_lines()))
def test_a_line_is_run_or_has_a_reason(line: str) -> None:
    places = [line in each for each in (RUN_IN_ORDER, RUN_ELSEWHERE, NOT_RUN)]
    assert sum(places) == 1, (
        f"{line!r} is in {sum(places)} of the tables in tests/docs_site/command_lines.py. "
        f"Run it in {IN_ORDER} and add it to RUN_IN_ORDER, or name the test that runs it in RUN_ELSEWHERE, "
        "or say in NOT_RUN why none can"
    )


def test_the_tables_have_no_line_that_is_gone() -> None:
    assert {*RUN_IN_ORDER, *RUN_ELSEWHERE, *NOT_RUN} <= command_lines()
    assert mentioned_lines() >= MENTIONED_IN_ORDER


@cache
def _texts(file: str) -> str:
    """Return the string literals of a file of tests, without docstrings."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    texts = [node.value for node in constants if isinstance(node.value, str) and id(node) not in docstrings]
    return "\n".join(texts)


def _missing(line: str, texts: str) -> list[str]:
    return [
        word for word in words_to_find(line) if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", texts)
    ]


@pytest.mark.parametrize(("line", "files"), RUN_ELSEWHERE.items())
def test_the_named_test_has_the_command_and_its_options(line: str, files: tuple[str, ...]) -> None:
    missing = _missing(line, "\n".join(_texts(file) for file in files))
    assert not missing, f"{' and '.join(files)} do not contain {missing}: name the test that runs {line!r}"


@pytest.mark.parametrize(
    ("line", "texts", "missing"),
    [
        ("label-studio-ml serve DIR --host 0.0.0.0", "serve --hosts", ["--host"]),
        ("label-studio-ml start my_backend", "starts restart --start", ["start"]),
        ("TRACKER=wandb label-studio-ml start my_backend", "start TRACKER mlflow,tensorboard", ["wandb"]),
        ("A=http://x label-studio-ml start my_backend", "start", ["A"]),
        ("label-studio-ml init b --install --example llm", "init --install --example llms", ["llm"]),
        (
            "label-studio-ml init b --install --example llm",
            "label-studio-ml init --install --example llm",
            [],
        ),
    ],
)
def test_what_is_missing_is_found(line: str, texts: str, missing: list[str]) -> None:
    assert _missing(line, texts) == missing
