"""A line is a whole message with any values."""

from collections.abc import Callable

import pytest

from label_studio_ml.troubleshooting.message_templates import Template
from label_studio_ml.troubleshooting.search import find
from label_studio_ml.troubleshooting.whole_messages import whole_message
from time_growth import time_growth


@pytest.mark.parametrize(
    ("message", "fix", "line", "expected"),
    [
        ("The port … is in use (…)", "", "the port 9090 is in use (by 7)", True),
        ("The port … is in use (…)", "", "the port 9090 is in use (by 7).", True),
        ("The port … is in use (…)", "", "the port 9090 is in use (by 7) since noon", False),
        ("The port … is in use (…)", "", "label: the port 9090 is in use (by 7)", False),
        ("The port … is in use", "", "the port  is in use", False),
        ("The port … is in use", "Take …", "the port 1 is in use. take 2", True),
        ("The port … is in use", "Take …", "the port 1 is in use", True),
        ("The port … is in use", "Take …", "the port 1 is in use. leave 2", False),
        ("…: …", "", "a: b", True),
        ("…: …", "", "a: ", False),
        ("… and …", "", "a and b and c", True),
        ("No port", "", "no port.", True),
        ("No port", "", "no ports", False),
    ],
)
def test_a_line_is_a_message(message: str, fix: str, line: str, expected: bool) -> None:
    assert whole_message(Template("LSML-E200", message, fix))(line) is expected


@pytest.mark.parametrize("pattern", ["The file cannot be read: ", "in is not a : "])
def test_the_time_of_a_search_grows_with_the_length_of_a_text(pattern: str) -> None:
    find(pattern)  # reads the messages

    def prepare(count: int) -> Callable[[], object]:
        text = pattern * count
        return lambda: find(text)

    assert time_growth(prepare, 50, 400) < 30
