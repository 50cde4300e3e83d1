"""Errors of Python that a model's own code raises."""

from collections.abc import Callable

import pytest

from label_studio_ml.troubleshooting.message_templates import templates
from label_studio_ml.troubleshooting.python_errors import python_error
from time_growth import time_growth


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("division by zero", "ZeroDivisionError"),
        ("ZeroDivisionError: division by zero", "ZeroDivisionError"),
        ("KeyError: 'x'", "KeyError"),
        ("keyerror: 'x'", "KeyError"),
        ("AttributeError: 'NoneType' object has no attribute 'shape'", "AttributeError"),
        ("'NoneType' object has no attribute 'shape'", "AttributeError"),
        ("'NoneType' object is not iterable", "TypeError"),
        ("No module named 'torch'", "ModuleNotFoundError"),
        ("ModuleNotFoundError: No module named 'torch'", "ModuleNotFoundError"),
        ("OSError: [Errno 28] No space left on device", "OSError"),
        ("[Errno 28] No space left on device", "OSError"),
        ("fit failed for 1 of 3 events; ANNOTATION_CREATED: ValueError: no (model.py, line 3)", "ValueError"),
        ("json.decoder.JSONDecodeError: Expecting value: line 1", "json.decoder.JSONDecodeError"),
        ("list index out of range", "IndexError"),
        ("StopIteration", "StopIteration"),
        ("predict() got an unexpected keyword argument 'context'", "TypeError"),
    ],
)
def test_errors_are_recognized(text: str, name: str) -> None:
    error = python_error(text)
    assert error is not None
    assert error.name == name
    assert error.explanation.startswith(f"{name} is an error of Python")
    assert "{" not in error.explanation


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flubber gargle",
        "an error",
        "The error",
        "Redis refuses it",
        "exit",
        "error:",
        "The system warning: x",
    ],
)
def test_other_texts_are_none(text: str) -> None:
    assert python_error(text) is None


def test_a_warning_as_python_prints_it_is_one() -> None:
    error = python_error("Exception: no GPU")
    assert error is not None
    assert error.name == "Exception"


@pytest.mark.parametrize("pattern", ["a", "a.", "A.a", "'a' ", "[Errno 1] "])
def test_the_time_grows_with_the_length_of_a_text(pattern: str) -> None:
    def prepare(count: int) -> Callable[[], object]:
        text = pattern * count
        return lambda: python_error(text)

    assert time_growth(prepare, 1_000, 8_000) < 30


def test_a_missing_package_has_advice() -> None:
    error = python_error("No module named 'torch'")
    assert error is not None
    assert error.explanation.endswith("name it in its requirements.txt")


def test_few_messages_of_this_package_are_taken_for_errors_of_python() -> None:
    taken = [template.message for template in templates() if python_error(template.message) is not None]
    assert len(taken) < 0.02 * len(templates()), taken
