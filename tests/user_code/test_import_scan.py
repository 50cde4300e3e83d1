"""Reading what a Python file imports."""

import ast
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.user_code import import_scan


def test_a_parser_that_other_threads_disturbed_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.11 fails so now and then in a program with threads: python/cpython#106905."""
    parse, failures = ast.parse, [SystemError("AST constructor recursion depth mismatch"), None]

    def disturbed(*args: Any, **kwargs: Any) -> Any:
        if (failure := failures.pop(0)) is not None:
            raise failure
        return parse(*args, **kwargs)

    monkeypatch.setattr(ast, "parse", disturbed)
    file = tmp_path / "model.py"
    file.write_text("import json\n")
    assert isinstance(import_scan.parse(file).body[0], ast.Import)
    assert failures == []


def test_a_parser_that_always_fails_is_not_asked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong each time is said."""

    def broken(*_: object, **__: object) -> Any:
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(ast, "parse", broken)
    file = tmp_path / "model.py"
    file.write_text("import json\n")
    with pytest.raises(SystemError, match="mismatch"):
        import_scan.parse(file)
