"""Which texts are a status of HTTP, and what is said of one."""

import pytest

from label_studio_ml import errors
from label_studio_ml.troubleshooting.entries import by_code
from label_studio_ml.troubleshooting.http_statuses import _ADVICE, http_status
from label_studio_ml.web.error_statuses import status_of_kind


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500", 500),
        ("HTTP 500", 500),
        ("HTTP/1.1 502 Bad Gateway", 502),
        ("status code: 503", 503),
        ("Error 404", 404),
        ("500 Internal Server Error", 500),
        ("413 Request Entity Too Large", 413),
        ("500 Server Error: Internal Server Error for url: http://host/predict", 500),
        ("418", 418),
    ],
)
def test_a_text_that_is_a_status(text: str, number: int) -> None:
    status = http_status(text)
    assert status is not None
    assert status.number == number
    assert f"HTTP status {number}" in status.explanation


@pytest.mark.parametrize(
    "text",
    [
        "E500",
        "LSML-E500",
        "310",
        "599",
        "500 tasks cannot be read",
        "the port 500",
        "5000",
        "",
        "404 of 500 tasks",
    ],
)
def test_a_text_that_is_none(text: str) -> None:
    assert http_status(text) is None


def _kinds(kind: type[errors.BackendError]) -> list[type[errors.BackendError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in _kinds(below))]


@pytest.mark.parametrize("number", _ADVICE)
def test_the_codes_of_a_status_are_answered_with_it(number: int) -> None:
    """Errors of Label Studio and of commands, which no backend answers, are named as well."""
    kinds = {kind.code: kind for kind in _kinds(errors.BackendError)}
    for code in _ADVICE[number].codes:
        assert code in by_code()
        if code in kinds and not issubclass(kinds[code], errors.StudioError) and code != "LSML-E430":
            assert status_of_kind(kinds[code]) == number, code
