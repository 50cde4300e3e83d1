"""docs/guarantees.md names tests that exist."""

import ast
import re

import pytest

from .blocks import ROOT

#: A row of a table: what holds, on what it rests, what it assumes, the tests.
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]*`tests/[^|]+) \|$",
    (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_rows_are_found() -> None:
    assert len(ROWS) >= 20


@pytest.mark.parametrize(("promise", "tests"), [(row[0], row[3]) for row in ROWS])
def test_the_tests_of_a_promise_exist(promise: str, tests: str) -> None:
    named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", tests)
    assert len(named) == tests.count("`") / 2
    for path, function in named:
        assert (ROOT / path).exists(), promise
        if function:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
                promise
            )
