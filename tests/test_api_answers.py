"""The check that all tests share: answers that differ from the OpenAPI document fail the test that got them."""

from collections.abc import Iterator

import pytest

import conftest
from api_answers import HELD, the_document
from label_studio_ml.api import init_app
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.web.routes.server_routes import ServerRoutes


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    HELD.take()


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type", "body", "difference"),
    [
        ("GET", "/livez", 200, "application/json", b'{"status":"UP","version":"3"}', ""),
        ("HEAD", "/livez", 200, "application/json", None, ""),
        ("GET", "/livez", 200, "application/json", b"", "not JSON"),
        ("GET", "/livez/", 200, "application/json", b'{"status":"UP","version":"3"}', ""),
        (
            "GET",
            "/livez",
            200,
            "application/json",
            b'{"status":"UP","version":"3","more":1}',
            "'more' was unexpected",
        ),
        ("GET", "/livez", 200, "application/json", b'{"status":"UP"}', "'version' is a required property"),
        ("GET", "/livez", 200, "application/json", b'{"status":"UP","version":3}', "$.version"),
        ("GET", "/livez", 200, "application/json", b"{", "not JSON"),
        ("GET", "/livez", 200, "text/html", b"", "Content-Type"),
        ("GET", "/livez", 418, "application/json", b"", "status"),
        ("GET", "/livez", 404, "application/json", b"", "status"),
        ("POST", "/livez", 405, "application/json", b"", ""),
        ("POST", "/livez", 200, "application/json", b"", "POST /livez"),
        ("GET", "/elsewhere", 404, "application/json", b"", ""),
        ("GET", "/elsewhere", 200, "application/json", b"", "GET /elsewhere"),
        ("GET", "/problem/418/a/b", 418, "application/json", b'{"status":418,"detail":"a b"}', ""),
        ("GET", "/problem/418/", 418, "application/json", b'{"status":418}', "'detail'"),
        ("GET", "/livez", 421, "application/json", b'{"status":421,"detail":"?","field":"Host"}', ""),
        ("GET", "/livez", 421, "application/json", b'{"status":421,"detail":"?","more":1}', "'more'"),
        ("GET", "/dashboard/static/lib/a.css", 304, "text/css", b"", ""),
        ("GET", "/dashboard/static/lib/a.css", 304, "text/css", b"a", "body"),
        ("GET", "/dashboard/api/trainings/counts", 200, "text/plain", b"", "Content-Type"),
        ("POST", "/predict", 499, "application/json", b"", ""),
        (
            "POST",
            "/predict",
            200,
            "application/json",
            b'{"results":[{"result":[],"model_version":"a","of the model":1},[{"model_version":"b"}]]}',
            "",
        ),
        (
            "POST",
            "/predict",
            200,
            "application/json",
            b'{"results":[{"model_version":null}]}',
            "$.results[0]",
        ),
    ],
)
def test_differences(
    method: str, path: str, status: int, content_type: str, body: bytes | None, difference: str
) -> None:
    found = the_document().difference(method, path, status, {"Content-Type": content_type}, body)
    assert difference in found
    assert bool(found) == bool(difference)


@pytest.mark.parametrize(
    ("status", "headers", "difference"),
    [
        (401, {"www-authenticate": "Basic"}, ""),
        (401, {}, "the header WWW-Authenticate is missing"),
        (401, {"WWW-Authenticate": "Basic", "Cache-Control": "no-store", "X-Request-ID": "1"}, ""),
        (401, {"WWW-Authenticate": "Basic", "X-Planted": "1"}, "the header x-planted is not in the document"),
        (503, {}, "the header Retry-After is missing"),
    ],
)
def test_differences_of_headers(status: int, headers: dict[str, str], difference: str) -> None:
    sent = {"Content-Type": "application/json", **headers}
    body = b'{"status":%d,"detail":"because"}' % status
    assert the_document().difference("POST", "/predict", status, sent, body) == difference


def test_a_test_fails_if_a_server_answers_a_field_that_is_not_in_the_document(
    monkeypatch: pytest.MonkeyPatch, clean_env: None
) -> None:
    async def livez(self: ServerRoutes, call: object) -> Response:
        return json_response(200, {"status": "UP", "version": "3", "planted": True})

    monkeypatch.setattr(ServerRoutes, "_livez", livez)
    app = init_app(LabelStudioMLBase)
    app.config["TESTING"] = True
    part = conftest._hold_answers()
    next(part)
    assert app.test_client().get("/livez").status_code == 200
    with pytest.raises(pytest.fail.Exception, match=r"GET /livez -> 200: .*'planted' was unexpected"):
        next(part)
    assert app._running is not None
    app._running.close()


def test_values_of_topics_are_held_too() -> None:
    assert the_document().topic_difference("log", b'{"file":"server.log","next":"","size":1}') == ""
    assert the_document().topic_difference("log", b'{"error":"it cannot be read"}') == ""
    assert the_document().topic_difference("log", b'{"file":"server.log"}')
    assert "no such topic" in the_document().topic_difference("nothing", b"{}")
