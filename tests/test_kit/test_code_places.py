"""Tell errors that the user's code raises by itself from those of its expressions."""

import importlib.util
from pathlib import Path

import pytest

from label_studio_ml.test_kit.child.failure_texts import explains_annotations
from label_studio_ml.test_kit.code_places import UserCode

CODE = """
def one_line(values):
    if not values: raise ValueError("Training needs annotations")

def several_lines(values):
    raise ValueError(
        f"Training needs annotations, not {values}"
    )

def re_raised(values):
    try:
        values["a"]
    except TypeError as error: raise ValueError("Training needs annotations") from error

def asserted(values):
    assert len(values) == 1, "Training needs one annotation"

def asserted_silently(values):
    assert len(values) == 1

def in_an_expression(values):
    raise ValueError(values[0])

def in_an_assertion(values):
    assert values[0] == 1, "no"

def silent(values):
    if not values: raise ValueError

def by_python(values):
    return max(values)

def by_a_library(values):
    from sklearn.linear_model import LogisticRegression
    LogisticRegression().fit([[1], [2]], [0, 0])

def by_a_library_about_something_else(values):
    from sklearn.linear_model import LogisticRegression
    LogisticRegression(C=-1).fit([[1], [2]], [0, 1])
"""


def error_of(name: str, folder: Path) -> tuple[UserCode, BaseException]:
    script = folder / "model.py"
    script.write_text(CODE)
    spec = importlib.util.spec_from_file_location("model_of_code_places", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises((ValueError, LookupError, AssertionError)) as raised:
        getattr(module, name)([])
    return UserCode(folder, script, ""), raised.value


@pytest.mark.parametrize("name", ["one_line", "several_lines", "re_raised", "asserted"])
def test_a_statement_with_a_message_is_an_explanation(name: str, tmp_path: Path) -> None:
    code, error = error_of(name, tmp_path)
    assert code.raises_by_itself(error)
    assert explains_annotations(code, error)


@pytest.mark.parametrize("name", ["asserted_silently", "silent"])
def test_a_statement_without_a_message_refuses_only(name: str, tmp_path: Path) -> None:
    code, error = error_of(name, tmp_path)
    assert code.refuses(error)
    assert not code.raises_by_itself(error)


@pytest.mark.parametrize("name", ["in_an_expression", "in_an_assertion", "by_python"])
def test_an_error_of_an_expression_is_none(name: str, tmp_path: Path) -> None:
    code, error = error_of(name, tmp_path)
    assert not code.refuses(error)
    assert not explains_annotations(code, error)


def test_a_library_that_speaks_of_classes_explains_annotations(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    code, error = error_of("by_a_library", tmp_path)
    assert "class" in str(error)
    assert explains_annotations(code, error)
    code, error = error_of("by_a_library_about_something_else", tmp_path)
    assert not explains_annotations(code, error)
