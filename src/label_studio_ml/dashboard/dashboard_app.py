"""The dashboard of one server: its page, its API with the routes of all parts, login, and live topics."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from label_studio_ml import __version__
from label_studio_ml.dashboard import dashboard_calls, session_calls
from label_studio_ml.dashboard.dashboard_page import DashboardPage
from label_studio_ml.dashboard.live_topics import LiveTopics, read_json
from label_studio_ml.dashboard.page_request import PageRequest, Part, Route
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.errors import NotAuthorized, RequestError
from label_studio_ml.http_server.messages import Call, Response, json_response
from label_studio_ml.http_server.responses.event_stream import event_stream
from label_studio_ml.protocol.requests import parse_object
from label_studio_ml.web.security.login_sessions import Session, Sessions
from label_studio_ml.web.security.page_paths import LOGIN_PATH, SESSION_PATH, is_page


class Dashboard:
    """Answers the requests for which `is_dashboard` is true.

    `starting` and `closing` are functions that start and end what parts do in the background. `tls` tells whether
    browsers reach the server over HTTPS, `streams` whether this server can send events.
    """

    def __init__(
        self,
        sessions: Sessions,
        parts: Sequence[Part],
        *,
        starting: Sequence[Callable[[], None]] = (),
        closing: Sequence[Callable[[], Awaitable[None]]] = (),
        tls: bool,
        streams: bool,
    ) -> None:
        self._starting = starting
        self._closing = closing
        self._page = DashboardPage()
        self._sessions = sessions
        self._tls = tls
        self._streams = streams
        self.topics = LiveTopics(topic for part in parts for topic in part.topics)
        own_routes = [
            Route(session_calls.LOGOUT, self._logout),
            Route(dashboard_calls.EVENTS, self._events),
            Route(dashboard_calls.TOPIC, self._topic),
        ]
        self._router = PageRouter([*own_routes, *(route for part in parts for route in part.routes)])

    async def respond(self, call: Call) -> Response:
        """Return the response to a request of the dashboard. Raises BackendError."""
        if is_page(call):
            return await self._page.response(call)
        if call.path == LOGIN_PATH and call.method == "POST":
            return self._login(call)
        if call.path == SESSION_PATH:
            return self._session(call)
        response = await self._router.respond(call, self._sessions.session(call))
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def start(self) -> None:
        """Start what parts do in the background, on the running event loop."""
        for start in self._starting:
            start()

    async def close(self) -> None:
        """End what pages follow, and what parts have started."""
        await self.topics.close()
        for close in self._closing:
            await close()

    def _login(self, call: Call) -> Response:
        """Begin a session with `user` and `password`, or with a `token`."""
        fields = parse_object(call.body)
        user, password, token = (fields.get(name, "") for name in ("user", "password", "token"))
        if not all(isinstance(value, str) for value in (user, password, token)):
            raise RequestError("user, password and token must be texts", field="user")
        basic = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
        header = f"Bearer {token}" if token else f"Basic {basic}"
        session, cookie = self._sessions.begin(header, call, secure=self._is_secure(call))
        return json_response(
            200, self._description(session), {"Set-Cookie": cookie, "Cache-Control": "no-store"}
        )

    async def _logout(self, request: PageRequest) -> Response:
        cookie = self._sessions.end(request.call, secure=self._is_secure(request.call))
        return json_response(200, {"status": "ok"}, {"Set-Cookie": cookie})

    def _session(self, call: Call) -> Response:
        """Describe the session of a request; without one, the role is empty (not a 401, which browsers log)."""
        try:
            description = self._description(self._sessions.session(call))
        except NotAuthorized:
            description = {"role": "", "login_required": True}
        return json_response(200, description, {"Cache-Control": "no-store"})

    def _description(self, session: Session) -> dict[str, Any]:
        return {
            "user": session.name,
            "role": "operator" if session.operator else "viewer",
            "login_required": self._sessions.required,
            "csrf": session.csrf,
            "version": __version__,
            "streams": self._streams,
        }

    def _is_secure(self, call: Call) -> bool:
        return self._tls or call.headers.get("x-forwarded-proto", "").lower() == "https"

    async def _events(self, request: PageRequest) -> Response:
        """Send the values of the topics in `topics`, separated by commas, whenever they change."""
        if not self._streams:
            detail = "This server sends no events: read the topics one by one"
            return json_response(501, {"status": 501, "detail": detail})
        return event_stream(self.topics.follow([key for key in request.query("topics").split(",") if key]))

    async def _topic(self, request: PageRequest) -> Response:
        """Return the present value of the topic in `key`."""
        topic, subject = self.topics.find(request.query("key"))
        return Response(200, await read_json(topic, subject))
