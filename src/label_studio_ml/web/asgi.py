"""The ASGI face of the endpoints: read the body up to the limit, hand it over, send the answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from label_studio_ml.errors import BodyTooLarge
from label_studio_ml.web.calls import Response
from label_studio_ml.web.endpoints import Endpoints

Message = MutableMapping[str, Any]


class Asgi:
    """An ASGI application for `endpoints`. Bodies over `max_body` bytes are answered with 413."""

    def __init__(self, endpoints: Endpoints, max_body: int) -> None:
        self._endpoints = endpoints
        self._max_body = max_body

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served here")
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        path = scope["path"]
        root = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :] or "/"
        body = await self._body(headers, receive)
        if body is None:
            response = self._endpoints.refuse(too_large(self._max_body), path, headers)
            response.headers["Connection"] = "close"
        else:
            query = scope.get("query_string", b"").decode("latin-1")
            response = await self._endpoints.handle(
                scope["method"], path, query, headers, body, _gone(receive)
            )
        await _send(response, send, head=scope["method"] == "HEAD")

    async def _body(self, headers: dict[str, str], receive: Callable[[], Awaitable[Message]]) -> bytes | None:
        """Return the whole body, None if it is too large."""
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_body:
            return None
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body if len(body) <= self._max_body else None
        parts = [body]
        size = len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body:
                return None
        return b"".join(parts)


def _gone(receive: Callable[[], Awaitable[Message]]) -> Callable[[], bool] | None:
    """Return a way to see whether the caller has left, without waiting for it.

    ASGI only lets one wait for that. uvicorn's `receive` belongs to an object that has the answer at hand; other
    servers' callers are taken to stay.
    """
    cycle: Any = getattr(receive, "__self__", None)
    return (lambda: bool(cycle.disconnected)) if hasattr(cycle, "disconnected") else None


async def _send(response: Response, send: Callable[[Message], Awaitable[None]], *, head: bool) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.items()
        ),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})


def too_large(limit: int) -> BodyTooLarge:
    """Return the error of a body over `limit` bytes."""
    return BodyTooLarge(
        f"The body is larger than {limit} bytes",
        fix="Send fewer tasks in one request, or raise LABEL_STUDIO_ML_MAX_BODY",
        field="body",
    )
