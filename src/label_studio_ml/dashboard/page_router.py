"""Find the route of a request of the dashboard, and check that its session may use it."""

import hmac
from collections.abc import Iterable
from urllib.parse import unquote

from label_studio_ml.dashboard.page_request import PageRequest, Route
from label_studio_ml.errors import ForeignOrigin, ReadOnlyLogin
from label_studio_ml.http_server.messages import Call, Response, json_response
from label_studio_ml.web.security.login_sessions import Session
from label_studio_ml.web.security.page_paths import API


class PageRouter:
    """A table of routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(tuple(route.pattern.split("/")), route) for route in routes]

    async def respond(self, call: Call, session: Session) -> Response:
        """Return the response of the route that fits, 404 or 405 if there is none.

        Raises ForeignOrigin if a request that acts lacks the session's X-CSRF-Token, ReadOnlyLogin if the session may
        not act, and what the route's handler raises.
        """
        parts = tuple(call.path.removeprefix(API).rstrip("/").split("/"))
        method = "GET" if call.method == "HEAD" else call.method
        fitting = [
            (route, path) for pattern, route in self._routes if (path := _match(pattern, parts)) is not None
        ]
        for route, path in fitting:
            if route.operation.method == method:
                if method != "GET":
                    _check_may_act(call, session, route)
                return await route.handler(PageRequest(call, session, path))
        if fitting:
            allowed = ", ".join(sorted({route.operation.method for route, _ in fitting}))
            detail = f"{call.path} accepts {allowed}, not {call.method}"
            return json_response(405, {"status": 405, "detail": detail}, {"Allow": allowed})
        return json_response(404, {"status": 404, "detail": f"There is no {call.path} here"})


def _match(pattern: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    """Return the values of a pattern's names in the parts of a path, None if the path does not fit."""
    if len(pattern) != len(parts):
        return None
    values = {}
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("{"):
            if not part:
                return None
            values[expected[1:-1]] = unquote(part)
        elif expected != part:
            return None
    return values


def _check_may_act(call: Call, session: Session, route: Route) -> None:
    """Raise ForeignOrigin or ReadOnlyLogin unless the session may use a route that is not a GET."""
    token = call.headers.get("x-csrf-token", "")
    if not session.exempt and not hmac.compare_digest(token.encode(), session.csrf.encode()):
        raise ForeignOrigin(
            "The request does not come from a page of this backend, or its session has changed",
            fix="Reload the page",
            field="X-CSRF-Token",
        )
    if not session.operator and not route.operation.viewer:
        raise ReadOnlyLogin(
            f"{session.name} may only look", fix="Log in as the user in BASIC_AUTH_USER to do this"
        )
