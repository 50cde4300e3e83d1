"""Routes about the server itself: probes, metrics, its connection, and the document of all routes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from label_studio_ml import __version__
from label_studio_ml.http_server.messages import Call, Handler, Response, json_response
from label_studio_ml.monitoring.prometheus import CONTENT_TYPE
from label_studio_ml.openapi.declarations.operation import Operation
from label_studio_ml.web.routes.calls import server_calls
from label_studio_ml.web.routes.health import Health


class ServerRoutes:
    """Handlers of `/livez`, `/readyz`, `/metrics`, `/connection` and `/openapi.json`.

    `connected` returns what `/connection` answers about the project that a request names, if it names one.
    """

    def __init__(
        self,
        health: Health,
        api_document: Callable[[], bytes],
        connected: Callable[[str | None], Awaitable[dict[str, Any]]],
    ) -> None:
        self._health = health
        self._api_document = api_document
        self._connected = connected
        self.routes: Mapping[Operation, Handler] = {
            server_calls.LIVEZ: self._livez,
            server_calls.READYZ: self._readyz,
            server_calls.METRICS: self._metrics,
            server_calls.CONNECTION: self._connection,
            server_calls.DOCUMENT: self._document,
        }

    async def _livez(self, call: Call) -> Response:
        body: server_calls.LivezAnswer = {"status": "UP", "version": __version__}
        return json_response(200, body)

    async def _readyz(self, call: Call) -> Response:
        ready, parts = await self._health.ready()
        if not call.trusted:  # causes contain addresses and folders
            parts = {part: cause if cause == "ok" else "failing" for part, cause in parts.items()}
        return json_response(200 if ready else 503, {"status": "READY" if ready else "NOT READY", **parts})

    async def _metrics(self, call: Call) -> Response:
        return Response(200, await self._health.metrics(), content_type=CONTENT_TYPE)

    async def _connection(self, call: Call) -> Response:
        return json_response(200, await self._connected(call.parameter("project")))

    async def _document(self, call: Call) -> Response:
        return Response(200, await asyncio.to_thread(self._api_document))
