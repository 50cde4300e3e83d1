"""Errors of Python that a model's own code raises."""

import pytest

from label_studio_ml.troubleshooting.message_templates import templates
from label_studio_ml.troubleshooting.python_errors import python_error


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
    "text", ["", "flubber gargle", "an error", "The error", "Redis refuses it", "exit", "error:"]
)
def test_other_texts_are_none(text: str) -> None:
    assert python_error(text) is None


def test_a_missing_package_has_advice() -> None:
    error = python_error("No module named 'torch'")
    assert error is not None
    assert error.explanation.endswith("name it in its requirements.txt")


def test_few_messages_of_this_package_are_taken_for_errors_of_python() -> None:
    taken = [template.message for template in templates() if python_error(template.message) is not None]
    assert len(taken) < 0.02 * len(templates()), taken
