"""The older helpers for Flask views."""

import json
import logging
from typing import Any

import pytest
from flask import Flask

from label_studio_ml.exceptions import AnswerException, answer, exception_handler


def _body(response: Any) -> Any:
    return json.loads(response.get_data())


def test_answer_outside_of_a_request() -> None:
    response = answer(200, result={"a": 1})
    assert response.status_code == 200
    assert _body(response) == {"status": 200, "detail": "ok", "request": {}, "result": {"a": 1}}


def test_answer_without_anything() -> None:
    response = answer()
    assert response.status_code == 500
    assert _body(response)["detail"] == "nothing happened"


def test_view_answers() -> None:
    app = Flask(__name__)

    @app.get("/refuse")
    @exception_handler
    def refuse() -> None:
        raise AnswerException(410, "gone")

    @app.get("/fail")
    @exception_handler
    def fail() -> None:
        raise KeyError("first line\nsecond line")

    @app.get("/work")
    @exception_handler
    def work() -> dict[str, str]:
        return {"status": "UP"}

    client = app.test_client()
    refused = client.get("/refuse?x=1")
    assert refused.status_code == 410
    assert refused.get_json() == {"status": 410, "detail": "gone", "request": {"x": "1"}}
    failed = client.get("/fail")
    assert failed.status_code == 500
    assert failed.get_json()["detail"].startswith("KeyError: ")
    assert "result" not in failed.get_json()
    assert client.get("/work").get_json() == {"status": "UP"}


def test_traceback_goes_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    @exception_handler
    def view() -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR):
        response = view()
    assert b"Traceback" not in response.get_data()
    assert caplog.records[0].exc_info is not None
    assert view.__name__ == "view"


@pytest.mark.parametrize("result", [None, "text", {"a": 1}, [1]])
def test_answer_exception_takes_any_result(result: Any) -> None:
    @exception_handler
    def view() -> None:
        raise AnswerException(400, "no", result)

    assert _body(view()).get("result") == result
    assert AnswerException(400, "no", result).answer.status_code == 400
