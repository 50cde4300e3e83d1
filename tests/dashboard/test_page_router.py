"""Routes of the dashboard: which one fits, and which session may use it."""

import asyncio
from typing import Any

import pytest

from label_studio_ml.dashboard.page_request import PageRequest, Route
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.errors import ForeignOrigin, ReadOnlyLogin, RequestError
from label_studio_ml.http_server.messages import Call, Response, json_response
from label_studio_ml.openapi.declarations.operation import Operation
from label_studio_ml.web.security.login_sessions import Session

OPERATOR = Session("ada", operator=True, csrf="token")
VIEWER = Session("eve", operator=False, csrf="token")
SCRIPT = Session("ci", operator=True, csrf="other", exempt=True)


async def _show(request: PageRequest) -> Response:
    return json_response(200, {"path": dict(request.path)})


def _route(method: str, path: str, *, viewer: bool = False) -> Route:
    operation = Operation(
        method=method, path=f"/dashboard/api/{path}", tag="", summary="", answers={}, viewer=viewer
    )
    return Route(operation, _show)


ROUTER = PageRouter(
    [
        _route("GET", "trainings"),
        _route("GET", "trainings/{job}/log"),
        _route("POST", "trainings/{job}/cancel"),
        _route("POST", "trial/predict", viewer=True),
    ]
)


def ask(method: str, path: str, session: Session = OPERATOR, csrf: str | None = "token") -> Response:
    headers = {} if csrf is None else {"x-csrf-token": csrf}
    return asyncio.run(ROUTER.respond(Call(method, f"/dashboard/api/{path}", headers=headers), session))


def test_names_in_a_pattern_take_one_part_of_the_path() -> None:
    assert ask("GET", "trainings/a%2Fb%20c/log").body == b'{"path":{"job":"a/b c"}}'
    assert ask("GET", "trainings/").status == 200
    assert ask("HEAD", "trainings").status == 200
    assert ask("GET", "trainings/a/b/log").status == 404
    assert ask("GET", "trainings//log").status == 404
    assert ask("GET", "nothing").status == 404


def test_a_wrong_method_is_told_the_right_one() -> None:
    refused = ask("GET", "trainings/1/cancel")
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("csrf", [None, "", "other", "tökén"])
def test_acting_needs_the_token_of_the_session(csrf: str | None) -> None:
    with pytest.raises(ForeignOrigin, match="Reload the page"):
        ask("POST", "trainings/1/cancel", csrf=csrf)
    assert ask("POST", "trainings/1/cancel").status == 200
    assert ask("GET", "trainings", csrf=csrf).status == 200
    assert ask("POST", "trainings/1/cancel", SCRIPT, csrf=csrf).status == 200


def test_a_viewer_looks_and_does_not_act() -> None:
    assert ask("GET", "trainings", VIEWER).status == 200
    assert ask("POST", "trial/predict", VIEWER).status == 200
    with pytest.raises(ReadOnlyLogin, match="eve may only look"):
        ask("POST", "trainings/1/cancel", VIEWER)


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=0", "limit=101", "limit=1e3", "limit=٣", "limit=9999999999"]
)
def test_numbers_out_of_range_are_refused(query: str) -> None:
    request = PageRequest(Call("GET", "/dashboard/api/x", query), OPERATOR, {})
    with pytest.raises(RequestError, match="limit must be a whole number from 1 to 100"):
        request.number("limit", 50, least=1, most=100)


def test_numbers_and_texts_of_a_request() -> None:
    request = PageRequest(
        Call("POST", "/dashboard/api/x", "limit=7", body=b'{"job": "1", "n": 2}'), OPERATOR, {}
    )
    assert request.number("limit", 50, least=1, most=100) == 7
    assert request.number("after", 50, least=1, most=100) == 50
    assert request.text("job") == "1"
    for field in ("n", "missing"):
        with pytest.raises(RequestError, match=f"{field} must be a text"):
            request.text(field)


def test_a_body_that_is_no_object_is_refused() -> None:
    values: list[Any] = [b"", b"[]", b"x"]
    for body in values:
        with pytest.raises(RequestError):
            PageRequest(Call("POST", "/dashboard/api/x", body=body), OPERATOR, {}).text("job")
